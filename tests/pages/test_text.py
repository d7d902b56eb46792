"""What models write cannot make a browser fetch or follow anything, and stays readable."""

import pytest

from pages.shared.labels import literal
from pages.shared.text import harmless


@pytest.mark.parametrize(
    "text",
    [
        "![x](http://evil.example/p.png)",
        "![x][ref]\n\n[ref]: http://evil.example/p.png",
        "[click](javascript:alert(1))",
        "<http://evil.example>",
        "see http://evil.example/a and www.evil.example",
        "[a] (http://evil.example)",
        "![a\nb](http://evil.example)",
        "`code` ![x](https://evil.example)",
        "![x](//evil.example/p.png)",
        r"\![x\](//evil.example/p.png)",
        "![x](&#104;ttp&colon;//evil.example)",
    ],
)
def test_pictures_and_links_are_defused(text):
    assert not _fetched_or_linked(harmless(text))
    assert "http://" not in harmless(text) and "https://" not in harmless(text)


@pytest.mark.parametrize(
    "before",
    [
        r"\`",
        "a ~~~ ",
        "```\ncode ``` code\n```\n",
        "<div>\n```\n\n",
        "$ ` $",
        "> ~~~\n",
        "``` `\n",
        "1. ```\n",
        "```\na\n````\n",
    ],
)
@pytest.mark.parametrize(
    "attack",
    [
        "![x](//evil.example/y)",
        r"![x](/\evil.example/y)",
        "![x](\n //evil.example/y)",
        "![x](<//evil.example/y>)",
        "![x](&sol;/evil.example/y)",
        "![x]\n\n[x]: //evil.example/y\n",
        "![x]\n\n> [x]:\n//evil.example/y\n",
        "![x\\]]\n\n[x\\]]: //evil.example/y\n",
    ],
)
def test_what_only_seems_to_be_code_is_defused(before, attack):
    assert not _fetched_or_linked(harmless(before + attack + "` ``` ~~~"))
    assert not _fetched_or_linked(harmless(before + attack + "\n```\n"))


def _fetched_or_linked(text):
    from html.parser import HTMLParser

    from markdown_it import MarkdownIt

    found = []

    class Finder(HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag in ("a", "img"):
                found.append((tag, attrs))

    Finder().feed(MarkdownIt("commonmark").render(text))
    return found


@pytest.mark.parametrize("code", ["a = b[i](x)\nc = d['e']['f']", "for x in [1, 2]:\n    print(x)", "curl http://a/b"])
def test_code_stays_as_it_is(code):
    for words in (f"```python\n{code}\n```", f"Look:\n\n~~~\n{code}\n~~~".replace("Look:\n\n", "")):
        assert harmless(words) == words
    assert harmless("use `d['e']['f']` here") == "use `d['e']['f']` here"


def test_a_link_in_code_looks_as_it_was():
    for words in ("```python\nprint('![x](http://a)')\n```", "use `[a](http://b)` here"):
        assert harmless(words) != words and harmless(words).replace("\u200b", "") == words


@pytest.mark.parametrize("text", ["plain words", "**bold** and *it*", "你好，世界", "a ] b [ c", "x < y"])
def test_other_text_stays_as_it_is(text):
    assert harmless(text) == text


def test_lines_stay_lines():
    assert harmless("roses are red\nviolets are blue") == "roses are red  \nviolets are blue"


@pytest.mark.parametrize("text", ["http://evil.example/x", "WWW.evil.example", "[a](https://b)"])
def test_labels_hold_no_link(text):
    assert "://" not in literal(text).replace(":\u200b", "")
    assert "\u200b" in literal(text)
