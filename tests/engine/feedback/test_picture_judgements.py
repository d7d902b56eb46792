"""Judgements of pictures: kept, changed, counted and exported, and never among those of replies."""

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import delete

from engine.commands import feedback
from engine.database import writing
from engine.diffusion.recipe import LoraWeight, Recipe
from engine.errors import BadInput
from engine.feedback import pictures, store
from engine.feedback.export import FORMATS, import_jsonl
from engine.feedback.picture_figures import figures
from engine.feedback.schema import Reply
from engine.feedback.stats import summarise
from engine.feedback.store import FeedbackFilter
from engine.feedback.withdrawn import readmit, withdraw
from engine.flywheel import flywheel
from engine.statistics import wilson


@dataclass(frozen=True)
class Drawn:
    """What the gallery hands out, as far as it matters here."""

    id: str
    recipe: Recipe


def drawn(id: str, *loras: str, prompt: str = "a whale", model: str = "starter") -> Drawn:
    return Drawn(id, Recipe(prompt=prompt, model=model, loras=[LoraWeight(name=name) for name in loras]))


WHALE, ZORP, BOTH = drawn("1"), drawn("2", "zorp", prompt="一只鲸鱼"), drawn("3", "zorp", "oil", model="sdxl")


def run(*argv: str):
    parser = argparse.ArgumentParser()
    feedback.add(parser.add_subparsers())
    arguments = parser.parse_args(["feedback", *argv])
    return arguments.run(arguments)


def test_a_thumb_is_kept_changed_and_taken_back():
    first = pictures.judge(WHALE, "ann", "good")
    assert first and pictures.find() == [first] and first.recipe == WHALE.recipe.model_dump(mode="json")
    assert pictures.judgement_of(WHALE, "ann") == "good"
    assert pictures.judgement_of(WHALE, "bob") is None
    second = pictures.judge(WHALE, "ann", "bad")
    assert second and (second.id, second.created) == (first.id, first.created) and second.updated > first.updated
    pictures.judge(WHALE, "bob", "good")
    pictures.judge(ZORP, "ann", "good")
    assert pictures.judgements_of(["1", "2", "3"], "ann") == {"1": "bad", "2": "good"}
    assert pictures.judge(WHALE, "ann", None) is None
    assert pictures.judgements_of(["1", "2"], "ann") == {"2": "good"} and pictures.count() == 2
    assert pictures.annotators() == ["ann", "bob"]


def test_a_choice_between_two_replaces_the_earlier_one_whichever_way_round():
    pictures.compare(WHALE, ZORP, "a", "b", "ann")
    last = pictures.compare(ZORP, WHALE, "b", "a", "ann")
    pictures.compare(WHALE, ZORP, "tie", "a", "bob")
    rows = pictures.find(FeedbackFilter(annotator="ann"))
    assert rows == [last] and (last.picture, last.picture_b, last.winner, last.left_side) == ("2", "1", "b", "a")
    assert pictures.count() == 2
    with pytest.raises(BadInput, match="twice the same picture"):
        pictures.compare(WHALE, WHALE, "a", "a", "ann")


def test_thumbs_of_two_tabs_at_once_make_one_row():
    with ThreadPoolExecutor(8) as tabs:
        list(tabs.map(lambda n: pictures.judge(WHALE, "ann", "good" if n % 2 else "bad"), range(24)))
    assert pictures.count() == 1


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"text": "鲸鱼"}, 2),
        ({"text": "WHALE a"}, 3),
        ({"annotator": "bob"}, 1),
        ({"kind": "comparison"}, 1),
        ({"kind": "kept"}, 0),
        ({"verdict": "bad"}, 1),
        ({"model": "sdxl"}, 1),
        ({"adapter": "zorp"}, 3),
        ({"adapter": "zor"}, 0),
        ({"adapter": "oil"}, 1),
        ({"adapter": ""}, 2),
        ({"conversation_id": 1}, 0),
        ({"limit": 2}, 2),
    ],
)
def test_judgements_are_found_by_the_same_filter_as_those_of_replies(filters, found):
    pictures.judge(WHALE, "ann", "good")
    pictures.judge(ZORP, "ann", "bad")
    pictures.judge(BOTH, "bob", "good")
    pictures.compare(WHALE, ZORP, "b", "a", "ann")
    assert len(pictures.find(FeedbackFilter(**filters))) == found
    assert pictures.count(FeedbackFilter(**{**filters, "limit": None})) == (4 if "limit" in filters else found)


def test_models_and_loras_are_ranked_with_their_uncertainty():
    for person in ("ann", "bob", "cay"):
        pictures.judge(ZORP, person, "good")
        pictures.judge(WHALE, person, "bad")
    pictures.judge(BOTH, "ann", "bad")
    pictures.compare(WHALE, ZORP, "b", "a", "ann")
    pictures.compare(ZORP, WHALE, "both_bad", "a", "bob")
    pictures.compare(BOTH, ZORP, "a", "a", "ann")  # says something about oil and the models, nothing about zorp
    found = figures(pictures.find())
    assert (found.rows, found.good, found.bad, found.comparisons) == (10, 3, 4, 3)
    zorp, oil, none = (found.loras[name] for name in ("zorp", "oil", ""))
    assert (zorp.good, zorp.bad, zorp.good_interval) == (3, 1, wilson(3, 4))
    assert zorp.win_rate and (zorp.win_rate.wins, zorp.win_rate.ties, zorp.win_rate.losses) == (1, 1, 0)
    assert none.win_rate and (none.win_rate.rate, none.good_share) == (0.25, 0.0)
    assert oil.win_rate and oil.win_rate.rate == 1 and oil.win_rate.low < 0.3
    assert found.models["starter"].win_rate and found.models["starter"].win_rate.rate == 0
    assert list(found.loras) == ["zorp", "oil", ""] or list(found.loras) == ["zorp", "", "oil"]


def test_whoever_is_withdrawn_is_not_counted():
    pictures.judge(ZORP, "ann", "good")
    pictures.judge(ZORP, "bob", "bad")
    assert withdraw("bob") == 1
    assert figures(pictures.find()).bad == 0 and pictures.count() == 2
    assert readmit("bob") == 1
    assert figures(pictures.find()).bad == 1


def test_replies_and_pictures_never_meet(tmp_path):
    """Whatever counts replies or makes training data of them gives the same with pictures as without."""
    prompt = [{"role": "user", "content": "What is a whale?"}]
    store.rate("ann", prompt, Reply("A fish.", "m"), verdict="bad", correction="A mammal.")

    def all_of_it():
        rows = store.find()
        made = {name: make(rows) for name, make in FORMATS.items()}
        return made, summarise(rows), store.count(), store.known_values("annotator", "model"), flywheel()

    before = all_of_it()
    pictures.judge(WHALE, "ann", "good")
    pictures.compare(WHALE, ZORP, "a", "b", "bob")
    assert all_of_it() == before
    assert run("export", "--format", "jsonl", "--out", str(tmp_path / "replies.jsonl"))["rows"] == 1
    document = run("stats")
    assert document["rows"] == 1 and list(document["annotators"]) == ["ann"]


def test_they_are_exported_on_their_own_with_their_recipes(tmp_path, capsys):
    pictures.judge(ZORP, "ann", "good")
    pictures.compare(WHALE, ZORP, "b", "a", "bob")
    out = tmp_path / "out.jsonl"
    assert run("export", "--format", "pictures", "--out", str(out)) == {"rows": 2, "file": str(out)}
    first, second = [json.loads(line) for line in Path(out).read_text(encoding="utf-8").splitlines()]
    assert Recipe.model_validate(first["recipe"]) == ZORP.recipe and first["verdict"] == "good"
    assert Recipe.model_validate(second["recipe_b"]) == ZORP.recipe and second["winner"] == "b"
    assert run("export", "--format", "pictures", "--kind", "rating", "--out", str(tmp_path / "b.jsonl"))["rows"] == 1
    document = run("stats")
    assert document["pictures"]["comparisons"] == 1 and document["pictures"]["loras"]["zorp"]["good_share"] == 1
    assert "LoRA zorp: 1 good, 0 bad, 100% good (21% to 100%), 100% of 1 comparisons won" in capsys.readouterr().out


def test_an_export_is_imported_again_once(tmp_path):
    pictures.judge(ZORP, "ann", "good")
    pictures.compare(WHALE, ZORP, "b", "a", "bob")
    out = str(tmp_path / "out.jsonl")
    run("export", "--format", "pictures", "--out", out)
    before = pictures.find()
    assert run("import", out)["known"] == 2 and pictures.find() == before
    with writing() as db:
        db.execute(delete(pictures.PictureFeedbackRow))
    pictures.judge(ZORP, "ann", "bad")  # said since: it stays
    pictures.judge(ZORP, "bob", "bad")
    done = run("import", out)
    assert (done["rows"], done["known"], done["broken"], store.count()) == (2, 1, 0, 0)
    compared, *_ = pictures.find(FeedbackFilter(kind="comparison"))
    assert compared.model_dump(exclude={"id"}) == before[0].model_dump(exclude={"id"})
    assert pictures.judgements_of(["2"], "ann") == {"2": "bad"} and pictures.count() == 3
    assert figures(pictures.find()).loras["zorp"].outcomes == [1.0]
    pictures.compare(ZORP, WHALE, "tie", "a", "bob")
    assert run("import", out)["known"] == 2, "the same two the other way round"


def test_what_is_no_judgement_of_a_picture_is_reported(tmp_path):
    good = {"picture": "1", "recipe": {"prompt": "a", "of next year": 1}, "verdict": "good"}
    two = {**good, "kind": "comparison", "picture_b": "2", "recipe_b": {}, "winner": "a", "left_side": "b"}
    bad = [
        {"recipe": None},
        {"recipe": {"loras": ["x"]}},
        {"recipe": {"loras": [{"name": "x", "weight": "y"}]}},
        {"recipe": {"prompt": "\ud83d"}},
        {"verdict": None},
        {"verdict": "fine"},
        {"kind": "comparison"},
        {"more": 1},
        {"picture_b": "1", "recipe_b": {}, "kind": "comparison", "winner": "a", "left_side": "a"},
    ]
    file = tmp_path / "in.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in [good, two, *({**good, **more} for more in bad)]))
    done = import_jsonl(file, "ann")
    assert (done.rows, list(done.broken)) == (2, list(range(3, 12)))
    assert figures(pictures.find()).comparisons == 1 and [row.annotator for row in pictures.find()] == ["ann"] * 2
