"""Ideas become prompts: with the real starter chat model, and with replies as good and bad as models give them."""

import pytest

from engine.chat.turns import Speaker
from engine.diffusion.ideas import nouns_in, style_in
from engine.diffusion.prompt_tokens import PromptTokens
from engine.diffusion.prompt_writing import cleaned, keeps, write_prompt
from engine.errors import BadInput
from tests.engine.knowledge.stubs import StubSpeaker


@pytest.mark.parametrize(
    ("idea", "nouns"),
    [("a red apple", ["red apple"]), ("my cute kitten", ["cat face"]), ("一只戴着皇冠的猫", ["cat", "crown"])],
)
def test_the_starter_writes_what_the_starter_can_draw(starter, idea, nouns):
    written = write_prompt(idea, Speaker(), captions=True, seed=3)
    assert nouns_in(written.prompt) == nouns
    assert style_in(written.prompt)
    assert (written.seed, written.model, written.idea, written.drawable) == (3, "starter", idea, True)
    assert bool(written.why) == written.fell_back


def test_the_starter_writes_for_other_picture_models(starter):
    tokens = PromptTokens(limit=20)
    written = write_prompt("红色的汽车", Speaker(), captions=False, tokens=tokens, triggers=["sks"], seed=1)
    assert written.mapping == [("红色", "red"), ("汽车", "automobile")]
    assert "sks" in written.prompt.split(", ")
    assert written.added_triggers == ["sks"]
    assert "automobile" in written.prompt or "car" in written.prompt
    assert written.tokens == tokens.count(written.prompt) <= written.limit == 20
    again = write_prompt("红色的汽车", Speaker(), captions=False, tokens=tokens, triggers=["sks"], seed=1)
    assert again == written, "the seed gives the same prompt again"
    assert write_prompt("a cat", StubSpeaker.saying("a cat"), captions=False, seed=0).seed == 0


def test_a_model_that_knows_chinese_gets_the_idea_as_it_is():
    speaker = StubSpeaker.saying("a cat wearing a golden crown, soft light")
    written = write_prompt("戴皇冠的猫", speaker, captions=False)
    assert speaker.asked[0][-1]["content"] == "Idea: 戴皇冠的猫"
    assert (written.prompt, written.mapping) == ("a cat wearing a golden crown, soft light", [])
    write_prompt("戴皇冠的猫", speaker, captions=False, map_words=True)
    assert speaker.asked[1][-1]["content"] == "Idea: cat wearing crown"


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ("", "no_prompt"),
        ("Sure! I can help you with that.", "no_prompt"),
        ("a sunny beach with palm trees", "left_out"),
        ("一只猫", "no_prompt"),
        ("a cat <script>", "no_prompt"),
        ("a cat " + "of great beauty " * 60, "no_prompt"),
    ],
)
def test_a_bad_writing_is_not_taken(says, why):
    written = write_prompt("a cat on a roof", StubSpeaker.saying(says), captions=False)
    assert (written.prompt, written.why, written.fell_back) == ("a cat on a roof", why, True)


@pytest.mark.parametrize(
    ("says", "why"),
    [("dog", "left_out"), ("cat", "left_out"), ("black cat, guitar", "no_prompt"), ("big cat, dog", "added")],
)
def test_captions_keep_the_ideas_nouns_and_have_no_others(says, why):
    written = write_prompt("a big cat", StubSpeaker.saying(says), captions=True)
    assert written.prompt == "big cat, fluent 3d"
    assert written.why == ("left_out" if why == "no_prompt" else why)


def test_a_caption_is_made_of_what_the_model_says():
    written = write_prompt("something to keep the rain off", StubSpeaker.saying("A big umbrella!"), captions=True)
    assert (written.prompt, written.fell_back) == ("big umbrella, fluent 3d", False)


def test_what_nobody_can_draw_is_said():
    written = write_prompt("量子纠缠", StubSpeaker.saying("entanglement"), captions=True, map_words=True)
    assert (written.prompt, written.unknown, written.drawable) == ("量子纠缠", ["量子纠缠"], False)


def test_a_model_that_breaks_costs_nothing():
    def fail(_):
        raise RuntimeError("out of memory")

    written = write_prompt("a cat", StubSpeaker.saying(fail), captions=False)
    assert (written.prompt, written.why) == ("a cat", "failed")


def test_an_empty_idea_is_refused():
    with pytest.raises(BadInput, match="The idea is empty"):
        write_prompt("  ", StubSpeaker.saying("a cat"), captions=False)


def test_what_models_put_around_a_prompt_is_taken_off():
    assert cleaned('**Prompt:** "a cat, a roof, a roof."\n\nI hope this helps') == "a cat, a roof"
    assert cleaned("") == ""


def test_half_of_the_words_of_an_idea_stay():
    assert keeps("a lone lighthouse at night, fog", "a lonely lighthouse at night")
    assert not keeps("a sunny beach", "a lonely lighthouse at night")
