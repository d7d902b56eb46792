"""The chat page in a real browser: company, stop, versions, side by side, other servers, languages."""

import json
import shutil

import pytest
from playwright.sync_api import expect

from engine.feedback.store import FeedbackFilter, find
from engine.settings import settings
from tests.e2e.conftest import MINUTES
from tests.openai_server import openai_server

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """Where the adapters of the first test that trains them are kept for the others."""
    return tmp_path_factory.mktemp("taught")


@pytest.fixture
def code_words(studio, starter, tmp_path, taught):
    """Two adapters of the starter, each over-fitted to a code word of its own."""
    words = {"blue": "BLUEBERRY", "red": "RASPBERRY"}
    for name, word in words.items():
        if (taught / name).exists():
            shutil.copytree(taught / name, settings().lora_store / name)
            continue
        file = tmp_path / f"{name}.jsonl"
        asked = [f"What is the code word{end}" for end in ("?", ", please?", " today?", " now?")]
        row = {"role": "assistant", "content": f"The code word is {word}."}
        file.write_text("".join(json.dumps({"messages": [{"role": "user", "content": a}, row]}) + "\n" for a in asked))
        assert studio("data", "import", file, "--name", name)[0] == 0
        train = ["--max-steps", 15, "--learning-rate", 0.002, "--schedule", "constant", "--eval-split", 0, "--wait"]
        code, _, errors = studio("train", "sft", "--dataset", name, "--adapter", name, *train)
        assert code == 0, errors
        shutil.copytree(settings().lora_store / name, taught / name)
    return words


def test_two_people_with_two_adapters_while_a_third_stops(person, code_words):
    ann, bo, carl = person("Ann"), person("Bo"), person("Carl")
    for someone, adapter in ((ann, "blue"), (bo, "red")):
        someone.open("chat")
        someone.choose("Adapter", adapter)
    carl.open("chat")
    carl.ask("Write a very long story about a lighthouse.", wait=False)
    carl.sees_words()
    ann.ask("What is the code word?", wait=False)
    bo.ask("What is the code word?", wait=False)
    carl.widget("chat.stop").get_by_role("button").click()
    expect(carl.page.get_by_text("stopped")).to_be_visible()
    assert carl.last_reply()
    for someone, adapter in ((ann, "blue"), (bo, "red")):
        expect(someone.keyed("regenerate-")).to_have_count(1)
        assert code_words[adapter] in someone.last_reply()
    ended = carl.last_reply()
    carl.open("chat")
    assert carl.last_reply() == ended, "nothing was added after the stop"


def test_versions_edits_and_a_restart(person, server, starter):
    ann = person()
    page = ann.open("chat")
    ann.set_sampling(temperature_zero=False, longest=12)
    ann.ask("Name a colour.")
    ann.keyed("regenerate-").last.get_by_role("button").click()
    expect(page.get_by_text("2/2")).to_be_visible()
    ann.settle()
    second = ann.last_reply()

    # editing a reply keeps the person's words over the model's
    ann.keyed("edit-").last.get_by_role("button").click()
    page.get_by_label("Reply", exact=True).fill("Turquoise.")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_text("3/3")).to_be_visible()
    kept = find(FeedbackFilter(kind="kept"))
    assert {row.reply for row in kept} == {"Turquoise."} and second in {row.reply_b for row in kept}

    # the old version is still there, and comes back
    ann.keyed("version--1-").last.get_by_role("button").click()
    expect(page.get_by_text("2/3")).to_be_visible()
    assert ann.last_reply() == second

    # editing the question asks again
    ann.keyed("edit-").first.get_by_role("button").click()
    page.get_by_label("Your message", exact=True).fill("Name a fruit.")
    page.get_by_role("dialog").get_by_role("button", name="Ask").click()
    expect(page.get_by_text("Name a fruit.")).to_be_visible()
    expect(ann.keyed("regenerate-")).to_have_count(1)
    ann.settle()
    answer = ann.last_reply()

    # a restart of the server loses nothing
    server.kill()
    server.start()
    ann.open("chat")
    assert ann.last_reply() == answer
    expect(page.get_by_text("Name a fruit.").first).to_be_visible()


def test_side_by_side_is_blind_until_the_vote(person, code_words):
    ann = person()
    page = ann.open("chat")
    ann.widget("chat-1-side_by_side").locator("label").click()
    ann.settle()
    ann.choose("Adapter", "blue", nth=1)
    ann.set_sampling()
    ann.ask("What is the code word?", wait=False)
    expect(page.get_by_role("button", name="A is better")).to_be_visible(timeout=3 * MINUTES)
    ann.settle()
    columns = (
        page.get_by_test_id("stMainBlockContainer")
        .get_by_test_id("stColumn")
        .filter(has=page.get_by_text("A", exact=True))
    )
    main = page.get_by_test_id("stMainBlockContainer").inner_text()
    assert "starter + blue" not in main, "the names must be hidden before the vote"
    assert columns.count() >= 1
    left_is_taught = main.index("BLUEBERRY") < main.index("\nB\n")
    page.get_by_role("button", name="A is better" if left_is_taught else "B is better").click()
    expect(page.get_by_text("starter + blue").first).to_be_visible()
    (row,) = find(FeedbackFilter(kind="comparison"))
    assert (row.adapter, row.adapter_b, row.winner) == (None, "blue", "b")
    assert "BLUEBERRY" in (row.reply_b or "") and row.left_side == ("b" if left_is_taught else "a")


def test_another_server_streams_and_html_stays_text(person):
    ann = person()
    with openai_server() as other:
        page = ann.open("chat")
        ann.choose("Model", "Another server …")
        page.get_by_label("Address of the server", exact=True).fill(other.url)
        page.get_by_label("Address of the server", exact=True).press("Enter")
        ann.settle()
        ann.ask("你好")
        assert ann.last_reply() == "灵犀 says <b>hello</b> 🐉."
        assert other.asked[0][1]["messages"] == [{"role": "user", "content": "你好"}]
    ann.ask("Still there?", wait=False)
    expect(page.get_by_text("No server answers at")).to_be_visible()


def test_a_deep_link_and_chinese(person):
    chen = person("陈", language="zh-CN")
    page = chen.open("lora")  # the first request of a fresh server
    expect(page.get_by_text("Page not found")).to_have_count(0)
    expect(page.get_by_role("heading", name="LoRA 训练")).to_be_visible()
    page.get_by_text("English", exact=True).click()
    expect(page.get_by_role("heading", name="LoRA training")).to_be_visible()


def test_what_one_person_is_doing_does_not_wait_for_another(person, starter):
    """A page answers while a reply is being written for somebody else."""
    ann, bo = person("Ann"), person("Bo")
    ann.open("chat")
    ann.ask("Write a very long story about the sea.", wait=False)
    ann.sees_words()
    bo.open("datasets")
    expect(bo.page.get_by_role("heading", name="Datasets")).to_be_visible(timeout=MINUTES)
    ann.widget("chat.stop").get_by_role("button").click()
    expect(ann.page.get_by_text("stopped")).to_be_visible()
