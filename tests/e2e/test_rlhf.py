"""The flywheel as people play it: three annotators judge, pairs, DPO, comparison, a blind vote, a promotion, and a chat."""

import re

import pytest
from playwright.sync_api import expect

from engine.adapters.promotion import default_adapter
from engine.adapters.store import read_adapter
from engine.blind.results import result, votes_by
from engine.blind.sessions import all_sessions
from engine.chat.local import LocalBackend
from engine.data import registry
from engine.feedback.schema import Reply
from engine.feedback.store import find, rate
from engine.models.host import host
from engine.models.request import Sampling
from engine.preferences.lineage import feedback_of
from engine.runs import list_runs
from engine.runs.answers import read_answers
from engine.training.preference_data import read_frozen
from tests.e2e.conftest import MINUTES, Person
from tests.engine.training import planted

pytestmark = pytest.mark.browser

PEOPLE = ("Ann", "Bo", "Cy")
SCRIPTED, STEPS = 33, 30
POLITE = "Thank you for asking! "


def judge_in_the_browser(someone: Person, question: str) -> None:
    """Ask, find the reply too curt, and write it as it should have been."""
    page = someone.page
    someone.open("chat")
    someone.set_sampling()
    someone.ask(question)
    someone.keyed("thumbs-").last.get_by_role("radio").last.click()
    expect(page.get_by_text("Saved, thank you")).to_be_visible()
    someone.keyed("correct-").last.get_by_role("button").click()
    box = page.get_by_label("The reply as it should have been", exact=True)
    box.fill(POLITE + box.input_value())
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_text("Corrected, thank you")).to_be_visible()


def judge_in_a_script(questions: list[str]) -> None:
    """The same on replies of the starter, by the three in turn."""
    for number, question in enumerate(questions):
        prompt = [{"role": "user", "content": question}]
        stream = LocalBackend("starter").stream(prompt, Sampling(max_new_tokens=24, temperature=0))
        said = "".join(stream)
        rate(PEOPLE[number % 3], prompt, Reply(said, "starter"), verdict="bad", correction=POLITE + said)
    host().unload()


def vote(someone: Person, session: int, items: int, after: set[str]) -> None:
    """Prefer the polite reply, wherever it stands."""
    someone.open("chat")
    someone.widget("blind.open").get_by_role("button").click()
    someone.settle()
    for _ in range(items):
        left = someone.page.get_by_test_id("stColumn").filter(has_text="Left").last.inner_text()
        polite = any(reply[:40] in " ".join(left.split()) for reply in after)
        side = "left" if polite else "right"
        someone.keyed(f"blind.vote.{side}").get_by_role("button").click()
        someone.settle()
    expect(someone.page.get_by_text("You have voted on all of them")).to_be_visible()
    assert votes_by(session)[someone.name or ""] == items


def test_from_judgements_to_a_promoted_adapter(person, starter, proof):
    questions = [question for _, question in planted.prompts(planted.SUBJECTS)]
    people = {name: person(name) for name in PEOPLE}
    for place, name in enumerate(PEOPLE):
        judge_in_the_browser(people[name], questions[place])
    judge_in_a_script(questions[3 : 3 + SCRIPTED])
    assert len(find()) == 3 + SCRIPTED

    # pairs
    ann = people["Ann"]
    page = ann.page
    ann.click_nav("RLHF")
    expect(page.get_by_text("left to train on")).to_be_visible()
    ann.widget("rlhf.build").get_by_role("button").click()
    expect(page.get_by_text("Read them before you train")).to_be_visible()
    ann.settle()
    assert registry.card("pairs").rows == 3 + SCRIPTED

    # DPO
    page.get_by_role("tab", name="2 · Training").click()
    ann.settle()
    steps = page.get_by_label("Max steps", exact=True)
    steps.fill(str(STEPS))
    steps.press("Enter")
    ann.settle()
    expect(page.get_by_text("python -m engine rlhf dpo")).to_be_visible()
    ann.widget("rlhf.start").get_by_role("button").click()
    expect(page.get_by_text(re.compile(rf"[3-9]\s*(/|of)\s*{STEPS}")).first).to_be_visible(timeout=5 * MINUTES)
    expect(page.get_by_role("button", name="See the proof")).to_be_visible(timeout=10 * MINUTES)
    adapter = read_adapter("pairs-dpo")
    trained = next(run for run in list_runs() if run.kind == "dpo")
    frozen = read_frozen(trained)
    assert feedback_of(adapter) == {number for row in frozen.train for number in row["source"]["feedback"]}

    # the comparison followed by itself
    def compared():
        return next((run for run in list_runs() if run.kind == "winrate" and run.status().state == "finished"), None)

    for _ in range(150):
        if compared():
            break
        page.wait_for_timeout(2000)
    comparison = compared()
    assert comparison
    answers = read_answers(comparison)
    assert len(answers) == len({row["prompt"][0]["content"] for row in frozen.evaluation})
    page.get_by_role("button", name="See the proof").click()
    ann.settle()
    expect(page.get_by_text("Prefers the chosen reply")).to_be_visible()

    # people vote blind
    ann.widget("promotion.ask").get_by_role("button").click()
    expect(page.get_by_text("It waits on everybody's chat page")).to_be_visible()
    session = all_sessions("pairs-dpo")[0]
    after = {" ".join(answer["after"].split()) for answer in answers}
    for someone in people.values():
        vote(someone, session.id, session.items, after)
    rate_ = result(session.id)
    assert rate_ and (rate_.wins, rate_.losses) == (session.items, 0)

    # a person promotes it, and new conversations answer with it
    ann.open("rlhf")
    page.get_by_role("tab", name="3 · Proof").click()
    ann.settle()
    expect(page.get_by_text("Win rate by people")).to_be_visible()
    ann.widget("promotion.promote").get_by_role("button").click()
    ann.settle()
    if ann.widget("promotion.confirm").count():
        ann.widget("promotion.confirm").get_by_role("button").click()
    expect(page.get_by_text("It is the default in chat")).to_be_visible()
    assert default_adapter("starter") == "pairs-dpo"
    ann.click_nav("Chat")
    ann.new_conversation()
    ann.set_sampling()
    ann.ask("Tell me something about a volcano.")
    assert "thank" in ann.last_reply().lower()
    assert "pairs-dpo" in page.get_by_test_id("stMainBlockContainer").inner_text()
    proof("5.1-flywheel", judgements=3 + SCRIPTED, steps=STEPS, human_win_rate=rate_.rate, answer=ann.last_reply())
