"""The second person: never the author, never two at once, and what comes back goes to its author first."""

from datetime import timedelta

import pytest

from engine.errors import BadInput
from engine.labelling import desk, review
from engine.labelling.progress import people, progress
from tests.engine.labelling.conftest import minute


def _label(queue, who, output, at=0.0) -> int:
    work = desk.take(queue.id, who, minute(at))
    assert work is not None
    return desk.save(work.assignment.id, who, output, at=minute(at)).id


def _take(queue, who, at=0.0):
    found = review.take(queue.id, who, minute(at))
    assert found is not None
    return found


def test_nobody_reviews_their_own_answer(make_queue):
    queue = make_queue(review=True)
    answer = _label(queue, "Ann", "first")
    assert review.take(queue.id, "Ann") is None
    assert (review.count_waiting(queue.id, "Ann"), review.count_waiting(queue.id, "Rae")) == (0, 1)
    with pytest.raises(BadInput, match="own"):
        review.accept(answer, "Ann")
    assert review.accept(answer, "Rae").final == "first"
    assert progress(queue).done == 1


def test_two_reviewers_never_have_the_same_task(make_queue):
    queue = make_queue(review=True)
    first, second = _label(queue, "Ann", "1"), _label(queue, "Ann", "2")
    assert [answer.id for answer in _take(queue, "Rae").answers] == [first]
    assert [answer.id for answer in _take(queue, "Sam").answers] == [second]
    assert review.take(queue.id, "Tom", minute(1)) is None
    with pytest.raises(BadInput, match="Somebody else is reviewing"):
        review.accept(first, "Sam", at=minute(1))
    assert _take(queue, "Rae", at=25).answers[0].id == first, "a reload finds it again"
    assert _take(queue, "Tom", at=40).answers[0].id == second, "Sam's lease ran out"


def test_a_review_left_to_others_goes_to_the_end_of_the_line(make_queue):
    queue = make_queue(review=True)
    first, second = _label(queue, "Ann", "1"), _label(queue, "Ann", "2")
    task = _take(queue, "Rae")
    review.leave(task.task.id, "Rae", minute(1))
    assert _take(queue, "Rae", at=2).answers[0].id == second
    assert _take(queue, "Sam", at=2).answers[0].id == first


def test_the_reviewers_words_count_and_the_authors_stay(make_queue):
    queue = make_queue(review=True)
    answer = _label(queue, "Ann", "nearly")
    with pytest.raises(BadInput, match="empty"):
        review.accept(answer, "Rae", " ")
    accepted = review.accept(answer, "Rae", "exactly")
    assert (accepted.output, accepted.final, accepted.reviewer) == ("nearly", "exactly", "Rae")
    with pytest.raises(BadInput, match="no longer"):
        review.accept(answer, "Sam")
    with pytest.raises(BadInput, match="take back"):
        desk.take_back(queue.id, "Ann")


def test_what_is_sent_back_comes_to_its_author_first_with_the_comment(make_queue):
    queue = make_queue(review=True)
    answer = _label(queue, "Ann", "nearly")
    with pytest.raises(BadInput, match="comment"):
        review.send_back(answer, "Rae", " ", at=minute(1))
    review.send_back(answer, "Rae", "Say how heavy it is.", at=minute(1))
    assert people(queue)[0].returned == 1
    bo = desk.take(queue.id, "Bo", minute(2))
    assert bo and bo.instruction == "prompt 2"
    back = desk.take(queue.id, "Ann", minute(2))
    assert back and back.assignment.id == answer
    assert (back.assignment.output, back.assignment.comment) == ("nearly", "Say how heavy it is.")
    desk.save(answer, "Ann", "180 grams", at=minute(3))
    assert _take(queue, "Rae", at=4).answers[0].comment == "Say how heavy it is."


def test_a_returned_task_whose_author_stays_away_goes_to_others(make_queue):
    queue = make_queue(prompts=1, review=True)
    review.send_back(_label(queue, "Ann", "nearly"), "Rae", "Shorter.", at=minute(1))
    assert desk.take(queue.id, "Bo", minute(60)) is None
    work = desk.take(queue.id, "Bo", minute(2) + timedelta(days=1))
    assert work and work.instruction == "prompt 1"


def test_with_overlap_the_reviewer_sees_all_answers_and_takes_one(make_queue):
    queue = make_queue(prompts=1, overlap=2, review=True)
    ann = _label(queue, "Ann", "one way")
    assert review.take(queue.id, "Rae") is None, "an answer is missing"
    assert progress(queue).in_work == 1
    bo = _label(queue, "Bo", "another way")
    assert progress(queue).in_review == 1
    assert [answer.id for answer in _take(queue, "Rae").answers] == [ann, bo]
    assert review.take(queue.id, "Bo") is None, "Bo answered it too"
    review.accept(bo, "Rae")
    assert progress(queue).done == 1
    assert desk.take(queue.id, "Cy") is None
    with pytest.raises(BadInput, match="no longer"):
        review.accept(ann, "Rae")


def test_of_several_answers_one_may_be_sent_back(make_queue):
    queue = make_queue(prompts=1, overlap=2, review=True)
    ann, bo = _label(queue, "Ann", "1"), _label(queue, "Bo", "2")
    review.send_back(ann, "Rae", "Why?", at=minute(1))
    assert review.take(queue.id, "Rae", minute(2)) is None
    desk.take(queue.id, "Ann", minute(2))
    desk.save(ann, "Ann", "1, because", at=minute(3))
    assert [answer.id for answer in _take(queue, "Rae", at=4).answers] == [ann, bo]


def test_an_answer_under_review_cannot_be_taken_back(make_queue):
    queue = make_queue(review=True)
    answer = _label(queue, "Ann", "first")
    _take(queue, "Rae", at=1)
    assert not desk.can_take_back(queue.id, "Ann", minute(2))
    assert desk.can_take_back(queue.id, "Ann", minute(40))
    desk.take_back(queue.id, "Ann", minute(40))
    with pytest.raises(BadInput, match="no longer"):
        review.accept(answer, "Rae", at=minute(41))
