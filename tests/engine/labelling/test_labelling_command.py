"""`python -m engine labelling …`, on a parser with just this group."""

import argparse

import pytest

from engine.commands import labelling
from engine.data import registry
from engine.errors import BadInput
from engine.labelling import desk


def run(*argv: str):
    parser = argparse.ArgumentParser()
    labelling.add(parser.add_subparsers())
    arguments = parser.parse_args(["labelling", *argv])
    return arguments.run(arguments)


def test_queues_are_listed_and_shown(make_queue):
    assert run("list") == []
    queue = make_queue(instructions="Be brief.")
    work = desk.take(queue.id, "Ann")
    assert work
    desk.save(work.assignment.id, "Ann", "one")
    (listed,) = run("list")
    assert listed == run("show", "q")
    assert (listed["instructions"], listed["progress"]["done"], listed["people"][0]["name"]) == ("Be brief.", 1, "Ann")
    with pytest.raises(BadInput, match="no queue"):
        run("show", "nothing")


def test_export_makes_a_dataset_and_adds_to_it(make_queue):
    queue = make_queue()
    for number in (1, 2):
        work = desk.take(queue.id, "Ann")
        assert work
        desk.save(work.assignment.id, "Ann", "an answer")
        assert run("export", "q", "--name", "taught")["rows"] == number
    assert registry.card("taught").rows == 2
