"""Ideas put into the words that the starter picture model learnt: Chinese ones into English, and either into a caption.

Word by word and by longest match; nothing here understands a sentence, so the person is shown what became of each word.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from engine.diffusion.emoji import STYLES
from engine.diffusion.noun_names import by_chinese, by_english

HAN = "\u3400-\u9fff"
_COLOURS = {
    "红": "red", "橙": "orange", "黄": "yellow", "绿": "green", "蓝": "blue", "紫": "purple", "粉": "pink", "棕": "brown",
    "黑": "black", "白": "white", "灰": "grey", "金": "golden", "银": "silver", "彩": "colourful",
}  # fmt: skip
_QUALITIES = {
    "可爱": "cute", "漂亮": "beautiful", "美丽": "beautiful", "好看": "beautiful", "快乐": "happy", "开心": "happy", "高兴": "happy",
    "悲伤": "sad", "生气": "angry", "巨大": "huge", "大": "big", "小": "small", "老": "old", "古老": "old", "旧": "old", "新": "new",
    "胖": "fat", "瘦": "thin", "高": "tall", "长": "long", "圆": "round", "毛茸茸": "fluffy", "闪亮": "shiny", "发光": "glowing",
    "冰冷": "cold", "热": "hot", "甜": "sweet", "睡觉": "sleeping", "睡着": "sleeping", "奔跑": "running", "跑步": "running",
    "飞翔": "flying", "飞行": "flying", "飞": "flying", "跳舞": "dancing", "微笑": "smiling", "两": "two", "三": "three", "许多": "many",
    "很多": "many",
}  # fmt: skip
_RELATIONS = {
    "戴着": "wearing", "戴": "wearing", "穿着": "wearing", "穿": "wearing", "拿着": "holding", "抱着": "holding", "吃着": "eating", "吃": "eating",
    "骑着": "riding", "骑": "riding", "坐在": "sitting on", "站在": "standing on", "躺在": "lying on", "看着": "looking at", "看": "looking at",
    "喝着": "drinking", "喝": "drinking", "弹着": "playing", "弹": "playing", "在": "in", "和": "and", "与": "and", "跟": "and", "带着": "with",
}  # fmt: skip
_PLACES = {
    "上面": "on",
    "上": "on",
    "下面": "under",
    "下": "under",
    "旁边": "beside",
    "里面": "in",
    "里": "in",
    "中": "in",
}
_MANNERS = {
    "水彩": "watercolor", "油画": "oil painting", "卡通": "cartoon", "动漫": "anime", "像素": "pixel art", "写实": "realistic", "素描": "sketch",
    "夜晚": "at night", "晚上": "at night", "早晨": "in the morning", "春天": "spring", "夏天": "summer", "秋天": "autumn", "冬天": "winter",
}  # fmt: skip
_MEASURES = "[个只朵条张幅匹辆艘架棵颗座把顶件双位名块杯碗片头台株]"
_SAYS_NOTHING = re.compile(
    rf"一{_MEASURES}?|(?<=[两三几]){_MEASURES}|请|帮我|给我|我想要?|我要|画出?|想要|风格|样式|图片|照片|图像?|非常|很|正在?|有|是|了|着|地|得|那种|这种|吧|呢|啊"
)
_PIECES = re.compile(rf"[{HAN}]+|[A-Za-z0-9][\w'’-]*|[^\s\w]")
_STYLE_WORDS = {style.chinese: style.name for style in STYLES}
_FREE_STYLE_WORDS = {"立体": "3d", "扁平": "flat", "诺托": "noto"}
_SETS_OFF = re.compile(r"[,.;:，。；：、!?！？]")


class Word(NamedTuple):
    """A piece of an idea and what it is."""

    text: str
    english: str
    kind: str
    """`noun`, `quality`, `relation`, `place`, `manner`, `style`, `latin`, `of`, `pause`, `nothing` or `unknown`."""


@dataclass(frozen=True)
class Mapped:
    """What became of a Chinese idea."""

    english: str
    mapping: list[tuple[str, str]]
    """Each Chinese word that was understood, and its English."""
    unknown: list[str]
    """What was not understood, and is left out."""


def has_chinese(text: str) -> bool:
    """Whether a text has Chinese characters."""
    return bool(re.search(f"[{HAN}]", text))


def map_chinese(idea: str, captions: bool = False) -> Mapped:
    """A Chinese idea in English words.

    Args:
        idea: as it was typed; English words in it stay.
        captions: for the starter picture model, whose styles have names of their own.
    """
    words = _words(idea, _STYLE_WORDS if captions else _FREE_STYLE_WORDS)
    clauses: list[list[Word]] = [[]]
    for word in words:
        clauses[-1].append(word) if word.kind != "pause" else clauses.append([])
    phrases = [phrase for clause in clauses if (phrase := _phrase(clause))]
    ends = [word.english for word in words if word.kind in ("manner", "style")]
    english = ", ".join(dict.fromkeys([*phrases, *ends]))
    # a noun that lost its own colour to another one is shown without it
    mapping = [
        (word.text, word.english if word.english in english else word.english.split(" ")[-1])
        for word in words
        if word.english
        and word.kind != "latin"
        and (word.kind not in ("relation", "place") or f" {word.english} " in f" {english} ")
    ]
    return Mapped(english, mapping, [word.text for word in words if word.kind == "unknown"])


def nouns_in(text: str) -> list[str]:
    """The nouns of the starter picture model that an English text names, in its order."""
    found = [word.english for word in _english(text) if word.kind == "noun"]
    return list(dict.fromkeys(found))


def caption(text: str, style: str | None = None) -> str:
    """An English text as a caption that the starter picture model knows: `big cat, crown, noto`; empty if it names no noun.

    Args:
        text: what to draw, in free words.
        style: taken unless the text says one.
    """
    phrases, before = [], []
    for word in _english(text):
        if word.kind == "quality":
            before.append(word.english)
        elif word.kind == "noun":
            phrases.append(_coloured(before, word.english))
            before = []
        elif word.kind != "nothing":
            before = []
    if not phrases:
        return ""
    said = style_in(text) or style
    return ", ".join([*dict.fromkeys(phrases), *([said] if said else [])])


def style_in(text: str) -> str | None:
    """The starter's style that a text names."""
    words = f" {' '.join(_plain(text))} "
    by_word = [*((style.name, style.name) for style in STYLES), ("3d", STYLES[0].name), ("flat", STYLES[2].name)]
    return next((name for word, name in by_word if f" {word} " in words), None)


def _words(idea: str, styles: dict[str, str]) -> list[Word]:
    words: list[Word] = []
    for piece in _PIECES.findall(idea):
        if _SETS_OFF.match(piece):
            words.append(Word(piece, "", "pause"))
        elif has_chinese(piece):
            words += _chinese_words(piece, styles)
        elif piece[0].isalnum():
            words.append(Word(piece, piece, "latin"))
    return words


def _chinese_words(run: str, styles: dict[str, str]) -> list[Word]:
    """Longest match first; neighbouring characters that nothing matches are one unknown word."""
    known = _lexicon()
    words: list[Word] = []
    at = 0
    while at < len(run):
        longest = next((n for n in range(min(8, len(run) - at), 0, -1) if run[at : at + n] in known), 0)
        style = next((word for word in styles if run.startswith(word, at)), None)
        says_nothing = _SAYS_NOTHING.match(run, at)
        if style and len(style) >= longest:
            words.append(Word(style, styles[style], "style"))
        elif longest and not (says_nothing and len(says_nothing.group()) >= longest):
            text = run[at : at + longest]
            words.append(Word(text, *known[text]))
        elif says_nothing:
            words.append(Word(says_nothing.group(), "", "nothing"))
        elif words and words[-1].kind == "unknown" and at > 0:
            words[-1] = Word(words[-1].text + run[at], "", "unknown")
            at += 1
            continue
        else:
            words.append(Word(run[at], "", "unknown"))
        at += len(words[-1].text)
    return words


@cache
def _lexicon() -> dict[str, tuple[str, str]]:
    """English and kind of each Chinese word. What says how something is goes before the noun of the same word."""
    found = {word: (name, "noun") for word, name in by_chinese().items()}
    found |= {word: (english, "manner") for word, english in _MANNERS.items()}
    found |= {word: (english, "place") for word, english in _PLACES.items()}
    found |= {word: (english, "relation") for word, english in _RELATIONS.items()}
    found |= {word: (english, "quality") for word, english in _QUALITIES.items()}
    for colour, english in _COLOURS.items():
        found |= {colour: (english, "quality"), f"{colour}色": (english, "quality")}
    return found | {"的": ("", "of")}


def _phrase(clause: list[Word]) -> str:
    """One clause in English order: what stands before 的 and has a noun of its own goes behind the noun it describes."""
    parts: list[list[Word]] = [[]]
    for word in clause:
        parts[-1].append(word) if word.kind != "of" else parts.append([])
    head = parts.pop()
    behind: list[Word] = []
    for part in reversed(parts):
        if any(word.kind == "noun" for word in part) and any(word.kind == "noun" for word in head):
            behind += part
        else:
            head = part + head
    return " ".join(_spoken(_placed(head + behind)))


def _placed(words: list[Word]) -> list[Word]:
    """“In … on” (在…上) becomes “on …”."""
    placed = list(words)
    for number, word in enumerate(placed):
        if word.kind != "place":
            continue
        before = [n for n in range(number) if placed[n].text == "在"]
        if before:
            placed[before[-1]] = Word("在", word.english, "relation")
    return [word for word in placed if word.kind != "place"]


def _spoken(words: list[Word]) -> list[str]:
    """Phrases in their order; a relation to something unknown is left out."""
    said: list[str] = []
    before: list[str] = []
    relation: list[str] = []
    for word in words:
        if word.kind == "quality":
            before.append(word.english)
        elif word.kind == "relation":
            relation = [word.english] if said else []
        elif word.kind in ("noun", "latin"):
            said += [*relation, _coloured(before, word.english)]
            before, relation = [], []
    return [*said, *before]


def _coloured(qualities: list[str], noun: str) -> str:
    """A noun with what was said of it; another colour takes the place of the one in its name (`green apple`)."""
    colours = set(_COLOURS.values())
    said = [quality for quality in dict.fromkeys(qualities) if quality not in noun.split()]
    first, _, rest = noun.partition(" ")
    if first in colours and rest and colours & set(said):
        noun = rest
    return " ".join([*said, noun])


def _english(text: str) -> list[Word]:
    """Nouns and qualities of an English text; everything else is a pause, articles are nothing."""
    names = by_english()
    qualities = {*_QUALITIES.values(), *_COLOURS.values()}
    tokens = _plain(text)
    words: list[Word] = []
    at = 0
    while at < len(tokens):
        for length in range(min(5, len(tokens) - at), 0, -1):
            said = " ".join(tokens[at : at + length])
            noun = next((names[form] for form in _forms(said) if form in names), None)
            if noun and not (length == 1 and said in qualities):
                words.append(Word(said, noun, "noun"))
                at += length
                break
        else:
            kind = "quality" if tokens[at] in qualities else "nothing" if tokens[at] in ("a", "an", "the") else "pause"
            words.append(Word(tokens[at], tokens[at], kind))
            at += 1
    return words


def _plain(text: str) -> list[str]:
    return re.findall(r"[a-z0-9][\w'-]*|,", text.lower().replace("’", "'"))


def _forms(said: str) -> list[str]:
    """A word as it stands, and as its plural may have been made."""
    forms = [said]
    if said.endswith("ies"):
        forms.append(said[:-3] + "y")
    if said.endswith("es"):
        forms.append(said[:-2])
    if said.endswith("s") and len(said) > 3:
        forms.append(said[:-1])
    return forms
