"""Chinese ideas in the words of emoji names, and captions that the starter picture model knows."""

import pytest

from engine.diffusion.emoji import STYLES
from engine.diffusion.ideas import caption, map_chinese, nouns_in, style_in
from engine.diffusion.noun_names import by_chinese, by_english, noun_names
from engine.diffusion.nouns import COMMON


@pytest.mark.parametrize(
    ("idea", "english", "unknown"),
    [
        ("猫", "cat", []),
        ("一只戴着皇冠的猫", "cat wearing crown", []),
        ("红色的苹果，立体", "red apple, fluent 3d", []),
        ("绿色的苹果", "green apple", []),
        ("在月亮上的猫", "cat on crescent moon", []),
        ("骑着自行车的熊猫", "panda riding bicycle", []),
        ("画一只可爱的小狗，扁平风格", "cute dog face, twemoji", []),
        ("我想要一张机器人的图片", "robot", []),
        ("一只 cute 的猫", "cute cat", []),
        ("量子纠缠的猫", "cat", ["量子纠缠"]),
        ("猫在屋顶上", "cat", ["屋顶"]),
        ("量子纠缠", "", ["量子纠缠"]),
    ],
)
def test_chinese_ideas_in_english(idea, english, unknown):
    mapped = map_chinese(idea, captions=True)
    assert (mapped.english, mapped.unknown) == (english, unknown)


def test_the_mapping_says_what_became_of_each_word():
    assert map_chinese("一只戴着皇冠的猫").mapping == [("戴着", "wearing"), ("皇冠", "crown"), ("猫", "cat")]
    assert map_chinese("绿色的苹果").mapping == [("绿色", "green"), ("苹果", "apple")]


def test_the_longest_word_is_taken():
    assert map_chinese("北极熊").english == "polar bear"
    assert map_chinese("熊").english == "bear"


def test_styles_have_the_starters_names_only_for_the_starter():
    assert map_chinese("猫，立体", captions=True).english == "cat, fluent 3d"
    assert map_chinese("猫，立体").english == "cat, 3d"


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("a red apple", "red apple, noto"),
        ("A cute cat wearing a crown", "cute cat, crown, noto"),
        ("two butterflies", "two butterfly, noto"),
        ("a big red car!", "big red automobile, noto"),
        ("flat green apple", "green apple, twemoji"),
        ("cat face, Fluent 3D", "cat face, fluent 3d"),
        ("a lonely lighthouse", ""),
        ("", ""),
    ],
)
def test_captions_of_free_words(text, made):
    assert caption(text, "noto") == made


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", COMMON)
def test_a_caption_is_its_own_caption(name, style):
    assert caption(f"{name}, {style.name}") == f"{name}, {style.name}"
    assert nouns_in(name) == [name]


def test_styles_by_other_words():
    assert style_in("a 3d cat") == "fluent 3d"
    assert style_in("a cat") is None


def test_every_noun_has_a_name_in_both_languages():
    assert len(noun_names()) > 600
    assert all(noun.chinese for noun in noun_names())
    assert set(COMMON) <= set(by_english())
    words = [word for noun in noun_names() for word in (noun.name, *noun.also)]
    assert len(words) == len(set(words)), "an English word stands for one noun"
    assert len(by_chinese()) == sum(len(noun.chinese) for noun in noun_names()), "and so does a Chinese one"
