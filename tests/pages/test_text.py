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
    ],
)
def test_pictures_and_links_are_defused(text):
    from html.parser import HTMLParser

    from markdown_it import MarkdownIt

    found = []

    class Finder(HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag in ("a", "img"):
                found.append((tag, attrs))

    Finder().feed(MarkdownIt("commonmark").render(harmless(text)))
    assert not found
    assert "http://" not in harmless(text) and "https://" not in harmless(text)


def test_code_stays_as_it_is():
    code = "```python\nprint('![x](http://a)')\n```"
    assert harmless(code) == code
    assert harmless("use `[a](http://b)` here") == "use `[a](http://b)` here"


@pytest.mark.parametrize("text", ["plain words", "**bold** and *it*", "你好，世界", "a ] b [ c", "x < y"])
def test_other_text_stays_as_it_is(text):
    assert harmless(text) == text


def test_lines_stay_lines():
    assert harmless("roses are red\nviolets are blue") == "roses are red  \nviolets are blue"


@pytest.mark.parametrize("text", ["http://evil.example/x", "WWW.evil.example", "[a](https://b)"])
def test_labels_hold_no_link(text):
    assert "://" not in literal(text).replace(":\u200b", "")
    assert "\u200b" in literal(text)
