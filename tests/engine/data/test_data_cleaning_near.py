"""Near-duplicates in Chinese and English: small edits are found, shared frames are not."""

import pytest

from benchmarks.near_duplicates import measured
from engine.data.cleaning import NearDuplicates, signatures

STORY = "从前有一位年老的灯塔看守人，每天傍晚都要爬上三百级台阶点亮灯火，无论风雨从不间断，村里的孩子们都很喜欢他。"
TALE = "Once upon a time an old lighthouse keeper climbed three hundred stairs every evening to light the lamp."
FRAME = "写一篇关于{}的文章。\n{}是当今社会的热点。总之，让我们从身边做起。"


def near(*texts: str, similarity: float = 0.8) -> NearDuplicates:
    found = NearDuplicates(similarity, lambda row: texts[row])
    for row, text in enumerate(texts):
        assert found.add(row, text) is None
    return found


@pytest.mark.parametrize(
    "copy",
    [
        STORY,
        STORY.replace("年老", "年迈"),
        STORY.replace("，", ",").replace("。", "！"),
        STORY.replace("孩子们", "孩子们　"),
        STORY.replace("村里的", ""),
        TALE.upper(),
        TALE.replace("old ", "very old "),
        TALE.replace(" ", "\n  "),
        TALE.replace("stairs", "steps"),
    ],
)
def test_small_edits_are_found(copy):
    assert near(STORY, TALE).find(copy) == (0 if "塔" in copy else 1)


def test_another_topic_in_the_same_frame_is_no_duplicate():
    topics = ["春天的花园", "人工智能", "城市交通拥堵", "传统书法艺术"]
    near(*(FRAME.format(topic, topic) for topic in topics))


def test_short_texts_are_duplicates_only_if_they_are_equal():
    found = near("", "好", "你好", "你坏", "a", "ab", "2+2", "2-2", "2+3", "你好吗", "你好啊")
    assert [found.find(text) for text in ("", "好", "你好", "2-2", "A", "很好", "2+4")] == [0, 1, 2, 7, 4, None, None]


def test_add_leaves_out_what_it_finds_and_find_adds_nothing():
    texts = [STORY, STORY + "完", TALE]
    found = NearDuplicates(0.8, lambda row: texts[row])
    assert found.find(STORY) is None and found.find(STORY) is None
    assert [found.add(row, text) for row, text in enumerate(texts)] == [None, 0, None]
    assert found.find_all(STORY + "完") == [0]


def test_all_rows_near_a_text_are_found():
    """They are no duplicates of each other."""
    found = near(STORY[6:], STORY[:-6])
    assert sorted(found.find_all(STORY)) == [0, 1]


def test_the_similarity_decides():
    copy = TALE.replace("lighthouse keeper", "baker")
    assert near(TALE, similarity=0.6).find(copy) == 0
    assert near(TALE, similarity=0.9).find(copy) is None
    assert near(TALE, similarity=1).find(TALE.lower()) == 0


def test_rows_are_found_in_every_table(monkeypatch):
    monkeypatch.setattr(signatures, "_FIRST", 8)
    texts = [f"{number * 7919} {number * 104729} {number * 1299709} {TALE[number:]}"[:40] for number in range(60)]
    found = near(*texts)
    assert [found.find(text) for text in texts] == list(range(60))


def test_bands_are_as_wide_as_the_similarity_allows():
    widths = [signatures.band_width(similarity / 100) for similarity in (50, 70, 80, 90, 100)]
    assert widths == [2, 4, 6, 12, 12]


def test_planted_near_duplicates_are_found_and_little_else():
    """The benchmark at a twentieth of its size."""
    both = measured("engine", 5000)[-1]
    assert both["planted"] > 200
    assert both["recall"] >= 0.95 and both["precision"] >= 0.95
    assert both["recall at the limit"] >= 0.98
