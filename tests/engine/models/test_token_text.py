"""Stop strings end a reply wherever pieces begin and end, and nothing of them is ever shown."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from engine.models.loader import load_tokenizer
from engine.models.text import StopText, TokenText

LETTERS = st.text("ab", max_size=30)
STOPS = st.lists(st.text("ab", min_size=1, max_size=4), max_size=3)


@given(text=LETTERS, stops=STOPS, cuts=st.lists(st.integers(0, 30)))
def test_what_is_shown_ends_before_the_first_stop_string(text, stops, cuts):
    places = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    stopper, shown = StopText(stops), ""
    for start, end in itertools.pairwise(places):
        shown += stopper.push(text[start:end])
        assert text.startswith(shown)
        if stopper.found:
            break
    shown += stopper.rest()
    ends = [end for end in range(len(text) + 1) if any(text[:end].endswith(stop) for stop in stops)]
    assert stopper.found == bool(ends)
    assert not any(stop in shown for stop in stops)
    if not ends:
        assert shown == text


def test_text_that_cannot_be_a_stop_string_is_shown_at_once():
    stopper = StopText(["###", "END"])
    assert stopper.push("so E") == "so "
    assert stopper.push("asy") == "Easy"
    assert stopper.push(" ##") == " "
    assert stopper.push("#more") == ""
    assert stopper.found and stopper.rest() == ""


def test_half_a_character_at_the_limit_is_left_out(starter):
    tokenizer = load_tokenizer(starter)
    ids = tokenizer("首都")["input_ids"]
    text = TokenText(tokenizer)
    shown = "".join(text.push(token) for token in ids[:-1]) + text.rest()
    assert shown == "首"
