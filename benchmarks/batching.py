"""Many prompts through the engine against what a user would write with transformers: prompts a second, same model, same answers.

python -m benchmarks.batching                               256 prompts, three rounds; most of an hour on two cores
python -m benchmarks.batching --prompts 24 --rounds 1       a short look; nothing is reported

Prompts of log-normal length are cut from `benchmarks/data`; each has its own cap of 16 to 128 tokens; greedy, float32. The others are
`pipeline("text-generation")` one by one, `model.generate` in batches of 16 in the file's order, and transformers' own continuous
batching (`paged|sdpa`), which gets every prompt's cap as we do. Rounds take turns. Refilling a row as soon as it is free is measured
against filling all rows with prompts of like length once the last has ended.

Claims: at least 5 times as fast as one by one, 1.3 times as fast as batches of 16, and as fast as continuous batching; the answers
are those of one by one, token for token, but for those listed: where two tokens are equally likely to the last bits of float32,
products of other shapes may decide otherwise.
"""

import argparse
import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.report import interleaved, report
from engine.models.host import Host
from engine.models.loader import Placement, load_model, load_tokenizer
from engine.models.request import Reply, Sampling

DATA = Path(__file__).resolve().parent / "data" / "english_passages.jsonl"
MEDIAN_WORDS, SPREAD = 40, 0.7
CAPS = (16, 128)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="some of the contenders")
    arguments = parser.parse_args()
    work = make_work(arguments.prompts)
    contenders = Contenders(work)
    runs = {name: run for name, run in contenders.all().items() if not arguments.only or name in arguments.only}
    contenders.warm_up(runs.values())
    taken = interleaved(runs, arguments.rounds)
    contenders.host.unload()
    ours = taken.get("engine", taken[next(iter(taken))])
    rows: list[dict] = [
        {
            "contender": name,
            "seconds": seconds,
            "rows/s": len(work) / seconds,
            "tokens/s": contenders.tokens.get(name, 0) / seconds,
            "engine is faster by": seconds / ours,
            "answers that differ": len(contenders.differing(name)),
        }
        for name, seconds in taken.items()
    ]
    faster = {row["contender"]: row["engine is faster by"] for row in rows}
    holds = faster.get("one by one", 0) >= 5 and faster.get("batches of 16", 0) >= 1.3
    holds = holds and faster.get("continuous batching", 0) >= 1
    claim = f"{len(work)} prompts: 5 times one by one, 1.3 times batches of 16, 1.0 times continuous batching"
    report("8.1-batching" if arguments.prompts >= 256 else None, claim, rows, holds)
    for line in contenders.differing("engine"):
        print("  " + line)


def make_work(prompts: int) -> list[tuple[list[dict[str, str]], int]]:
    """Conversations and their caps, the same in every run."""
    texts = [json.loads(line)["text"] for line in DATA.read_text(encoding="utf-8").splitlines()]
    draw = random.Random(8)
    work = []
    for _ in range(prompts):
        words = " ".join(draw.sample(texts, 6)).split()
        length = min(len(words), max(4, round(MEDIAN_WORDS * draw.lognormvariate(0, SPREAD))))
        question = "Tell me more about this: " + " ".join(words[:length])
        work.append(([{"role": "user", "content": question}], draw.randint(*CAPS)))
    return work


class Contenders:
    """The ways to answer the same prompts, each with its model in memory. What they answer is kept by name."""

    def __init__(self, work: list[tuple[list[dict[str, str]], int]]):
        from transformers import pipeline

        self.work = work
        self.tokenizer: Any = load_tokenizer("starter")
        plain = Placement(dtype="float32")
        self.model = load_model("starter", plain)
        self.paged: Any = load_model("starter", plain, attention="paged|sdpa")
        self.host = Host(budget=2**31)
        self.pipeline: Any = pipeline("text-generation", model=self.model, tokenizer=self.tokenizer)
        self.answers: dict[str, list[tuple[str, int]]] = {}  # text and number of tokens
        self.tokens: dict[str, int] = {}

    def all(self) -> dict[str, Any]:
        """By name."""
        return {
            "one by one": self._one_by_one,
            "batches of 16": self._batches,
            "continuous batching": self._continuous,
            "engine": lambda: self._engine("engine", continuous=True),
            "engine, all rows at once": lambda: self._engine("engine, all rows at once", continuous=False),
        }

    def warm_up(self, runs: Iterable[Callable[[], None]]) -> None:
        """Everybody has computed once before anything is measured."""
        work, self.work = self.work, self.work[:3]
        for run in runs:
            run()
        self.work, self.answers, self.tokens = work, {}, {}

    def differing(self, name: str) -> list[str]:
        """The answers that are not those of one by one, and where they part."""
        found = []
        pairs = zip(self.answers.get("one by one", []), self.answers.get(name, []), strict=False)
        for number, ((theirs, length), (ours, our_length)) in enumerate(pairs):
            if (theirs, length) != (ours, our_length):
                at = next(
                    (i for i, (a, b) in enumerate(zip(theirs, ours, strict=False)) if a != b),
                    min(len(theirs), len(ours)),
                )
                found.append(f"prompt {number}: …{theirs[at - 20 : at + 20]!r} against …{ours[at - 20 : at + 20]!r}")
        return found

    def _keep(self, name: str, answers: list[list[int]]) -> None:
        ends = (self.tokenizer.eos_token_id, self.tokenizer.pad_token_id)
        cut = []
        for ids, (_, cap) in zip(answers, self.work, strict=True):
            end = next((place for place, token in enumerate(ids[:cap]) if token in ends), min(cap, len(ids)))
            cut.append(ids[:end])
        self.answers[name] = [(self.tokenizer.decode(ids, skip_special_tokens=True), len(ids)) for ids in cut]
        self.tokens[name] = sum(map(len, cut))

    def _one_by_one(self) -> None:
        answers = []
        for messages, cap in self.work:
            [made] = self.pipeline(messages, max_new_tokens=cap, do_sample=False, return_tensors=True)
            answers.append(made["generated_token_ids"][len(self._prompt(messages)) :])
        self._keep("one by one", answers)

    def _batches(self) -> None:
        import torch

        answers: list[list[int]] = []
        for start in range(0, len(self.work), 16):
            part = self.work[start : start + 16]
            prompts = self.tokenizer.pad(
                {"input_ids": [self._prompt(messages) for messages, _ in part]},
                padding_side="left",
                return_tensors="pt",
            )
            with torch.inference_mode():
                made = self.model.generate(**prompts, max_new_tokens=max(cap for _, cap in part), do_sample=False)  # pyright: ignore[reportCallIssue]
            answers += made[:, prompts["input_ids"].shape[1] :].tolist()
        self._keep("batches of 16", answers)

    def _continuous(self) -> None:
        import copy

        from transformers import ContinuousBatchingConfig

        # by default it makes room for most of the memory, and then computes masks over all of that
        room = ContinuousBatchingConfig(page_size=32, num_blocks=384, max_batch_tokens=256, max_requests_per_batch=32)
        config = copy.deepcopy(self.paged.generation_config)
        config.do_sample = False
        answers: dict[str, list[int]] = {}
        with self.paged.continuous_batching_context_manager(
            generation_config=config, continuous_batching_config=room, block=True, timeout=5, warmup=False
        ) as manager:
            names = [
                manager.add_request(
                    self._prompt(messages), max_new_tokens=cap, eos_token_id=self.tokenizer.eos_token_id
                )
                for messages, cap in self.work
            ]
            while len(answers) < len(names):
                result = manager.get_result(timeout=1)
                if result and result.is_finished():
                    answers[result.request_id] = result.generated_tokens
                elif not result and not manager.is_running():
                    raise SystemExit("transformers' continuous batching has ended by itself")
        self._keep("continuous batching", [answers[name] for name in names])

    def _engine(self, name: str, continuous: bool) -> None:
        if owner := self.host._owners.get("starter"):
            owner.owners[0]._schedule.continuous = continuous
        streams = [
            self.host.generate(messages, Sampling(max_new_tokens=cap, temperature=0), "starter", priority="batch")
            for messages, cap in self.work
        ]
        replies: list[Reply] = [stream.wait() for stream in streams]
        self.answers[name] = [(reply.text, reply.tokens) for reply in replies]
        self.tokens[name] = sum(reply.tokens for reply in replies)

    def _prompt(self, messages: list[dict[str, str]]) -> list[int]:
        return self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]


if __name__ == "__main__":
    main()
