"""Methods of RLHF killed and resumed end with the very weights of runs that were left alone."""

import pytest

from engine.runs import open_run
from tests.conftest import PROVE
from tests.engine.training import planted
from tests.engine.training.helpers import kill, train, until, weights

STEPS = 24
MORE = {
    "reward": ["--dataset", "pairs"],
    "dpo": ["--dataset", "pairs", "--from-adapter", "taught", "--no-compare"],
    "kto": ["--dataset", "thumbs", "--no-compare"],
    "rloo": ["--dataset", "pairs", "--reward", "length:40", "--max-new-tokens", 6, "--no-compare"],
}


@pytest.mark.parametrize("method", MORE if PROVE else ["dpo", "rloo"])
def test_a_killed_run_goes_on_exactly(studio, tiny, sample_dataset, method):
    planted.plant()
    if "taught" in MORE[method]:  # its reference is then a frozen copy of this adapter
        train(studio, sample_dataset, "taught", tiny, "--max-steps", 3, "--wait")
    words = ["rlhf", method, "--model", tiny, "--max-steps", STEPS, "--save-steps", 2, "--eval-split", 0, "--rank", 4]
    words += ["--samples", 0, "--learning-rate", 0.005, *MORE[method]]
    code, _, errors = studio(*words, "--adapter", "whole", "--wait", "--json")
    assert code == 0, errors
    _, document, _ = studio(*words, "--adapter", "killed", "--json")
    run = open_run(document["run"])
    until(lambda: run.status().step >= 5)
    kill(run)
    assert run.status().state == "lost"
    code, _, errors = studio("runs", "resume", run.id, "--wait", "--json")
    assert code == 0, errors
    assert next(event["step"] for event in run.events() if event.get("event") == "resumed") >= 4
    assert weights("killed") == weights("whole")
