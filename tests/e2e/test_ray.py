"""A training sent to a Ray cluster from the page, watched there, and its adapter brought home; another one stopped there."""

import re

import pytest
from playwright.sync_api import expect

from engine.adapters.store import read_adapter
from engine.runs import list_runs
from engine.training.checkpoints import newest_complete
from tests.engine.training.helpers import losses, until

pytest.importorskip("ray", reason="requirements-cluster.txt is not installed")
pytestmark = pytest.mark.browser


@pytest.fixture
def default_model(tiny, monkeypatch):
    """The form's model, before the server is started."""
    monkeypatch.setenv("STUDIO_DEFAULT_MODEL", tiny)


def _start(ann, page, name: str, steps: int) -> None:
    page.get_by_label("Name of the adapter", exact=True).fill(name)
    page.get_by_label("Name of the adapter", exact=True).press("Enter")
    page.get_by_label("Max steps", exact=True).fill(str(steps))
    page.get_by_label("Max steps", exact=True).press("Enter")
    ann.settle()
    ann.widget("lora.start").get_by_role("button").click()
    expect(page).to_have_url(re.compile("/runs"))
    ann.settle()


def test_a_run_on_the_cluster_is_started_watched_and_stopped_on_the_page(
    cluster, default_model, sample_dataset, person
):
    ann = person()
    page = ann.open("lora")
    page.get_by_text("More settings").click()
    executor = page.get_by_role("combobox", name="Executor", exact=True)
    executor.scroll_into_view_if_needed()
    ann.settle()  # the box unfolds slowly
    ann.choose("Executor", "ray")
    expect(page.get_by_text("--executor ray")).to_be_visible()
    ann.settle()
    _start(ann, page, "far", 10)
    run = list_runs()[0]
    until(lambda: run.status().state == "finished")
    ann.settle()
    expect(page.get_by_role("button", name="Chat with this adapter")).to_be_visible()
    assert list(losses(run)) == list(range(1, 11))
    assert read_adapter("far").card.spec["executor"] == "ray"
    # the form has kept the executor
    ann.click_nav("LoRA training")
    _start(ann, page, "halted", 4000)
    run = list_runs()[0]
    until(lambda: run.status().step >= 2)
    ann.widget("run.stop").get_by_role("button").click()
    until(lambda: run.status().state == "stopped")
    assert newest_complete(run.checkpoints)
