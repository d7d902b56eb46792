"""The labelling desk in real browsers: two people at once, keys alone, a restart, and a training on what they wrote."""

import re

import pytest
from playwright.sync_api import expect

from engine.adapters.store import read_adapter
from engine.data import registry
from engine.data.records import Conversation
from engine.labelling import desk, queues, sample
from engine.labelling.progress import progress
from engine.runs import list_runs
from tests.e2e.conftest import MINUTES, Person

pytestmark = pytest.mark.browser

QUEUE = sample.NAME


def _question(someone: Person) -> str:
    """What lies before this person, as the page shows it."""
    asked = someone.page.get_by_test_id("stMainBlockContainer").get_by_text(re.compile("Zorvex 9.*[?]$"))
    return asked.first.inner_text()


def _label(someone: Person, done: dict[str, str], name: str) -> None:
    """Write an answer and press Ctrl+Enter with the cursor still in the text."""
    question = _question(someone)
    assert question not in done, f"{name} was given what {done.get(question)} has done"
    done[question] = name
    someone.page.get_by_label("Output", exact=True).click()
    someone.page.keyboard.type(f"{name} says: the Zorvex 9 is a drone.")
    someone.page.keyboard.press("Control+Enter")


def test_two_people_label_ten_rows_at_once_and_a_model_learns_them(person, starter, proof):
    ann, bo = person("Ann"), person("Bo")
    ann.open("labelling")
    ann.widget("labelling.sample").get_by_role("button").click()
    ann.settle()
    bo.open("labelling")

    done: dict[str, str] = {}
    for _ in range(5):
        _label(ann, done, "Ann")
        _label(bo, done, "Bo")
        ann.settle()
        bo.settle()
    for someone in (ann, bo):
        expect(someone.page.get_by_text("Nothing is left for you here")).to_be_visible()
    expect(ann.page.get_by_text("10 of 10 done")).to_be_visible()
    assert progress(queues.get(QUEUE)).done == 10

    ann.widget("labelling.export").get_by_role("button").click()
    expect(ann.widget("labelling.train")).to_be_visible()
    rows = [row for row in registry.iterate(QUEUE) if isinstance(row, Conversation)]
    assert {row.messages[0].content: row.source["annotator"] for row in rows} == done
    assert {row.messages[-1].content for row in rows} == {
        f"{name} says: the Zorvex 9 is a drone." for name in ("Ann", "Bo")
    }

    ann.settle()
    ann.widget("labelling.train").get_by_role("button").click()
    ann.settle()
    page = ann.page
    page.get_by_text("More settings").click()
    for label, value in (("Name of the adapter", "labelled"), ("Max steps", "3"), ("Batch size", "2"), ("Rank", "4")):
        field = page.get_by_label(label, exact=True)
        field.fill(value)
        field.press("Enter")
        ann.settle()
    ann.widget("lora.start").get_by_role("button").click()
    expect(page.get_by_role("button", name="Chat with this adapter")).to_be_visible(timeout=10 * MINUTES)
    (run,) = list_runs()
    assert (run.status().state, read_adapter("labelled").card.dataset) == ("finished", QUEUE)
    proof("labelling-desk", rows=len(rows), people=2, twice=0, steps=run.status().step, loss=run.status().loss)


def test_keys_alone_and_nothing_typed_is_lost(person, server):
    ann = person("Ann")
    page = ann.open("labelling")
    ann.widget("labelling.sample").get_by_role("button").click()
    ann.settle()
    queue = queues.get(QUEUE)

    # a pause in typing is enough: the words are on disk though the cursor never left
    output = page.get_by_label("Output", exact=True)
    output.click()
    page.keyboard.type("Half a sentence")
    work = desk.take(queue.id, "Ann")
    assert work
    page.wait_for_timeout(2000)
    ann.settle()
    kept = desk.take(queue.id, "Ann")
    assert kept and kept.assignment.output == "Half a sentence"
    page.keyboard.type(" and the rest")
    server.kill()
    server.start()
    page.reload()
    ann.settle()
    expect(output).to_have_value("Half a sentence")

    # save, and go on without the mouse; the last words before the key are saved too
    output.click()
    page.keyboard.press("End")
    page.keyboard.type(" and its end.")
    page.keyboard.press("Control+Enter")
    ann.settle()
    expect(output).to_have_value("")
    expect(output).to_be_focused()
    page.keyboard.type("I do not know")
    page.keyboard.press("Control+Shift+Enter")
    expect(page.get_by_text("skipped: 1")).to_be_visible()
    ann.settle()
    ann.widget("labelling.back").get_by_role("button").click()
    ann.settle()
    expect(output).to_have_value("Half a sentence and its end.")
