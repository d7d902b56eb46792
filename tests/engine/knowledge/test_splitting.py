"""Chunks lose nothing, know their place to the character, and are cut where a reader would pause."""

import re
import time
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine.errors import BadInput
from engine.fields import parse
from engine.knowledge.loaders.page import Page, clean
from engine.knowledge.splitting import Chunk, Splitter, document_text, split

SMALL = Splitter(size=50, overlap=0)
CHINESE = "瑞利散射使天空呈现蓝色。短波光散射得更多，长波光散射得更少；黄昏时分，光线穿过更厚的大气！"


def chunks(text: str, size: int = 50, overlap: int = 0, markdown: bool = True) -> list[Chunk]:
    return split([Page(text)], Splitter(size=size, overlap=overlap), markdown)


def texts(*arguments, **options) -> list[str]:
    return [chunk.text for chunk in chunks(*arguments, **options)]


# what documents are made of: pauses of all kinds, tables, fences, headings, characters of several code points
BITS = st.sampled_from(
    [
        *("word ", "a", "Dr. ", "e.g. ", "1. ", "End. ", "Really?! ", "\n", "\n\n", " ", "\t", "\u3000", "  \n \n"),
        *(
            "天",
            "空蓝色",
            "。",
            "！”",
            "……",
            "，",
            "；",
            "“",
            "」",
            "一个没有标点的很长很长很长的句子",
            "e\u0301\u0302",
            "👩‍👩‍👧",
            "👍🏽",
        ),
        *(
            "# Top\n",
            "## Deep ##\n",
            "\n### 三\n\n",
            "#no\n",
            "```\n",
            "```python\n",
            "~~~\n",
            "| a | b |\n",
            "|---|:-:|\n",
            "| 1 | 2 |\n",
        ),
        *(
            "\n| head | 头 |\n| --- | --- |\n| x | y |\n",
            "| long row " + "z" * 40 + " | 1 |\n",
            "|",
            "-",
            "x" * 70,
            "." * 30,
        ),
    ]
)
PAGES = st.lists(st.lists(BITS, max_size=60).map("".join) | st.text(max_size=120).map(clean), min_size=1, max_size=3)


@example(
    texts=["word " * 7 + "e\u0301\u0302|---|:-:|\nword "], size=50, overlap=10, markdown=False
)  # marks at the overlap's end
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(texts=PAGES, size=st.integers(50, 120), overlap=st.integers(0, 24), markdown=st.booleans())
def test_nothing_is_lost_and_every_place_is_exact(texts, size, overlap, markdown):
    pages = [Page(text, number) for number, text in enumerate(texts, 1)]
    whole = document_text(pages)
    found = split(pages, Splitter(size=size, overlap=overlap), markdown)
    covered = set()
    starts = {}
    place = 0
    for page in pages:
        starts[page.number] = (place, place + len(page.text))
        place += len(page.text) + 2
    for before, chunk in zip([None, *found], found, strict=False):
        own = whole[chunk.start : chunk.end]
        header = chunk.text.removesuffix(own)
        assert chunk.text.endswith(own) and own.strip() == own != ""
        if header:
            assert markdown and "|" in header and re.search(r"\n[|:\- \t]+\n$", header) and header in whole
        assert len(own) <= size and len(chunk.text) <= size + len(header)
        low, high = starts[chunk.page]
        assert low <= chunk.start < chunk.end <= high
        assert chunk.line == whole.count("\n", low, chunk.start) + 1
        if before is not None:
            assert before.start < chunk.start and before.end < chunk.end, "order, and no chunk that only repeats"
            assert before.end - chunk.start <= overlap
        covered.update(range(chunk.start, chunk.end))
    assert all(sign.isspace() for place, sign in enumerate(whole) if place not in covered)


@pytest.mark.parametrize("markdown", [True, False])
def test_a_short_text_is_one_chunk(markdown):
    assert texts("Hello.\n\nWorld.", markdown=markdown) == ["Hello.\n\nWorld."]


def test_a_text_without_letters_has_no_chunks():
    assert texts(" \n\n\t\u3000") == [] and split([], SMALL, True) == []


def test_chinese_without_blanks_is_cut_after_its_sentences():
    found = texts(CHINESE * 4)
    assert len(found) == 4 and all(text[-1] in "。！；" for text in found)


def test_closing_quotes_stay_with_their_sentence():
    for text in texts("他说：“天空是蓝色的，因为短波光散射得更多。”她答道：「我明白了，谢谢你的讲解！」" * 4):
        assert text[0] not in "”」" and (text.endswith("”") or text.endswith("」") or text[-1] in "，：")


def test_long_sentences_are_cut_after_clauses_and_only_then_anywhere():
    assert all(text.endswith("，") for text in texts("光线穿过更厚的大气层而变得更红更暗，" * 9)[:-1])
    assert [len(text) for text in texts("光" * 120)] == [50, 50, 20]


def test_paragraphs_come_before_sentences_and_sentences_before_clauses():
    first = "One short line here, as it is."
    assert texts(f"{first}\n\nThen another paragraph. It has, of course, clauses.") == [
        first,
        "Then another paragraph. It has, of course, clauses.",
    ][:1] + texts("Then another paragraph. It has, of course, clauses.")
    assert texts("A sentence that has, well, a clause. And then one more, that goes on.")[0].endswith("clause.")


def test_numbers_and_abbreviations_do_not_end_a_sentence():
    text = "The fee is 1,000.50 in total, said Dr. Smith to J. Brown, e.g. on Monday and on Tuesday"
    assert all(not re.search(r"(Dr|J|e\.g)\.$|\d[.,]$", piece) for piece in texts(text))
    assert texts("A first line that says what follows in it:\n1. " + "item " * 12)[0].endswith(":")


def test_characters_of_several_code_points_stay_whole():
    for sign in ("e\u0301\u0302", "👩\u200d👩\u200d👧", "👍🏽", "க்"):
        assert all(piece == sign * (len(piece) // len(sign)) for piece in texts(sign * 60))


def test_a_heading_stays_with_what_follows_it():
    found = chunks("# Guide\n\n## Setup\n\n" + "Install the studio now. " * 6)
    assert found[0].text.startswith("# Guide\n\n## Setup\n\nInstall")
    assert {chunk.heading for chunk in found} == {"Guide › Setup"}


def test_sections_are_not_mixed_and_carry_the_way_of_headings():
    found = chunks("Before.\n# A\none\n## B ##\ntwo\n### C\nthree\n## D\nfour\n# E\nfive")
    assert [(chunk.heading, chunk.text.split("\n")[-1]) for chunk in found] == [
        ("", "Before."),
        ("A", "one"),
        ("A › B", "two"),
        ("A › B › C", "three"),
        ("A › D", "four"),
        ("E", "five"),
    ]
    assert [chunk.line for chunk in found] == [1, 2, 4, 6, 8, 10]


def test_code_and_tags_are_no_headings():
    found = chunks("# A\n```sh\n# not a heading\n```\n#hashtag\n~~~~\n# nor this\n~~~\n# nor that\n~~~~\nend", 100)
    assert [chunk.heading for chunk in found] == ["A"]


def test_plain_text_has_neither_headings_nor_tables():
    (chunk,) = chunks("# A\n\n# B", markdown=False)
    assert chunk.heading == "" and chunk.text == "# A\n\n# B"


def test_a_table_is_cut_by_rows_with_its_header_on_every_piece():
    header = "| 名称 | 价格 |\n| --- | --- |\n"
    rows = [f"| 货物{number:03} | {number} 元 |\n" for number in range(30)]
    text = f"# 价目\n\n{header}{''.join(rows)}\n完。"
    found = chunks(text, 80)
    assert found[0].text.startswith("# 价目\n\n| 名称") and found[-1].text == "完。"
    assert all(chunk.text.startswith(header) and len(chunk.text) <= 80 for chunk in found[1:-1])
    assert [row for chunk in found[:-1] for row in re.findall("货物[0-9]+", chunk.text)] == [
        f"货物{n:03}" for n in range(30)
    ]
    assert all(chunk.heading == "价目" for chunk in found)


def test_a_row_longer_than_a_chunk_is_cut_and_keeps_its_header():
    header = "| a | b |\n|---|---|\n"
    found = texts(header + "| x | " + "很长的内容，" * 20 + " |\n| y | z |")
    assert all(text.startswith(header) for text in found) and found[-1].endswith("| y | z |")


def test_a_small_table_is_never_parted():
    table = "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |"
    for lead in range(30, 90):
        assert any(
            table in text for text in texts(("x" * 9 + " ") * (lead // 10) + f"\n\n{table}\n\n" + "end. " * 20, 60, 20)
        )


def test_overlap_begins_with_a_sentence_where_one_is_near():
    found = chunks("".join(f"第{number}句话说到这里为止。" for number in range(100, 130)), 60, 20)
    assert all(chunk.text.startswith("第") for chunk in found)
    assert all(before.end > after.start for before, after in pairwise(found))


def test_pages_are_never_mixed():
    found = split([Page("One.", 1), Page("Two.\nThree.", 3)], SMALL, False)
    assert [(chunk.text, chunk.page, chunk.line, chunk.start) for chunk in found] == [
        ("One.", 1, 1, 0),
        ("Two.\nThree.", 3, 1, 6),
    ]


def test_an_overlap_of_half_a_chunk_is_refused_in_words():
    assert Splitter().size == 500 and Splitter(size=51, overlap=25).overlap == 25
    with pytest.raises(BadInput, match="overlap must be less than 50"):
        parse(Splitter, {"size": 100, "overlap": 50})
    with pytest.raises(BadInput, match="size must be at least 50"):
        parse(Splitter, {"size": 5, "overlap": 0})


@pytest.mark.parametrize(
    "text",
    [
        CHINESE * (5_000_000 // len(CHINESE)),
        "光" * 2_000_000,
        "." * 2_000_000,
        "!" * 2_000_000,
        " " * 2_000_000 + "x",
        ("\n" + " " * 50) * 40_000 + "x",
        "# a" + " " * 1_000_000 + "b\n" + "|" + "-" * 1_000_000 + " |",
        "| a |\n|---|\n" + "| 1 |\n" * 500_000,
        "# a\n" * 300_000,
        "e" + "\u0301" * 1_000_000,
    ],
    ids=["chinese", "no pauses", "dots", "exclamations", "blanks", "lines", "lengths", "table", "headings", "accents"],
)
def test_long_texts_are_split_in_seconds(text):
    started = time.process_time()
    assert split([Page(text)], Splitter(), True)
    assert time.process_time() - started < 15
