"""The queue as a person sees it: two trainings run, others wait, and the order on the page is the order they run in."""

import re

import pytest
from playwright.sync_api import expect

from engine.jobs import queue
from tests.engine.training.helpers import end_all, start, until

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def _none_left():
    yield
    end_all()


def test_the_order_on_the_page_is_the_order_they_run_in(person, tiny, sample_dataset):
    first, second = (start(tiny, name, 4000) for name in ("first", "second"))
    third, fourth = (start(tiny, name, 2) for name in ("third", "fourth"))
    ann = person()
    page = ann.open("runs")
    until(lambda: first.status().step >= 1 and second.status().step >= 1)
    page.goto(re.sub(r"\?.*", f"?as=Ann&run={fourth.id}", page.url))
    ann.settle()
    expect(page.get_by_text("number 2 of 2 in the queue")).to_be_visible()
    page.get_by_role("button", name="Next to begin").click()
    expect(page.get_by_text("number 1 of 2 in the queue")).to_be_visible()
    assert queue.waiting() == [fourth, third]
    page.goto(re.sub(r"\?.*", f"?as=Ann&run={first.id}", page.url))
    ann.settle()
    ann.widget("run.stop").get_by_role("button").click()
    until(lambda: third.status().state == fourth.status().state == "finished")
    assert first.status().state == "stopped"
    assert (fourth.status().started or 0) < (third.status().started or 0)
