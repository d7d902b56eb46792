"""Streaming through the engine against transformers' own `generate` with a streamer, same model, same settings.

Claim: at most 5 % more time for the same number of tokens.
"""

import threading
from typing import Any

from benchmarks.report import interleaved, report
from engine.models.host import Host
from engine.models.loader import load_model, load_tokenizer
from engine.models.request import Sampling

QUESTION = [{"role": "user", "content": "Write a long story about a lighthouse keeper."}]
TOKENS = 64
SETTINGS = {"greedy": {"temperature": 0.0}, "sampled": {"temperature": 0.8, "top_p": 0.9}}


def main(rounds: int = 7) -> None:
    """Measure both and report."""
    import torch
    from transformers import TextIteratorStreamer

    tokenizer = load_tokenizer("starter")
    model = load_model("starter")
    host = Host(8 * 2**30)
    prompt: Any = tokenizer.apply_chat_template(
        QUESTION, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )

    def with_generate(sampling: dict) -> int:
        torch.manual_seed(0)
        streamer = TextIteratorStreamer(tokenizer, skip_prompt=True)  # pyright: ignore[reportArgumentType]
        how = {**sampling, "do_sample": True, "top_k": 0} if sampling["temperature"] else {"do_sample": False}
        if not sampling["temperature"]:
            how.pop("temperature", None)
        limits = {"min_new_tokens": TOKENS, "max_new_tokens": TOKENS}
        arguments = {**prompt, **how, **limits, "streamer": streamer}
        thread = threading.Thread(target=lambda: model.generate(**arguments))  # pyright: ignore[reportCallIssue]
        thread.start()
        text = "".join(streamer)
        thread.join()
        return len(text)

    def with_engine(sampling: dict) -> int:
        stream = host.generate(QUESTION, Sampling(max_new_tokens=TOKENS, seed=0, **sampling), "starter")
        text = "".join(stream)
        assert stream.reply.tokens == TOKENS, "the reply ended early, so the comparison would be unfair"
        return len(text)

    rows = []
    for name, sampling in SETTINGS.items():
        with_engine(sampling)  # both are warm before they are measured
        with_generate(sampling)
        taken = interleaved(
            {"generate": lambda s=sampling: with_generate(s), "engine": lambda s=sampling: with_engine(s)}, rounds
        )
        speeds = {f"{who} tokens/s": TOKENS / seconds for who, seconds in taken.items()}
        rows.append({"sampling": name, **speeds, "engine / generate time": taken["engine"] / taken["generate"]})
    host.unload()
    holds = all(row["engine / generate time"] <= 1.05 for row in rows)
    report("2.7-streaming", "Streaming costs at most 5 % over generate", rows, holds)


if __name__ == "__main__":
    main()
