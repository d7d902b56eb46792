"""The proof of a training: the old and the new model answer prompts kept aside, a reward judges, and wins are counted.

Both answer all prompts in one batch (`engine.models.host`). It also counts how often each model holds the chosen reply of a
pair kept aside for likelier than the rejected one. It changes nothing but the new adapter's card.
"""

import contextlib
import json
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from engine.adapters.store import Adapter, add_metrics, read_adapter
from engine.data import registry
from engine.data.records import Message
from engine.data.tokenise import IGNORED, TemplateProblem, encode
from engine.errors import BadInput
from engine.files import write_jsonl
from engine.models.adapters import AdapterSlots
from engine.models.catalog import fingerprint, resolve
from engine.models.host import host
from engine.models.loader import device_of, load_model, load_tokenizer
from engine.models.request import ReplyStream, Sampling
from engine.runs import Run
from engine.runs.answers import answers_file
from engine.statistics import length_controlled, win_rate
from engine.training.preference_data import Row, read_held_out
from engine.training.prompts import prompt_of
from engine.training.rewards import weighted
from engine.training.win_rate_specs import WinRateSpec, before_of, run_of

TIE = 1e-6
"""Rewards that differ by no more are a tie."""

Prompt = list[dict[str, str]]
_AT_ONCE = 64
_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class _Models:
    """Old and new as the one model in memory."""

    model: Any
    tokenizer: Any
    slots: AdapterSlots
    sides: dict[str, Adapter | None]

    def log_probability(self, side: str, prompt: Prompt, reply: list[dict[str, str]]) -> float:
        """Mean log-probability of a reply's tokens."""
        import torch

        self.slots.activate(self.sides[side])
        encoded = encode([Message.model_validate(turn) for turn in [*prompt, *reply]], self.tokenizer)
        end = max(place for place, label in enumerate(encoded.labels) if label != IGNORED) + 1
        start = max((place for place, label in enumerate(encoded.labels[:end]) if label == IGNORED), default=0) + 1
        ids = torch.tensor([encoded.input_ids[:end]], device=device_of(self.model))
        places = torch.arange(start - 1, end - 1, device=ids.device)  # each foretells the next token
        with torch.inference_mode():
            logits = self.model(input_ids=ids, use_cache=False, logits_to_keep=places).logits[0].float()
        return float(logits.log_softmax(-1).gather(1, ids[0, start:, None]).mean())


def compare(spec: WinRateSpec, run: Run) -> None:
    """Answer, judge, count; the figures come to the run's result and the adapter's card, the answers to `answers.jsonl`.

    Args:
        spec: what to do.
        run: where progress goes and the stop flag is looked for.

    Raises:
        BadInput: there is no prompt to answer.
        Stopped: somebody asked it to stop.
    """
    look = run.end_if_stopped
    adapter = read_adapter(spec.adapter, kind="chat")
    before = before_of(spec, adapter)
    rows = _rows(spec, adapter)
    prompts = _prompts(rows, spec)
    pairs = [row for row in rows if "chosen" in row][: spec.prompts]
    run.update(step=0, max_steps=len(prompts) + len(pairs), steps_at_start=0, unit="rows", started=time.time())

    answers = []
    for done, answer in enumerate(_answers(prompts, adapter, before, spec, look), 1):
        answers.append(answer)
        run.update(step=done)
    host().unload()
    models = _load(adapter, before)
    prefers: dict[str, list[bool]] = {side: [] for side in models.sides}
    for done, row in enumerate(pairs, len(prompts) + 1):
        look()
        with contextlib.suppress(TemplateProblem):
            for side, chosen in prefers.items():
                better, worse = (
                    models.log_probability(side, row["prompt"], row[name]) for name in ("chosen", "rejected")
                )
                chosen.append(better > worse)
        run.update(step=done)

    _judge(answers, spec.reward)
    write_jsonl(answers_file(run), answers)
    result = {"adapter": adapter.name, "against": before, "reward": " + ".join(spec.reward) or None, "run": run.id}
    result |= _figures(answers, prefers)
    run.update(result=result)
    add_metrics(adapter.name, adapter.fingerprint, win_rate=result)


def worst_first(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers of a comparison, those that lost most first."""
    return sorted(answers, key=_gain)


def _answers(
    prompts: list[Prompt], adapter: Adapter, before: str | None, spec: WinRateSpec, look: Callable[[], None]
) -> Iterator[dict[str, Any]]:
    """Each prompt with a reply of both sides, at the same seed; some dozens of prompts are on their way at once."""
    sampling = Sampling(max_new_tokens=spec.max_new_tokens, temperature=spec.temperature, seed=spec.seed)
    sides = {"before": before, "after": adapter.name}
    asked: deque[dict[str, ReplyStream]] = deque()
    for done, prompt in enumerate(prompts):
        for later in prompts[done + len(asked) : done + _AT_ONCE]:
            streams = {
                side: host().generate(later, sampling, adapter.card.base_model, name, priority="batch")
                for side, name in sides.items()
            }
            asked.append(streams)
        yield {"prompt": prompt, **{side: _wait(stream, look) for side, stream in asked.popleft().items()}}


def _wait(stream: ReplyStream, look: Callable[[], None]) -> str:
    while True:
        look()
        with contextlib.suppress(TimeoutError):
            return stream.wait(_LOOK_SECONDS).text.strip()


def _load(adapter: Adapter, before: str | None) -> _Models:
    source = resolve(adapter.card.base_model)
    model = load_model(source.name)
    slots = AdapterSlots(model, source.name, fingerprint(source))
    sides = {"before": read_adapter(before, kind="chat") if before else None, "after": adapter}
    return _Models(model, load_tokenizer(source.name), slots, sides)


def _rows(spec: WinRateSpec, adapter: Adapter) -> list[Row]:
    trained = run_of(adapter)
    if spec.dataset:
        return list(registry.raw_rows(registry.card(spec.dataset)))
    return read_held_out(trained) if trained else []


def _prompts(rows: list[Row], spec: WinRateSpec) -> list[Prompt]:
    """Different prompts, as many as asked for, drawn by the seed."""
    different = list({json.dumps(prompt_of(row)): prompt_of(row) for row in rows}.values())
    if not different:
        raise BadInput(
            "No prompt was kept aside: raise eval_split when training, or choose a dataset of other prompts."
        )
    random.Random(spec.seed).shuffle(different)
    return different[: spec.prompts]


def _judge(answers: list[dict[str, Any]], rewards: list[str]) -> None:
    """Add each answer's rewards and who won; with no reward nobody did."""
    score = weighted(rewards) if rewards else None
    prompts = [answer["prompt"] for answer in answers]
    scores = {side: score(prompts, [a[side] for a in answers]) if score else [] for side in ("before", "after")}
    for place, answer in enumerate(answers):
        answer["rewards"] = {side: values[place] for side, values in scores.items()} if score else None
        answer["outcome"] = _outcome(_gain(answer)) if score else None


def _gain(answer: dict[str, Any]) -> float:
    rewards = answer["rewards"]
    return rewards["after"] - rewards["before"] if rewards else 0.0


def _outcome(gain: float) -> float:
    return 0.5 if abs(gain) <= TIE else float(gain > 0)


def _figures(answers: list[dict[str, Any]], prefers: dict[str, list[bool]]) -> dict[str, Any]:
    outcomes = [answer["outcome"] for answer in answers if answer["outcome"] is not None]
    longer = [len(answer["after"]) - len(answer["before"]) for answer in answers]
    rate = win_rate(outcomes)
    pairs = len(prefers["after"])
    accuracy = {side: sum(chosen) / pairs for side, chosen in prefers.items()} if pairs else None
    return {
        "prompts": len(answers),
        "win_rate": asdict(rate) if rate else None,
        "length_controlled": length_controlled(outcomes, longer) if outcomes else None,
        "preference_accuracy": {**accuracy, "pairs": pairs} if accuracy else None,
        "mean_length": {side: sum(len(a[side]) for a in answers) / len(answers) for side in ("before", "after")},
        "regressions": sum(outcome == 0 for outcome in outcomes),
    }
