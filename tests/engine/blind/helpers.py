"""Blind sessions of planted replies, and adapters small enough to be made of nothing."""

import json

from engine.adapters.store import CARD, CONFIG, WEIGHTS, Adapter, Card, read_adapter
from engine.blind import sessions
from engine.blind.schema import BlindSession, Replies
from engine.blind.voting import BlindItem, next_item, vote
from engine.files import write_json, write_text
from engine.runs import Run, create_run
from engine.settings import settings


def make_adapter(name: str, base: str = "starter", value: float = 0.0, **card) -> Adapter:
    """An adapter with one real tensor; `value` decides its fingerprint."""
    import torch
    from safetensors.torch import save_file

    folder = settings().lora_store / name
    folder.mkdir()
    save_file({"lora_A.weight": torch.full((2, 2), value)}, folder / WEIGHTS)
    write_json(folder / CONFIG, {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": base})
    write_json(folder / CARD, Card(**{"base_model": base, "method": "dpo", "created": 1.0, **card}).model_dump())
    return read_adapter(name)


def replies(number: int, before: str = "old", after: str = "new") -> Replies:
    """Two replies to a prompt of their own."""
    prompt = [{"role": "user", "content": f"Question {number}?"}]
    return Replies(prompt, f"{before} {number}", f"{after} {number}", {"temperature": 0.0, "seed": 7})


def make_session(items: int = 6, adapter: str = "polite", by: str = "Olga") -> BlindSession:
    """An open session; the new adapter's replies begin with "new"."""
    return sessions.create("Tuesday", adapter, None, "starter", [replies(n) for n in range(items)], by)


def vote_for(session_id: int, annotator: str, side: str) -> BlindItem | None:
    """Vote for the "new" or the "old" reply of the next item, wherever it stands; returns the item."""
    item = next_item(session_id, annotator)
    if item:
        assert vote(session_id, item.id, annotator, "left" if item.left.startswith(side) else "right")
    return item


def make_win_rate_run(adapter: str = "polite", answers: list[dict] | None = None, **result) -> Run:
    """A finished comparison with two prompts, as `engine.training.win_rate` leaves it."""
    spec = {"adapter": adapter, "against": None, "reward": [], "max_new_tokens": 96, "temperature": 0.0, "seed": 3}
    run = create_run("winrate", spec, "python -m engine rlhf compare")
    lines = answers or [
        {"prompt": replies(n).prompt, "before": f"old {n}", "after": f"new {n}", "rewards": None, "outcome": None}
        for n in range(2)
    ]
    write_text(run.path / "answers.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    run.update(
        state="finished", ended=run.status().created + 60, result={"adapter": adapter, "against": None, **result}
    )
    return run
