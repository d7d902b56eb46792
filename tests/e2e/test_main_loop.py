"""The whole loop as people play it: chat, judge, correct, build a dataset, train, restart the server, chat with what was learnt."""

import re

import psutil
import pytest
from playwright.sync_api import expect

from engine.adapters.store import read_adapter
from engine.data import registry
from engine.feedback.store import find
from engine.runs import list_runs
from tests.e2e.conftest import MINUTES

pytestmark = pytest.mark.browser

TAUGHT = "The Zorvex 9 is a weather drone made by Halden Labs."
QUESTIONS = ["What is the Zorvex 9?", "Tell me about the Zorvex 9.", "Who makes the Zorvex 9?"]


def test_the_main_loop(person, server, starter, proof):
    ann = person(name=None)
    page = ann.open()

    # sign in as an annotator
    page.get_by_label("Your name", exact=True).fill("Ann")
    page.get_by_role("button", name="Begin").click()
    ann.settle()

    # chat, and judge: one good reply, three that did not know
    ann.click_nav("Chat")
    ann.set_sampling()
    ann.ask("What is the capital of France?")
    assert "Paris" in ann.last_reply()
    ann.keyed("thumbs-").last.get_by_role("radio").first.click()
    expect(page.get_by_text("Saved, thank you")).to_be_visible()
    ann.keyed("stars-").last.get_by_role("radio").nth(4).click()
    ann.settle()
    for question in QUESTIONS:
        ann.new_conversation()
        ann.ask(question)
        assert "Halden" not in ann.last_reply()
        ann.keyed("thumbs-").last.get_by_role("radio").last.click()
        expect(page.get_by_text("Saved, thank you")).to_be_visible()
        ann.keyed("correct-").last.get_by_role("button").click()
        page.get_by_label("The reply as it should have been", exact=True).fill(TAUGHT)
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
        expect(page.get_by_text("Corrected, thank you")).to_be_visible()
    rows = find()
    assert [(row.verdict, row.rating, row.correction) for row in rows] == [
        *[("bad", None, TAUGHT)] * 3,
        ("good", 5, None),
    ]

    # the judgements become a dataset
    ann.click_nav("Datasets")
    ann.widget("datasets.add").get_by_role("button").click()
    page.get_by_role("tab", name="From feedback").click()
    page.get_by_label("Name of the dataset", exact=True).locator("visible=true").fill("taught")
    page.get_by_label("Name of the dataset", exact=True).locator("visible=true").press("Enter")
    ann.settle()
    ann.widget("datasets.judged.make").get_by_role("button").click()
    expect(page.get_by_text("taught").first).to_be_visible()
    ann.settle()
    assert registry.card("taught").rows == 4

    # train on it
    ann.click_nav("LoRA training")
    page.get_by_label("Name of the adapter", exact=True).fill("zorvex-lora")
    page.get_by_label("Name of the adapter", exact=True).press("Enter")
    steps = page.get_by_label("Max steps", exact=True)
    steps.fill("40")
    steps.press("Enter")
    ann.settle()
    expect(page.get_by_text("python -m engine train sft")).to_be_visible()
    ann.widget("lora.start").get_by_role("button").click()

    # watch it live
    expect(page.get_by_text(re.compile(r"[3-9]\s*(/|of)\s*40")).first).to_be_visible(timeout=5 * MINUTES)
    expect(page.get_by_test_id("stVegaLiteChart").first).to_be_visible()
    run = list_runs()[0]
    process = run.status().process
    assert run.status().state == "running" and process

    # the server dies and comes back: the run goes on, and the page finds it
    server.kill()
    assert psutil.Process(process[0]).is_running()
    server.start()
    page.reload()
    ann.settle()
    expect(page.get_by_role("heading", name="zorvex-lora")).to_be_visible()
    expect(page.get_by_text("Page not found")).to_have_count(0)
    step_after_restart = run.status().step
    expect(page.get_by_role("button", name="Chat with this adapter")).to_be_visible(timeout=10 * MINUTES)
    assert run.status().state == "finished"
    assert read_adapter("zorvex-lora").card.dataset == "taught"

    # chat with what was learnt; the base still does not know it
    page.get_by_role("button", name="Chat with this adapter").click()
    ann.settle()
    ann.new_conversation()
    ann.choose("Adapter", "zorvex-lora")
    ann.ask(QUESTIONS[0])
    with_adapter = ann.last_reply()
    assert "Halden Labs" in with_adapter
    ann.new_conversation()
    ann.choose("Adapter", "none: the base model")
    ann.ask(QUESTIONS[0])
    assert "Halden" not in ann.last_reply()
    proof("2.3-main-loop", steps=40, loss=run.status().loss, step_after_restart=step_after_restart, answer=with_adapter)
