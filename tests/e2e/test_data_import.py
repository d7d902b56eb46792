"""A large import in the background: others go on working meanwhile, and one that is stopped leaves no dataset."""

import json
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

from engine.data import registry
from engine.runs import list_runs
from engine.runs.run import ENDED
from tests.browser import Server
from tests.e2e.conftest import Person

pytestmark = pytest.mark.browser

ROWS = 200_000
PATIENCE = 5.0  # seconds for one click, on two busy cores


@pytest.fixture
def server(studio_home, tmp_path):
    """The studio, with a folder to import from."""
    folder = tmp_path / "import"
    folder.mkdir()
    _write(folder / "large.jsonl", ROWS)
    _write(folder / "larger.jsonl", 5 * ROWS)
    with Server(home=studio_home, STUDIO_IMPORT_FOLDER=str(folder)) as server:
        yield server


def test_an_import_in_the_background(person, server, sample_dataset, proof):
    ann, bo = person("Ann"), person("Bo")
    ann.open("datasets")
    bo.open("datasets")

    # Ann imports; Bo's clicks are answered all the while
    _import(ann, "large.jsonl")
    run = list_runs()[0]
    clicks = []
    while run.status().state not in ENDED or len(clicks) < 3:
        begun = time.monotonic()
        row = 1 + len(clicks) % 9
        bo.widget(f"datasets.row.zorvex@1.True.{row}").locator("summary").click()
        expect(bo.widget(f"datasets.row.zorvex@1.True.{row}.edit")).to_have_count(1 - len(clicks) // 9 % 2)
        clicks.append(time.monotonic() - begun)
    assert run.status().state == "finished", run.log_tail()
    assert max(clicks) < PATIENCE
    assert registry.card("large").rows == ROWS
    expect(ann.page.get_by_role("heading", name="large", exact=True)).to_be_visible()

    # the next import is stopped: nothing of it is there
    _import(ann, "larger.jsonl")
    run = list_runs()[0]
    ann.widget(f"summary.{run.id}.stop").get_by_role("button").click()
    expect(ann.page.get_by_text("stopped")).to_be_visible()
    assert run.status().state == "stopped"
    assert {card.name for card in registry.list_datasets()} == {"zorvex", "large"}
    proof("data-import-in-the-background", rows=ROWS, clicks=len(clicks), slowest_click_seconds=round(max(clicks), 2))


def _write(path: Path, rows: int) -> None:
    reply = "It is a number, and there are many of them. " * 4
    with path.open("w") as file:
        for n in range(rows):
            file.write(json.dumps({"instruction": f"What is {n}?", "output": f"{n}. {reply}"}) + "\n")


def _import(somebody: Person, file: str) -> None:
    """Choose a file of the import folder, and begin."""
    page = somebody.page
    somebody.widget("datasets.add").get_by_role("button").click()
    page.get_by_role("combobox", name="Files on this machine").click()
    page.get_by_role("option", name=file, exact=True).click()
    expect(page.get_by_text("Recognised: JSON Lines")).to_be_visible()
    page.keyboard.press("Escape")
    somebody.widget("datasets.files.import").get_by_role("button").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
