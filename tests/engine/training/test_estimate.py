"""Steps and time before a training begins."""

from pathlib import Path

from engine.data.prepared import Options, Prepared
from engine.runs import create_run
from engine.training.estimate import Estimate, estimate

PREPARED = Prepared(
    name="data", version=1, dataset_sha256="", rows_in=110, rows_kept=110, dropped={}, examples={}, tokens=11_000,
    trained_tokens=5_000, truncated=0, lengths=[], train_rows=100, eval_rows=10, model="tiny", options=Options(),
    path=Path(),
)  # fmt: skip


def test_time_is_told_only_where_a_run_told_the_speed():
    assert estimate(PREPARED, batch_size=8, epochs=2) == Estimate(26, None)
    create_run("sft", {"model": "other"}, "").add_event(step=1, tokens_per_second=1.0)
    (create_run("sft", {"model": "tiny"}, "").path / "spec.json").write_text("damaged")
    assert estimate(PREPARED, batch_size=8).seconds is None
    run = create_run("sft", {"model": "tiny"}, "")
    run.add_event(step=1, tokens_per_second=90.0)
    run.add_event(step=2, tokens_per_second=110.0)
    assert estimate(PREPARED, batch_size=8, grad_accum=2, epochs=3) == Estimate(21, 300.0)
