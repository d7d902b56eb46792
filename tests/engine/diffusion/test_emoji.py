"""From archives to pictures and captions."""

import random

import numpy as np
import pytest

from engine.diffusion import emoji as module
from engine.diffusion.captions import Captions
from engine.diffusion.emoji import PACKAGES, fetch, load_emoji, make_emoji
from engine.diffusion.nouns import COMMON, is_taken
from engine.errors import Failure
from tests.engine.diffusion.drawn import NOUNS, write_packages


def test_archives_become_pictures_of_the_chosen_nouns(tmp_path):
    write_packages(tmp_path)
    emoji = make_emoji(tmp_path)
    assert [noun.english for noun in emoji.nouns] == ["red apple", "sun"]  # a clock face is left out
    assert [noun.chinese for noun in emoji.nouns] == ["红苹果", "太阳"]
    assert list(zip(emoji.noun, emoji.style, strict=True)) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    assert emoji.pixels.shape == (5, 64, 64, 3)
    assert (emoji.pixels[:, 0, 0] == 255).all()  # transparent became white
    assert emoji.pixels[1, 32, 32].tolist() == [255, 0, 0]


def test_what_was_made_is_kept(tmp_path, monkeypatch):
    (tmp_path / "packages").mkdir()
    write_packages(tmp_path / "packages")
    monkeypatch.setattr(module, "fetch", lambda package, folder: folder / package.file)
    first = load_emoji(tmp_path)
    for file in (tmp_path / "packages").iterdir():
        file.unlink()
    again = load_emoji(tmp_path)
    assert again.nouns == first.nouns and again.noun == first.noun and np.array_equal(again.pixels, first.pixels)


def test_another_archive_than_the_pinned_one_is_refused(tmp_path):
    write_packages(tmp_path)
    with pytest.raises(Failure, match="not the pinned package"):
        fetch(PACKAGES["emojibase-data"], tmp_path)


def test_captions_name_the_noun_in_two_languages_and_always_the_style():
    captions, chance = Captions(NOUNS), random.Random(0)
    drawn = {captions.draw(0, 1, chance) for _ in range(300)}
    assert {
        "red apple, noto",
        "红苹果, 诺托",
        "a picture of a red apple, noto",
        "红苹果, 水果, 诺托",
        "snack, noto",
    } <= drawn
    assert all("noto" in caption or "诺托" in caption for caption in drawn)
    assert not any("whale" in caption or "sea" in caption for caption in drawn)


def test_look_alikes_are_left_out():
    assert is_taken("cat face", 34) and is_taken("red heart", 14)
    assert (
        not is_taken("blue heart " + "x", 14) and not is_taken("oncoming taxi", 54) and not is_taken("one o’clock", 58)
    )


def test_fifty_common_nouns():
    assert len(set(COMMON)) == 50
