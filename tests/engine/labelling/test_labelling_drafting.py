"""A model's draft goes into the output without covering the person's words; how much they changed is measured."""

import pytest

from engine.chat.turns import Speaker
from engine.errors import BadInput
from engine.labelling import desk
from engine.labelling.drafting import share_edited, start_draft
from engine.models.request import Sampling

SHORT = Sampling(max_new_tokens=12, temperature=1.5)


def test_a_draft_is_kept_with_what_made_it_and_follows_the_persons_words(make_queue, tiny):
    queue = make_queue(prompts=1)
    work = desk.take(queue.id, "Ann")
    assert work
    desk.keep(work.assignment.id, "Ann", "My own words.")
    live = start_draft(work, Speaker(model=tiny), SHORT)
    live.stream.wait(60)
    live.finish()
    live.finish()
    drafted = desk.take(queue.id, "Ann")
    assert drafted and drafted.assignment.draft and drafted.assignment.draft_by
    assert drafted.assignment.output == f"My own words.\n\n{drafted.assignment.draft}"
    assert (drafted.assignment.draft_by["model"], drafted.assignment.draft_by["adapter"]) == (tiny, None)
    saved = desk.save(work.assignment.id, "Ann", drafted.assignment.draft)
    assert saved.edited == 0


def test_a_second_draft_takes_the_place_of_an_untouched_first(make_queue, tiny):
    queue = make_queue(prompts=1)
    work = desk.take(queue.id, "Ann")
    assert work
    for _ in range(2):
        live = start_draft(work, Speaker(model=tiny), SHORT)
        live.stream.wait(60)
        live.finish()
    again = desk.take(queue.id, "Ann")
    assert again and again.assignment.output == again.assignment.draft


def test_a_missing_adapter_is_refused_at_once(make_queue, tiny):
    work = desk.take(make_queue().id, "Ann")
    assert work
    with pytest.raises(BadInput):
        start_draft(work, Speaker(model=tiny, adapter="nobody"), SHORT)


@pytest.mark.parametrize(
    ("draft", "output", "share"),
    [
        (None, "whatever", None),
        ("It flies.", "It flies.", 0),
        ("It flies.", "Completely different words", 1),
        ("it weighs 180 grams", "it weighs 170 grams", 0.25),
        ("它重一百八十克", "它重一百七十克", 1 / 7),
    ],
)
def test_how_much_was_edited(draft, output, share):
    assert share_edited(draft, output) == (None if share is None else pytest.approx(share))
