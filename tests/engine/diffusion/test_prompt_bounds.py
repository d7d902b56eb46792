"""Trigger words stay, whatever a prompt is cut to; and the count is the text encoder's own."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.diffusion.catalog import PictureSource
from engine.diffusion.prompt_bounds import bounded, has_trigger, missing_triggers, split_triggers, with_triggers
from engine.diffusion.prompt_tokens import PromptTokens, prompt_tokens

WORD = st.text("abcdefgäé猫2'-", min_size=1, max_size=8)
PROMPT = st.lists(st.tuples(WORD, st.sampled_from([" ", ", ", ",", "  "])), max_size=40).map(
    lambda parts: "".join(word + gap for word, gap in parts)
)
TRIGGERS = st.lists(st.lists(WORD, min_size=1, max_size=3).map(" ".join), max_size=3, unique=True)


@settings(deadline=None, max_examples=300)
@given(PROMPT, TRIGGERS, st.integers(6, 40))
def test_bounded_prompts(prompt, triggers, limit):
    tokens = PromptTokens()
    result = bounded(prompt, triggers, tokens.count, limit)
    assert not missing_triggers(result, triggers)
    if tokens.count(", ".join(triggers)) <= limit:
        assert tokens.count(result) <= limit
    if not missing_triggers(prompt, triggers) and tokens.count(prompt) <= limit:
        assert result == prompt, "what fits is left alone"


@settings(deadline=None)
@given(PROMPT, st.integers(4, 30))
def test_without_triggers_a_prompt_is_only_cut_at_its_end(prompt, limit):
    assert prompt.startswith(bounded(prompt, [], PromptTokens().count, limit))


def test_a_cut_comes_behind_a_comma_if_there_is_one():
    count = PromptTokens().count
    assert bounded("a cat on a roof, warm evening light, soft colours", [], count, 10) == "a cat on a roof"
    assert bounded("a cat on a very old roof", [], count, 6) == "a cat"


def test_a_trigger_is_never_cut_through():
    count = PromptTokens().count
    assert bounded("a long prompt about sks dog", ["sks dog"], count, 7) == "sks dog, a long"
    assert bounded("sks dog beside sks dog", ["sks dog"], count, 6) == "sks dog beside"
    assert bounded("sks dog, " + "very " * 50, ["sks dog"], count, 6) == "sks dog"


def test_triggers_are_whole_words_in_any_case():
    assert has_trigger("a SKS  Dog on a roof", "sks dog")
    assert not has_trigger("a sks dogma", "sks dog")
    assert with_triggers("a roof", ["sks dog", "zwx"]) == "sks dog, zwx, a roof"
    assert with_triggers("a roof with zwx", ["zwx"]) == "a roof with zwx"
    assert split_triggers(" sks  dog, zwx，zwx;\n") == ["sks dog", "zwx"]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompt=st.text(max_size=60))
def test_the_count_is_the_tokenizers(prompt, tiny_picture_folder):
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(tiny_picture_folder / "tokenizer")
    tokens = prompt_tokens(PictureSource("tiny", "folder", tiny_picture_folder))
    assert tokens.exact
    assert tokens.limit == tokenizer.model_max_length == 16
    assert tokens.count(prompt) == len(tokenizer(prompt, truncation=False).input_ids)


@pytest.mark.parametrize("prompt", ["a red apple, fluent 3d", "It's 2 CATS\n\n", "红苹果 🍎"])
def test_the_count_from_the_older_files(prompt, tiny_picture_folder, tmp_path):
    """Stable Diffusion's own folders have a vocabulary and merges, and no tokenizer.json."""
    import json

    from transformers import CLIPTokenizer

    files = tmp_path / "tokenizer"
    files.mkdir()
    model = json.loads((tiny_picture_folder / "tokenizer" / "tokenizer.json").read_text())["model"]
    (files / "vocab.json").write_text(json.dumps(model["vocab"]))
    (files / "merges.txt").write_text(
        "#version: 0.2\n" + "\n".join(" ".join(merge) for merge in model["merges"]) + "\n"
    )
    (files / "tokenizer_config.json").write_text('{"model_max_length": 77}')
    tokens = prompt_tokens(PictureSource("old", "folder", tmp_path))
    tokenizer = CLIPTokenizer.from_pretrained(tiny_picture_folder / "tokenizer")
    assert tokens.exact and tokens.limit == 77
    assert tokens.count(prompt) == len(tokenizer(prompt, truncation=False).input_ids)


def test_a_model_that_is_not_here_is_counted_roughly():
    tokens = prompt_tokens(PictureSource("someone/model", "hub", None))
    assert (tokens.exact, tokens.limit, tokens.count("a red apple, 3d")) == (False, 77, 7)
