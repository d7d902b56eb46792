"""Batches over the tiny model, in this process or as real runs."""

import csv
from pathlib import Path

import pytest

from engine.adapters.store import Card, publish
from engine.batch.prompts import check
from engine.batch.results import Appender, Result
from engine.batch.source import count
from engine.batch.spec import BatchSpec
from engine.models.catalog import fingerprint, resolve
from engine.models.loader import load_model
from engine.runs import Run, create_run
from tests.engine.models.conftest import make_adapter  # noqa: F401  (a fixture)


@pytest.fixture
def make_run(tmp_path):
    """`make_run(file, prompt_template="{text}")` gives a checked run that has not begun."""

    def make(file: Path, **fields) -> Run:
        spec = BatchSpec.model_validate({"file": file, "model": "tiny", "max_new_tokens": 8, **fields})
        check(spec)
        return create_run(spec.kind, spec.model_dump(mode="json"), "a command")

    return make


@pytest.fixture
def write_csv(tmp_path):
    """`write_csv("name.csv", [{"text": "Hello"}])` gives the file's path."""

    def write(name: str, rows: list[dict[str, str]]) -> Path:
        path = tmp_path / name
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write


@pytest.fixture
def make_reward(tmp_path):
    """`make_reward("judge", "tiny")` puts a random reward adapter for a model in the store."""

    def make(name: str, model: str) -> None:
        import torch
        from peft import LoraConfig, get_peft_model

        torch.manual_seed(0)
        lora = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="SEQ_CLS")
        folder = tmp_path / f"weights-{name}"
        get_peft_model(load_model(model, scores=True), lora).save_pretrained(folder)
        source = resolve(model)
        publish(
            name,
            folder,
            Card(kind="reward", method="random", base_model=source.name, base_fingerprint=fingerprint(source)),
        )

    return make


def answered(run: Run, replies: list[Result]) -> Run:
    """A run whose rows have these results, as if a model had answered."""
    source = count(run, lambda: None)
    with Appender(run) as appender:
        for result in replies:
            appender.append(result)
    run.update(result={"rows": source.rows}, state="finished")
    return run
