"""Four people who chat at once, each with an adapter of their own, against what a user would write: one lock around `generate`.

python -m benchmarks.concurrent_chat                        three rounds of three questions each
python -m benchmarks.concurrent_chat --rounds 1 --tokens 24 a short look; nothing is reported

The other side sets the adapter and streams `generate` through `TextIteratorStreamer`, all under one lock, as `set_adapter` changes the
modules that everybody shares. Replies are greedy and of a fixed length; adapters are random, of rank 8, on all linear layers.

Claims: at least 2.5 times the tokens a second of all together, with the 95th percentile of the time to the first piece of text at
most half; two adapters in one batch give at least 1.5 times the tokens a second of the engine switching between them, which is
what adapters that cannot be mixed get.
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.report import report
from engine.adapters.store import Card, publish
from engine.models.adapters import AdapterSlots
from engine.models.catalog import fingerprint, resolve
from engine.models.host import Host
from engine.models.loader import load_model, load_tokenizer
from engine.models.request import Sampling
from engine.settings import settings

QUESTIONS = ["Tell me a story about the sea.", "How do I bake bread?", "Write a letter to a friend about autumn."]
USERS = ("ann", "ben", "cem", "dee")

Ask = Callable[[str, str], Any]
"""A user and a question; gives the pieces of the reply as they come."""


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=64)
    arguments = parser.parse_args()
    starter = settings().models / "starter"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STUDIO_HOME"] = folder
        os.environ["STUDIO_DTYPE"] = "float32"
        settings.cache_clear()
        (settings().models / "starter").symlink_to(starter.resolve())
        adapters = {user: _make_adapter(user, seed, Path(folder)) for seed, user in enumerate(USERS)}
        rows = _chat(adapters, arguments.rounds, arguments.tokens)
    speeds = {row["contender"]: row for row in rows}
    lock, ours = speeds["lock around generate"], speeds["engine"]
    faster = ours["tokens/s"] / lock["tokens/s"]
    sooner = ours["p95 first text s"] / lock["p95 first text s"]
    mixed = speeds["engine, two adapters"]["tokens/s"] / speeds["engine, switching between two"]["tokens/s"]
    print(f"tokens/s: {faster:.2f} times; first text: {sooner:.2f} of theirs; mixed: {mixed:.2f} times switching")
    claim = "Four people at once: 2.5 times the tokens, half the wait; two adapters mixed 1.5 times as fast as switched"
    holds = faster >= 2.5 and sooner <= 0.5 and mixed >= 1.5
    report("8.2-concurrent-chat" if arguments.rounds >= 3 else None, claim, rows, holds)


def _chat(adapters: dict[str, Path], rounds: int, tokens: int) -> list[dict]:
    lock, host = _lock_around_generate(adapters, tokens), Host(budget=2**31)
    engine = _engine(host, tokens)
    contenders = {
        "lock around generate": (USERS, lock, True),
        "engine": (USERS, engine, True),
        "engine, two adapters": (USERS[:2], engine, True),
        "engine, switching between two": (USERS[:2], engine, False),
    }
    plain = AdapterSlots.can_mix
    speeds: dict[str, list[float]] = {name: [] for name in contenders}
    waits: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(-1, rounds):  # the first is for warming up
        for name, (users, ask, mixed) in contenders.items():
            AdapterSlots.can_mix = plain if mixed else lambda slots, slot: slot is None  # pyright: ignore[reportAttributeAccessIssue]
            began, first = time.perf_counter(), _all_at_once(users, ask)
            seconds = time.perf_counter() - began
            if number >= 0:
                speeds[name].append(len(users) * len(QUESTIONS) * tokens / seconds)
                waits[name] += first
    AdapterSlots.can_mix = plain
    host.unload()
    return [
        {
            "contender": name,
            "tokens/s": statistics.median(speeds[name]),
            "median first text s": statistics.median(waits[name]),
            "p95 first text s": statistics.quantiles(waits[name], n=20)[-1],
        }
        for name in contenders
    ]


def _all_at_once(users: tuple[str, ...], ask: Ask) -> list[float]:
    """Everybody asks their questions one after the other, all beside each other; seconds until each first text."""
    waits: list[float] = []

    def chat(user: str) -> None:
        for question in QUESTIONS:
            asked = time.perf_counter()
            pieces = iter(ask(user, question))
            next(pieces)
            waits.append(time.perf_counter() - asked)
            for _ in pieces:
                pass

    threads = [threading.Thread(target=chat, args=(user,)) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits


def _engine(host: Host, tokens: int) -> Ask:
    def ask(user: str, question: str) -> Any:
        stream = host.generate(_messages(question), Sampling(max_new_tokens=tokens, temperature=0), "starter", user)
        yield from stream
        assert stream.reply.tokens == tokens, "the reply ended early, so the comparison would be unfair"

    return ask


def _lock_around_generate(adapters: dict[str, Path], tokens: int) -> Ask:
    from peft import PeftModel
    from transformers import TextIteratorStreamer

    tokenizer: Any = load_tokenizer("starter")
    model: Any = PeftModel.from_pretrained(load_model("starter"), str(adapters[USERS[0]]), adapter_name=USERS[0])
    for user in USERS[1:]:
        model.load_adapter(str(adapters[user]), adapter_name=user)
    model.eval()
    lock = threading.Lock()

    def ask(user: str, question: str) -> Any:
        prompt = tokenizer.apply_chat_template(
            _messages(question), add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        with lock:
            model.set_adapter(user)
            streamer = TextIteratorStreamer(tokenizer, skip_prompt=True)
            limits = {"min_new_tokens": tokens, "max_new_tokens": tokens, "do_sample": False}
            thread = threading.Thread(target=lambda: model.generate(**prompt, **limits, streamer=streamer))
            thread.start()
            yield from (piece for piece in streamer if piece)
            thread.join()

    return ask


def _messages(question: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}]


def _make_adapter(name: str, seed: int, folder: Path) -> Path:
    """Random, and weak enough that the model goes on talking."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    lora = LoraConfig(r=8, lora_alpha=8, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    model: Any = get_peft_model(load_model("starter"), lora)
    for key, parameter in model.named_parameters():
        if "lora_B" in key:
            parameter.data *= 0.02
    model.save_pretrained(folder / name)
    source = resolve("starter")
    card = Card(kind="chat", method="random", base_model=source.name, base_fingerprint=fingerprint(source))
    return publish(name, folder / name, card).path


if __name__ == "__main__":
    main()
