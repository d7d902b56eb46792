"""Sharing out: nobody gets what somebody else has, nothing typed is lost, and what is left goes round again."""

from itertools import chain

import pytest

from engine.errors import BadInput
from engine.labelling import desk, queues
from engine.labelling.progress import people, progress
from tests.engine.labelling.conftest import minute


def _take(queue, who, at=0.0):
    work = desk.take(queue.id, who, minute(at))
    assert work is not None
    return work


def test_two_people_get_two_tasks_and_each_keeps_their_own(make_queue):
    queue = make_queue()
    ann, bo = _take(queue, "Ann"), _take(queue, "Bo")
    assert (ann.instruction, bo.instruction) == ("prompt 1", "prompt 2")
    assert _take(queue, "Ann", at=1).assignment.id == ann.assignment.id


def test_what_was_typed_is_there_after_a_reload(make_queue):
    queue = make_queue()
    mine = _take(queue, "Ann").assignment.id
    desk.keep(mine, "Ann", "half an ans", instruction="prompt one", at=minute(1))
    again = _take(queue, "Ann", at=2)
    assert (again.assignment.output, again.instruction) == ("half an ans", "prompt one")
    desk.keep(mine, "Ann", "half an ans", instruction="prompt 1", at=minute(1))
    assert _take(queue, "Ann", at=2).assignment.instruction is None, "as it was is not an edit"


def test_a_label_is_saved_and_the_next_task_comes(make_queue):
    queue = make_queue(prompts=2)
    for number in (1, 2):
        work = _take(queue, "Ann", at=number)
        desk.save(work.assignment.id, "Ann", f"answer {number}", at=minute(number + 0.5))
    assert desk.take(queue.id, "Ann") is None
    assert desk.take(queue.id, "Bo") is None
    (ann,) = people(queue)
    assert (ann.saved, ann.per_hour) == (2, pytest.approx(120))


def test_empty_output_or_instruction_is_refused(make_queue):
    queue = make_queue()
    mine = _take(queue, "Ann").assignment.id
    with pytest.raises(BadInput, match="output"):
        desk.save(mine, "Ann", "  \n", at=minute(1))
    with pytest.raises(BadInput, match="instruction"):
        desk.save(mine, "Ann", "answer", instruction=" ", at=minute(1))
    assert _take(queue, "Ann", at=2).assignment.state == "open"


def test_a_lease_runs_out_and_typing_renews_it(make_queue):
    queue = make_queue(prompts=1)
    mine = _take(queue, "Ann").assignment.id
    desk.keep(mine, "Ann", "so far", at=minute(29))
    assert desk.take(queue.id, "Bo", minute(45)) is None, "renewed at 29"
    assert _take(queue, "Bo", at=60).instruction == "prompt 1"
    assert desk.take(queue.id, "Ann", minute(61)) is None


def test_somebody_who_comes_late_still_saves_if_nobody_else_has_it(make_queue):
    queue = make_queue(prompts=1)
    mine = _take(queue, "Ann").assignment.id
    desk.keep(mine, "Ann", "so far", at=minute(1))
    assert _take(queue, "Ann", at=300).assignment.output == "so far"
    desk.save(mine, "Ann", "all of it", at=minute(600))
    assert progress(queue).done == 1


def test_somebody_who_comes_too_late_keeps_the_text_and_makes_no_second_row(make_queue):
    queue = make_queue(prompts=2)
    mine = _take(queue, "Ann").assignment.id
    bo = _take(queue, "Bo", at=31)
    assert bo.instruction == "prompt 1"
    desk.keep(mine, "Ann", "typed late", at=minute(32))
    with pytest.raises(BadInput, match="somebody else"):
        desk.save(mine, "Ann", "typed late", at=minute(32))
    assert _take(queue, "Ann", at=33).instruction == "prompt 2"
    desk.skip(bo.assignment.id, "Bo", at=minute(34))
    desk.skip(_take(queue, "Ann", at=34).assignment.id, "Ann", at=minute(34))
    assert _take(queue, "Ann", at=35).assignment.output == "typed late", "it came back, with the text"


def test_overlap_gives_each_task_to_so_many_people_and_to_nobody_twice(make_queue):
    queue = make_queue(prompts=3, overlap=2)
    had: dict[str, list[str]] = {"Ann": [], "Bo": [], "Cy": []}
    for _ in range(3):
        for who, prompts in had.items():
            if work := desk.take(queue.id, who, minute(0)):
                prompts.append(work.instruction)
                desk.save(work.assignment.id, who, "x", at=minute(1))
    assert sorted(chain(*had.values())) == sorted(2 * ["prompt 1", "prompt 2", "prompt 3"])
    assert all(len(prompts) == len(set(prompts)) for prompts in had.values())
    assert progress(queue).done == 3


def test_tasks_that_were_begun_are_finished_before_new_ones(make_queue):
    queue = make_queue(prompts=3, overlap=2)
    assert [_take(queue, who).instruction for who in ("Ann", "Bo", "Cy")] == ["prompt 1", "prompt 1", "prompt 2"]


def test_a_skip_counts_as_nothing_goes_to_others_and_can_be_reopened(make_queue):
    queue = make_queue(prompts=1)
    first = _take(queue, "Ann")
    desk.keep(first.assignment.id, "Ann", "not sure", at=minute(1))
    desk.skip(first.assignment.id, "Ann", at=minute(1))
    assert desk.take(queue.id, "Ann", minute(2)) is None
    assert progress(queue).skipped == 1
    desk.skip(_take(queue, "Bo", at=2).assignment.id, "Bo", at=minute(3))
    assert desk.count_skipped(queue.id, "Ann") == 1
    desk.reopen(queue.id, "Ann")
    assert desk.count_skipped(queue.id, "Ann") == 0
    assert desk.take(queue.id, "Bo", minute(4)) is None, "Bo's skip still stands"
    assert _take(queue, "Ann", at=4).assignment.output == "not sure"
    desk.reopen(queue.id)
    assert desk.count_skipped(queue.id, "Bo") == 0
    assert progress(queue, minute(5)).in_work == 1


def test_who_goes_to_review_gives_an_untouched_task_back_and_keeps_a_begun_one(make_queue):
    queue = make_queue(prompts=1)
    mine = _take(queue, "Ann").assignment.id
    desk.put_back(queue.id, "Ann")
    assert _take(queue, "Bo").instruction == "prompt 1"
    desk.put_back(queue.id, "Bo")
    assert _take(queue, "Ann").assignment.id == mine
    desk.keep(mine, "Ann", "begun", at=minute(1))
    desk.put_back(queue.id, "Ann")
    assert desk.take(queue.id, "Bo", minute(2)) is None


def test_the_last_one_can_be_taken_back_and_saved_anew(make_queue):
    queue = make_queue(prompts=3)
    first = _take(queue, "Ann").assignment.id
    assert not desk.can_take_back(queue.id, "Ann")
    desk.save(first, "Ann", "too quick", at=minute(1))
    second = _take(queue, "Ann", at=2).assignment.id
    assert desk.can_take_back(queue.id, "Ann")
    desk.take_back(queue.id, "Ann", minute(3))
    again = _take(queue, "Ann", at=4)
    assert (again.assignment.id, again.assignment.output) == (first, "too quick")
    assert _take(queue, "Bo", at=4).instruction == "prompt 3"
    desk.save(first, "Ann", "better", at=minute(5))
    assert _take(queue, "Ann", at=6).assignment.id == second, "what was open before is open still"
    assert progress(queue, minute(6)).done == 1


def test_other_peoples_assignments_are_out_of_reach(make_queue):
    queue = make_queue()
    mine = _take(queue, "Ann").assignment.id
    for act in (desk.save, desk.keep):
        with pytest.raises(BadInput, match="gone"):
            act(mine, "Bo", "stolen")
    with pytest.raises(BadInput, match="gone"):
        desk.skip(mine, "Bo")


def test_saving_twice_says_so(make_queue):
    queue = make_queue()
    mine = _take(queue, "Ann").assignment.id
    desk.save(mine, "Ann", "first", at=minute(1))
    with pytest.raises(BadInput, match="already"):
        desk.save(mine, "Ann", "second", at=minute(1))
    assert desk.keep(mine, "Ann", "second", at=minute(1)).output == "first"


def test_a_deleted_queue_takes_its_tasks_along_and_says_so(make_queue):
    queue = make_queue()
    mine = _take(queue, "Ann").assignment.id
    queues.delete(queue.id)
    for act in (lambda: desk.take(queue.id, "Ann"), lambda: desk.save(mine, "Ann", "x"), lambda: queues.get("q")):
        with pytest.raises(BadInput):
            act()
    assert queues.list_queues() == []


def test_afterwards_less_may_be_asked_for_and_not_more(make_queue):
    queue = make_queue(overlap=2, review=True)
    desk.save(_take(queue, "Ann").assignment.id, "Ann", "x", at=minute(1))
    for more in ({"overlap": 3}, {"overlap": 0}, {"dataset": "../x"}, {"lease_minutes": 0}):
        with pytest.raises(BadInput):
            queues.change(queue.id, **more)
    lighter = queues.change(queue.id, overlap=1, review=False, instructions="Be brief.")
    assert (lighter.overlap, lighter.instructions, progress(lighter).done) == (1, "Be brief.", 1)
    with pytest.raises(BadInput):
        queues.change(queue.id, review=True)


@pytest.mark.parametrize("options", [{"name": "../x"}, {"overlap": 21}, {"dataset": "a/b"}, {"lease_minutes": 0}])
def test_wrong_queues_are_refused(make_queue, options):
    with pytest.raises(BadInput):
        make_queue(**options)


def test_two_queues_cannot_have_one_name(make_queue):
    make_queue()
    with pytest.raises(BadInput, match="already"):
        make_queue()
