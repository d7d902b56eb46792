"""Documents of all kinds become pages of text; whatever is wrong with one is a single sentence that names it."""

import csv
import datetime
import json
import re
import socket
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadInput
from engine.knowledge.loaders import MOST_BYTES, MOST_TEXT, SUFFIXES, Page, is_markdown, load
from engine.knowledge.loaders.markup import pipe_table
from engine.knowledge.loaders.page import clean
from tests.engine.knowledge.papers import docx, locked_pdf, pdf, pptx, replaced, xlsx, zipped

CHINESE = "瑞利散射使天空呈现蓝色。\n黄昏时分，光线穿过更厚的大气。"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100


def text_of(path: Path) -> str:
    (page,) = load(path)
    return page.text


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(path: Path, name: str | None = None) -> str:
    """The sentence that refuses a file."""
    with pytest.raises(BadInput) as caught:
        load(path, name)
    sentence = str(caught.value)
    assert (name or path.name) in sentence and "\n" not in sentence and "Traceback" not in sentence
    return sentence


# text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
@pytest.mark.parametrize("suffix", [".txt", ".md", ".csv", ".html"])
def test_text_is_read_in_every_usual_encoding(tmp_path, encoding, suffix):
    text = text_of(written(tmp_path / f"a{suffix}", CHINESE.encode(encoding)))
    assert "瑞利散射使天空呈现蓝色。" in text and "�" not in text and "\ufeff" not in text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("suffix", [".txt", ".html", ".csv"])
def test_utf_16_without_a_mark_is_told_by_its_signs(tmp_path, encoding, suffix):
    for text in (CHINESE, "Light is scattered.\nThe sky’s blue."):
        assert text_of(written(tmp_path / f"a{suffix}", text.encode(encoding))).count(text.split("\n")[0]) == 1


def test_traditional_chinese_is_read_in_both_encodings_it_comes_in(tmp_path):
    text = "瑞利散射使天空呈現藍色。\n黃昏時分，光線穿過更厚的大氣。"
    for encoding in ("big5", "gbk"):
        assert text_of(written(tmp_path / "a.txt", text.encode(encoding))) == text


def test_western_accents_and_quotes_are_not_taken_for_chinese(tmp_path):
    text = "It’s a “quoted” line – don’t miss the café.\nDas Gebäude öffnet um zehn, naïve résumé."
    assert text_of(written(tmp_path / "a.txt", text.encode("cp1252"))) == text


def test_signs_of_four_bytes_in_gb18030_are_read(tmp_path):
    text = "བོད་ཡིག་གི་ཡིག་ཆ། 𠀀"  # Tibetan
    assert text_of(written(tmp_path / "a.txt", text.encode("gb18030"))) == text


def test_an_encoding_is_told_by_lines_far_down_and_despite_damage(tmp_path):
    path = written(tmp_path / "a.txt", b"plain line\n" * 9000 + f"{CHINESE}\n".encode("gbk") * 9 + b"\xff\xff\n")
    assert text_of(path).count("瑞利散射使天空呈现蓝色。") == 9


def test_line_ends_and_controls_are_made_plain(tmp_path):
    path = written(tmp_path / "a.txt", "one\r\ntwo\rthree\0\x07\tfour\x0cfive\u2028six\x85seven" + "." * 99)
    assert text_of(path).rstrip(".") == "one\ntwo\nthree\tfour\nfive\nsix\nseven"


@given(st.text(st.characters(codec=None)))
def test_clean_text_has_no_controls_and_no_half_pairs(text):
    cleaned = clean(text)
    cleaned.encode()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f]", cleaned) and clean(cleaned) == cleaned


def test_a_few_broken_bytes_do_not_stop_a_text(tmp_path):
    text = text_of(written(tmp_path / "a.txt", "好 ".encode() * 9 + b"good \xff text " * 3 + b"and more of it " * 20))
    assert text.startswith("好 好") and "good � text" in text


def test_only_plain_text_has_no_headings():
    assert [suffix for suffix in SUFFIXES if not is_markdown("A" + suffix.upper())] == [".txt"]


# PDF


def test_a_pdf_keeps_its_page_numbers(tmp_path):
    pages = load(pdf(tmp_path / "a.pdf", ["First (page)\nits second line", "", "Third page"]))
    assert pages == [Page("First (page)\nits second line", 1), Page("Third page", 3)]


def test_a_pdf_with_an_owners_password_only_is_read(tmp_path):
    assert text_of(locked_pdf(tmp_path / "a.pdf", ["Free to read"], "")) == "Free to read"


def test_a_pdf_behind_a_password_says_what_to_do(tmp_path):
    sentence = refused(locked_pdf(tmp_path / "a.pdf", ["Secret"], "abc"))
    assert sentence == "“a.pdf” is protected by a password: save a copy without one, and add that."


def test_a_pdf_of_pictures_says_so(tmp_path):
    assert "only pictures of its pages and no text" in refused(pdf(tmp_path / "scan.pdf", ["", ""]))


def test_a_pdf_of_too_many_pages_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.knowledge.loaders.page.MOST_PAGES", 2)
    assert "has 3 pages, and 2 is the most" in refused(pdf(tmp_path / "a.pdf", ["x"] * 3))


@pytest.mark.parametrize("keep", [9, 50, 200, 500])
def test_a_pdf_cut_short_is_one_sentence(tmp_path, keep):
    whole = pdf(tmp_path / "whole.pdf", ["Some text"] * 2).read_bytes()
    refused(written(tmp_path / "a.pdf", whole[:keep]))


def test_a_damaged_pdf_is_text_or_one_sentence(tmp_path):
    whole = bytearray(pdf(tmp_path / "whole.pdf", ["Some text"] * 2).read_bytes())
    for place in range(5, len(whole), 23):
        spoilt = bytes(whole[:place] + b"\xff<(/ " + whole[place + 5 :])
        try:
            assert load(written(tmp_path / "a.pdf", spoilt))
        except BadInput as error:
            assert "a.pdf" in str(error)


# Word


def test_a_word_file_keeps_headings_items_and_tables_in_order(tmp_path):
    path = docx(
        tmp_path / "a.docx",
        ["# 指南", "开头的一段。", "## 价目", [["名称", "价格"], ["茶|绿", "3 元\n起"]], "- 一", "- 二", "After all."],
    )
    assert text_of(path) == (
        "# 指南\n\n开头的一段。\n\n## 价目\n\n| 名称 | 价格 |\n| --- | --- |\n| 茶\\|绿 | 3 元 起 |\n\n- 一\n- 二\n\nAfter all."
    )


def in_word(tmp_path: Path, body: str) -> str:
    """The text of a Word file with this XML in its body."""
    plain = docx(tmp_path / "plain.docx", ["HERE"])
    with zipfile.ZipFile(plain) as package:
        document = package.read("word/document.xml").decode()
    document = re.sub(r"<w:p><w:r><w:t>HERE</w:t></w:r></w:p>", lambda _: body, document)
    assert body in document
    return text_of(replaced(plain, tmp_path / "a.docx", "word/document.xml", document.encode()))


def test_tracked_changes_are_read_as_they_will_be(tmp_path):
    body = (
        '<w:p><w:r><w:t>Pay </w:t></w:r><w:del w:id="1" w:author="x"><w:r><w:delText>five</w:delText></w:r></w:del>'
        '<w:ins w:id="2" w:author="x"><w:r><w:t>six</w:t></w:r></w:ins></w:p>'
    )
    assert in_word(tmp_path, body) == "Pay six"


def test_content_controls_and_text_boxes_are_read_once(tmp_path):
    box = "<w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent>"
    body = (
        "<w:sdt><w:sdtContent><w:p><w:r><w:t>controlled</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        '<w:p><w:r><w:t>beside</w:t><mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">'
        f"<mc:Choice Requires='wps'>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )
    assert in_word(tmp_path, body) == "controlled\n\nbeside\nboxed"


def test_merged_cells_of_a_word_table_stay_in_their_columns(tmp_path):
    def cell(text: str, properties: str) -> str:
        return f"<w:tc><w:tcPr>{properties}</w:tcPr><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>"

    start, more = '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    rows = [
        cell("wide", '<w:gridSpan w:val="2"/>') + cell("c", ""),
        cell("tall", start) + cell("1", "") + cell("2", ""),
        cell("", more) + cell("3", "") + cell("4", ""),
    ]
    body = f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in rows)}</w:tbl>"
    assert in_word(tmp_path, body) == "| wide |  | c |\n| --- | --- | --- |\n| tall | 1 | 2 |\n| tall | 3 | 4 |"


def test_footnotes_follow_the_text(tmp_path):
    plain = docx(tmp_path / "plain.docx", ["Text"])
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    notes = (
        f'<w:footnotes xmlns:w="{space}"><w:footnote w:type="separator" w:id="0"><w:p><w:r><w:t>sep</w:t></w:r></w:p></w:footnote>'
        '<w:footnote w:id="1"><w:p><w:r><w:t>Read the small print.</w:t></w:r></w:p></w:footnote></w:footnotes>'
    )
    relations, kinds = "word/_rels/document.xml.rels", "[Content_Types].xml"
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
    with zipfile.ZipFile(plain) as package:
        links = (
            package.read(relations)
            .decode()
            .replace(
                "</Relationships>",
                '<Relationship Id="rIdN" Target="footnotes.xml" '
                'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"/></Relationships>',
            )
        )
        types = package.read(kinds).decode()
    types = types.replace("</Types>", f'<Override PartName="/word/footnotes.xml" ContentType="{kind}"/></Types>')
    linked = replaced(plain, tmp_path / "linked.docx", relations, links.encode())
    path = replaced(linked, tmp_path / "a.docx", kinds, types.encode())
    with zipfile.ZipFile(path, "a") as package:
        package.writestr("word/footnotes.xml", notes)
    assert text_of(path) == "Text\n\nRead the small print."


# web


PAGE = """<!DOCTYPE html><html><head><title>Sky guide</title><style>p{}</style><script>alert(1)</script>
<link rel=stylesheet href="http://127.0.0.1:9/a.css"></head><body onload="x()"><nav>menu</nav><h2>Why <em>blue</em>?</h2>
<p>Light   is <a href="http://127.0.0.1:9/track">scattered</a>.<img src="http://127.0.0.1:9/p.png" alt="a sky"></p>
<div style="display: none">white on white</div><p hidden>secret</p><noscript>no</noscript><template>t</template>
<iframe src="http://127.0.0.1:9/">frame</iframe><!-- remark --><ul><li>one<ul><li>deep</li></ul></li><li>two</li></ul>
<ol start=1><li>first</li><li>second</li></ol><table><tr><th>a</th><th>b</th></tr><tr><td rowspan=2>1</td><td>x|y</td></tr>
<tr><td>z</td></tr></table><pre># code
  indented</pre>line<br>break</body></html>"""


def test_a_web_page_becomes_markdown_and_fetches_nothing(tmp_path, monkeypatch):
    def no(*_: Any, **__: Any) -> None:
        raise AssertionError("a document made the loader call out")

    monkeypatch.setattr(socket.socket, "connect", no)
    monkeypatch.setattr(socket, "getaddrinfo", no)
    assert text_of(written(tmp_path / "a.html", PAGE)) == (
        "# Sky guide\n\n## Why blue?\n\nLight is scattered. a sky\n\n- one\n  - deep\n- two\n1. first\n2. second\n\n"
        "| a | b |\n| --- | --- |\n| 1 | x\\|y |\n| 1 | z |\n\n```\n# code\n  indented\n```\n\nline\nbreak"
    )


def test_a_table_that_only_lays_out_a_page_is_text(tmp_path):
    path = written(
        tmp_path / "a.htm",
        "<table><tr><td><h1>News</h1><p>Rain.</p></td><td><table><tr><td>a</td><td>b</td></tr></table></table>",
    )
    assert text_of(path) == "# News\n\nRain.\n\n| a | b |\n| --- | --- |"


@pytest.mark.parametrize("encoding", ["gb2312", "big5", "windows-1252"])
def test_a_web_page_is_read_in_the_encoding_it_names(tmp_path, encoding):
    words = "café déjà" if encoding == "windows-1252" else "天空是蓝色的" if encoding == "gb2312" else "天空是藍色的"
    page = f'<html><head><meta charset="{encoding}"></head><body><p>{words}</p></body></html>'
    assert text_of(written(tmp_path / "a.html", page.encode(encoding))) == words


def test_a_web_page_nested_without_end_is_read(tmp_path):
    for tag in ("<div>", "<table>", "<ul><li>"):
        started = time.process_time()
        assert "deep" in text_of(written(tmp_path / "a.html", "<p>deep</p>" + tag * 20_000 + "bottom"))
        assert time.process_time() - started < 10


# tables


@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".csv", ";"), (".csv", "\t"), (".tsv", "\t")])
def test_separated_values_become_a_table(tmp_path, suffix, separator):
    path = tmp_path / f"a{suffix}"
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=separator).writerows(
            [["名称", "说明"], ["茶", 'a "b"\nc'], ["", ""], ["酒", "x, y; z|"]]
        )
    assert text_of(path) == '| 名称 | 说明 |\n| --- | --- |\n| 茶 | a "b" c |\n| 酒 | x, y; z\\| |'


def test_a_workbook_has_a_page_a_sheet_with_readable_values(tmp_path):
    day, hour = datetime.datetime(2024, 3, 1), datetime.datetime(2024, 3, 1, 9, 30)
    sheets = {
        "价目": [
            ["2024 年价目"],
            [],
            ["名称", "日期", None, "价"],
            ["茶", day, None, 0.1 + 0.2],
            ["酒", hour, None, 3.0],
        ],
        "Empty": [],
        "Flags": [["ok"], [True]],
    }
    first, second = load(xlsx(tmp_path / "a.xlsx", sheets))
    assert (first.number, first.title, second.number, second.title) == (1, "价目", 3, "Flags")
    assert first.text == (
        "# 价目\n\n2024 年价目\n\n| 名称 | 日期 | 价 |\n| --- | --- | --- |\n| 茶 | 2024-03-01 | 0.3 |\n| 酒 | 2024-03-01 09:30:00 | 3 |"
    )
    assert second.text == "# Flags\n\n| ok |\n| --- |\n| TRUE |"


def test_a_cell_far_away_does_not_fill_the_memory(tmp_path):
    from openpyxl import Workbook

    workbook = Workbook()
    workbook.worksheets[0]["A1"], workbook.worksheets[0]["XFD90000"] = "near", "far"
    workbook.save(tmp_path / "a.xlsx")
    assert len(text_of(tmp_path / "a.xlsx")) < 100


def test_a_table_too_wide_and_too_long_is_refused_before_it_is_made():
    rows = ([""] * (number % 3000) + ["x"] + ["y"] * (number % 2) for number in range(7_000))
    with pytest.raises(BadInput, match="characters of text"):
        pipe_table(rows, "a.xlsx")


# slides


def test_slides_keep_titles_tables_and_notes(tmp_path):
    slides = [
        {"title": "天空", "text": "为什么是蓝色？\n因为散射", "table": [["a", "b"], ["1", "2"]], "notes": "说慢一点"},
        {"title": "Second", "text": "more"},
    ]
    assert load(pptx(tmp_path / "a.pptx", slides)) == [
        Page("# 天空\n\n为什么是蓝色？\n因为散射\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n> 说慢一点", 1, "天空"),
        Page("# Second\n\nmore", 2, "Second"),
    ]


# JSON


def test_json_becomes_lines_that_stand_for_themselves(tmp_path):
    value = [
        {"名称": "茶", "规格": {"重": 1.50, "产地": ["云南", "福建"]}, "无": None, "好": True},
        {"步骤": [{"做": "洗"}, {"做": "泡"}]},
    ]
    path = written(tmp_path / "a.json", json.dumps(value).replace("1.5", "1.50"))
    assert text_of(path) == "名称: 茶\n规格.重: 1.50\n规格.产地: 云南; 福建\n好: true\n\n步骤[1].做: 洗\n步骤[2].做: 泡"


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_json_lines_are_one_block_a_line(tmp_path, suffix):
    assert text_of(written(tmp_path / f"a{suffix}", '{"a": 1}\r\n\r\n{"a": "二"}\n')) == "a: 1\n\na: 二"


def test_wrong_json_names_the_line(tmp_path):
    assert "line 2 is wrong" in refused(written(tmp_path / "a.json", '{"a": 1,\n "b" 2}'))
    assert "line 3 is wrong" in refused(written(tmp_path / "a.jsonl", '{"a": 1}\n\n{"b": '))
    assert "nested too deeply" in refused(written(tmp_path / "b.json", "[" * 200_000))


# what is no such document


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_empty_file_is_one_sentence(tmp_path, suffix):
    assert refused(written(tmp_path / f"a{suffix}", b"")) == f"“a{suffix}” is empty."


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        *((".txt", text) for text in (" \n\t ", "\0\0", "\ufeff")),
        *(
            (".html", text)
            for text in ("<p hidden>x</p>", "<script>x</script>", "<html><head><title>T</title></head></html>")
        ),
        *((".csv", ",,\n"), (".json", "{}"), (".jsonl", '{"a": null}'), (".md", "\n")),
    ],
)
def test_a_file_without_text_is_one_sentence(tmp_path, suffix, content):
    assert refused(written(tmp_path / f"a{suffix}", content)) == f"“a{suffix}” holds no text."


def test_office_files_without_text_are_one_sentence(tmp_path):
    for path in (docx(tmp_path / "a.docx", []), xlsx(tmp_path / "a.xlsx", {"S": []}), pptx(tmp_path / "a.pptx", [{}])):
        assert refused(path) == f"“{path.name}” holds no text."


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_of_300_mb_is_refused_without_being_read(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"a{suffix}"
    with path.open("wb") as file:
        file.truncate(300 * 2**20)
    monkeypatch.setattr(Path, "open", lambda *_, **__: pytest.fail("it was opened"))
    assert refused(path) == f"“a{suffix}” has 300 MB, and 200 MB is the most: split it into smaller files."
    assert MOST_BYTES == 200 * 2**20


def test_a_text_beyond_the_limit_is_refused(tmp_path):
    assert "more than 20,000,000 characters" in refused(written(tmp_path / "a.txt", "word " * (MOST_TEXT // 5 + 1)))


def contents(folder: Path) -> dict[str, bytes]:
    """One true file of each kind of content."""
    return {
        "PDF": pdf(folder / "x.pdf", ["text"]).read_bytes(),
        "DOCX": docx(folder / "x.docx", ["text"]).read_bytes(),
        "XLSX": xlsx(folder / "x.xlsx", {"S": [["text"]]}).read_bytes(),
        "PPTX": pptx(folder / "x.pptx", [{"title": "text"}]).read_bytes(),
        "ZIP": zipped(folder / "x.zip", {"a.txt": "text"}).read_bytes(),
        "PNG": PNG,
        "JPEG": b"\xff\xd8\xff\xe0" + bytes(range(256)),
    }


def test_every_wrong_ending_is_one_sentence_that_says_what_it_is(tmp_path):
    for kind, content in contents(tmp_path).items():
        for suffix in SUFFIXES:
            if suffix[1:].upper() != kind:
                sentence = refused(written(tmp_path / f"a{suffix}", content))
                assert " is not a " in sentence and f"its content is {kind}" in sentence


@pytest.mark.parametrize("content", [b"just some words\n" * 20, bytes(range(256)) * 20, b"<html>hi</html>"])
@pytest.mark.parametrize("suffix", [".pdf", ".docx", ".xlsx", ".pptx"])
def test_text_and_noise_are_no_binary_documents(tmp_path, suffix, content):
    assert f"is not a {suffix[1:].upper()} file: its content is something else" in refused(
        written(tmp_path / f"a{suffix}", content)
    )


@pytest.mark.parametrize("content", [bytes(range(256)), b"MZ\x90\0" + b"\0\1\2" * 500, bytes(range(255, 0, -1)) * 50])
@pytest.mark.parametrize("suffix", [".txt", ".md", ".csv", ".html", ".json"])
def test_noise_is_no_text(tmp_path, suffix, content):
    assert "is not a text file: its bytes are no text" in refused(written(tmp_path / f"a{suffix}", content))


def test_old_and_unknown_kinds_say_what_can_be_read(tmp_path):
    assert "save it as .docx" in refused(written(tmp_path / "a.doc", b"x"))
    sentence = refused(written(tmp_path / "a.exe", b"x"))
    assert all(suffix in sentence for suffix in SUFFIXES)
    old = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600
    assert "old Office format" in refused(written(tmp_path / "a.docx", old))
    assert "protected by a password" in refused(
        written(tmp_path / "b.docx", old + "EncryptedPackage".encode("utf-16-le"))
    )


def test_a_missing_file_and_a_folder_are_one_sentence(tmp_path):
    (tmp_path / "folder.txt").mkdir()
    assert "There is no file" in refused(tmp_path / "none.txt") and "There is no file" in refused(
        tmp_path / "folder.txt"
    )


def test_the_shown_name_is_used_instead_of_the_path(tmp_path):
    path = written(tmp_path / "0001.bin", "hello")
    assert load(path, "说明.txt") == [Page("hello")] and "0001" not in refused(path, "说明.pdf")


@pytest.mark.parametrize("kind", ["DOCX", "XLSX", "PPTX"])
def test_a_broken_office_file_is_one_sentence(tmp_path, kind):
    content = contents(tmp_path)[kind]
    path = tmp_path / f"a.{kind.lower()}"
    assert "its content is ZIP" in refused(written(path, content[: len(content) // 2]))
    for place in range(0, len(content), len(content) // 40):
        spoilt = content[:place] + b"\xff\0\xff" + content[place + 3 :]
        try:
            assert load(written(path, spoilt))
        except BadInput as error:
            assert path.name in str(error)


ENTITIES = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
LAUGHS = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "laugh">{ENTITIES}]>'


@pytest.mark.parametrize(
    ("kind", "member"),
    [
        ("docx", "word/document.xml"),
        ("docx", "[Content_Types].xml"),
        ("xlsx", "xl/worksheets/sheet1.xml"),
        ("pptx", "ppt/slides/slide1.xml"),
    ],
)
def test_a_billion_laughs_are_refused(tmp_path, kind, member):
    contents(tmp_path)
    whole = tmp_path / f"x.{kind}"
    with zipfile.ZipFile(whole) as package:
        body = re.sub(r"^<\?xml.*?\?>", "", package.read(member).decode(), flags=re.DOTALL).replace("text", "&a9;")
    for encoding in ("utf-8", "utf-16"):
        path = replaced(whole, tmp_path / f"a.{kind}", member, (LAUGHS + body).encode(encoding))
        assert "declares XML entities" in refused(path)


def test_a_billion_laughs_in_a_web_page_stay_small(tmp_path):
    assert len(text_of(written(tmp_path / "a.html", f"{LAUGHS}<p>&a9;</p>"))) < 5000


@pytest.mark.parametrize("kind", ["docx", "xlsx", "pptx"])
def test_an_office_file_that_is_a_zip_bomb_is_refused_unread(tmp_path, kind):
    contents(tmp_path)
    path = tmp_path / f"x.{kind}"
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as package, package.open("media/zeros.bin", "w") as file:
        for _ in range(60):
            file.write(bytes(2**20))
    assert "would unpack to far more" in refused(path)
