"""What a person writes on an adapter's card, and what a card from elsewhere may not say."""

import pytest

from engine.adapters.store import CARD, edit_card, read_adapter
from engine.errors import BadInput
from engine.files import read_json, write_json
from tests.engine.adapters.merging.helpers import put, uniform


def test_trigger_words_and_default_weight_are_kept():
    put("robot", {"unet": uniform(1)}, kind="image", run="r1")
    edit_card("robot", trigger_words="zorp robot", default_weight=0.7)
    card = read_adapter("robot").card
    assert (card.trigger_words, card.default_weight, card.run) == ("zorp robot", 0.7, "r1")
    with pytest.raises(BadInput):
        edit_card("nobody", trigger_words="x")


def test_a_weight_beyond_all_bounds_is_a_damaged_card():
    adapter = put("robot", {"unet": uniform(1)}, kind="image")
    write_json(adapter.path / CARD, {**read_json(adapter.path / CARD), "default_weight": 1e9})
    with pytest.raises(BadInput, match="damaged"):
        read_adapter("robot")
