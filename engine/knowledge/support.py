"""Whether a sentence says what a passage says, told from words, numbers and negations alone; no model is asked.

This finds what was invented or changed: words, names and numbers that the passage does not have, a number with another one's
unit, a "not" too many or too few. It does not understand: words of one passage put together to a new meaning pass.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property

from engine.knowledge.markers import without_markers
from engine.knowledge.sentences import sentences
from engine.knowledge.terms import terms

ENOUGH, ENOUGH_CHINESE = 0.7, 0.6
"""Share of a sentence's words that its passages must have, so that of three words all are there and of four three. In Chinese,
where a changed character changes two pairs, less."""

_CJK = "\u3400-\u9fff\U00020000-\U0003ffff"
_IS_CJK = re.compile(f"[{_CJK}]")
_BULLET = re.compile(r"(?m)^[\s>#|]*(?:\d{1,3}[.)、]|[-*+•])\s+")
_FUNCTION = re.compile(
    "[的了是在和与及也都就而并被把其该这那之所由于为或等要个只您我你它他她们]|可以|因此|根据|以及|通过|进行|能够|需要"
)
"""Chinese words that only join: a pair of characters across them would be new in every rewording."""

_NEAR = 0.25
"""Share of a sentence's words that another one must have to speak of the same."""

_LEAST_FORM, _MOST_ENDING = 5, 3
_WEAK_WORDS = (
    "never cannot without neither nor none should must may might shall just very more most only really actually"
)
_WEAK = frozenset(_WEAK_WORDS.split())
"""Words that rewording adds; a "not" is looked at on its own."""

_FRAMING_WORDS = (
    "accord according answer available base below certain certainly contain context describe detail document file find "
    "follow following found further give given here however include information know knowledge mention passage provide "
    "provided question refer sorry source state stated sure text therefore thus also additionally overall note "
    "回答 答案 问题 资料 文档 段落 以下 如下 内容 信息 提供 文中 上述 提到 知道 来源 参考 总结 没有 无法 抱歉"
)
"""Words that speak of the answer and say nothing themselves."""

_VERDICT = re.compile(r"\W*(?:yes|no|true|false|correct|是的?|不是|对|不对|否|能|不能|可以|不可以)\W*", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_UNIT = re.compile(rf"[\s\-–]*(?:([a-z%°]+)|([{_CJK}]))")
_SMALL = "two three four five six seven eight nine ten eleven twelve"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS: dict[str, int] = {
    **{word: value for value, word in enumerate(_SMALL.split(), 2)},
    **{word: value * 10 for value, word in enumerate(_TENS.split(), 2)},
}
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b")
_YEAR = re.compile(r"1[0-9]{3}|20[0-9]{2}")
_NAMED = re.compile(r"\b([a-z]{2,})[\s-](\d+)\b(?![.,]\d)")
_CHINESE_NUMBER = re.compile(
    "[零〇一二两三四五六七八九十百千万亿]*[〇二两三四五六七八九百亿][零〇一二两三四五六七八九十百千万亿]*"
)
_DIGITS = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_POWERS = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8}
_NOT = re.compile(
    r"\b(?:not|no|never|cannot|without|neither|nor|none)\b|不(?![仅但同断锈过少])|没|未(?!来)|无(?![线人论])|勿|并非|禁止|严禁"
)
_NAME = re.compile(r"(?<=[a-z0-9,;)\]] )[A-Z][\w-]*[a-z0-9]|\b[A-Z]{2,}\b")
_SHORTENED = re.compile(r"(?<=ca)n['’]t\b|n['’]t\b")
_CLAUSES = re.compile(r"[,;:，；：、。.!?！？]\s*|\bbut\b|但")


@dataclass(frozen=True)
class Claim:
    """What a sentence says, taken apart."""

    text: str
    """Without marks and bullets, in one width and in lower case."""
    names: frozenset[str] = frozenset()
    """Words written with a capital within it."""

    @cached_property
    def words(self) -> frozenset[str]:
        """Its words' stems; in Chinese, pairs of characters."""
        return _words(self.text)

    @cached_property
    def numbers(self) -> frozenset[tuple[str, str]]:
        """Its numbers, each with the word after it."""
        return _numbers(self.text)

    @cached_property
    def named(self) -> frozenset[tuple[str, str]]:
        """Words with the number after them, as in `zorvex 9`."""
        return frozenset((word, number) for word, number in _NAMED.findall(self.text))

    @property
    def verdict(self) -> bool:
        """Whether it is a bare yes or no."""
        return bool(_VERDICT.fullmatch(self.text))

    @property
    def empty(self) -> bool:
        """Whether it says nothing that a passage could have."""
        return not self.words and not self.numbers

    @property
    def enough(self) -> float:
        """The share of its words that is enough."""
        return ENOUGH_CHINESE if _IS_CJK.search(self.text) else ENOUGH

    @property
    def negated(self) -> bool:
        """Whether something is denied in it."""
        return bool(_NOT.search(self.text))


class Source:
    """A passage, taken apart once for all the sentences that are compared with it.

    Args:
        text: the passage.
        names: what it is called (document, headings): a sentence may say these too.
    """

    def __init__(self, text: str, names: str = ""):
        self.text = text
        self.sentences = [(each, claim(each)) for each in sentences(text)]
        whole = claim(f"{text}\n{names}")
        self.words, self.named = whole.words, whole.named
        parts = (claim(part) for own, _ in self.sentences for part in _CLAUSES.split(own) if part.strip())
        self.clauses = [part for part in parts if not part.empty]

    def share(self, said: Claim) -> float:
        """The share of a sentence's words that the passage has; 0 if the sentence has none."""
        return len(_found(said.words, self.words)) / len(said.words) if said.words else float(bool(said.numbers))

    def best(self, said: Claim) -> tuple[str, float]:
        """The passage's own sentence that says most of it, and the share of words it has; the first of equals."""
        if not self.sentences:
            return self.text, 0.0
        shares = [_overlap(said, own) for _, own in self.sentences]
        place = max(range(len(shares)), key=shares.__getitem__)
        return self.sentences[place][0].strip(), shares[place]


def claim(sentence: str) -> Claim:
    """A sentence as something to be supported."""
    plain = unicodedata.normalize("NFKC", _BULLET.sub("", without_markers(sentence))).strip()
    plain = _SHORTENED.sub(" not", plain)
    return Claim(plain.lower(), _names(plain))


def supported(said: Claim, sources: Iterable[Source]) -> float:
    """How well passages together support a sentence: the share of its words they have; 0 if they do not.

    They don't if that is not enough; if one of its names or numbers is in none of them, or the number stands there for something
    else; if the sentence denies what they say, or the other way round.
    """
    sources = list(sources)
    if said.empty or said.verdict or not sources:
        return 0.0
    known = frozenset[str]().union(*(source.words for source in sources))
    share = len(_found(said.words, known)) / len(said.words) if said.words else 1.0
    if share < said.enough or not said.names <= known:
        return 0.0
    return share if _numbers_hold(said, sources) and _negation_holds(said, sources) else 0.0


def _found(words: frozenset[str], known: frozenset[str]) -> frozenset[str]:
    """The words that are known, or of which a longer or shorter form is: weigh, weight."""
    missing = [word for word in words - known if len(word) >= _LEAST_FORM and word.isascii()]
    forms = {
        word
        for word in missing
        if any(
            len(other) >= _LEAST_FORM
            and abs(len(other) - len(word)) <= _MOST_ENDING
            and (other.startswith(word) or word.startswith(other))
            for other in known
        )
    }
    return (words & known) | forms


@cache
def _framing() -> frozenset[str]:
    return frozenset(map(_stem, _FRAMING_WORDS.split()))


def _overlap(said: Claim, own: Claim) -> float:
    """How much of a sentence another one says; its numbers count as much as its words."""
    wanted = len(said.words) + len(said.numbers)
    return _shared(said, own) / wanted if wanted else 0.0


def _words(text: str) -> frozenset[str]:
    found = (_stem(term) for term in terms(_FUNCTION.sub(" ", _CHINESE_NUMBER.sub(" ", text))))
    return frozenset(
        word
        for word in found
        if word not in _framing()
        and word not in _WEAK
        and not word.isdecimal()
        and not (len(word) == 1 and _IS_CJK.match(word))
    )


def _names(text: str) -> frozenset[str]:
    """None in a headline, where capitals mean nothing."""
    words = re.findall(r"[^\W\d_]+", text)
    if sum(word[0].isupper() for word in words) > len(words) / 2:
        return frozenset()
    return frozenset().union(*(_words(name.lower()) for name in _NAME.findall(text)))


def _stem(word: str) -> str:
    """Without the endings that rewording changes: lasted, lasting → last."""
    if not word.isascii():
        return word
    for ending in ("ing", "ed", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def _numbers(text: str) -> frozenset[tuple[str, str]]:
    found = [(_plain(each.group()), _unit(text, each.end())) for each in _NUMBER.finditer(text)]
    found += [(str(_WORDS[each.group()]), _unit(text, each.end())) for each in _NUMBER_WORD.finditer(text)]
    found += [(_chinese(each.group()), _unit(text, each.end())) for each in _CHINESE_NUMBER.finditer(text)]
    return frozenset(found)


def _unit(text: str, place: int) -> str:
    """The word right after a number, or the Chinese character."""
    found = _UNIT.match(text, place)
    if not found:
        return ""
    word, sign = found.groups()
    return sign or next(iter(terms(word)), "" if word.isalpha() else word)


def _plain(number: str) -> str:
    """`1,000` and `1000`, `9.0` and `9` are the same."""
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", number):
        number = number.replace(",", "")
    whole, dot, rest = number.partition(".")
    rest = rest.rstrip("0")
    return (whole.lstrip("0") or "0") + (dot + rest if rest else "")


def _chinese(number: str) -> str:
    """`二十四` → 24; a year such as `二〇二四` is read sign by sign."""
    if not any(sign in _POWERS for sign in number):
        return "".join(str(_DIGITS[sign]) for sign in number)
    total = part = digit = 0
    for sign in number:
        power = _POWERS.get(sign)
        if power is None:
            digit = _DIGITS[sign]
        elif power < 10**4:
            part, digit = part + (digit or 1) * power, 0
        else:
            total, part, digit = (total + part + digit) * power, 0, 0
    return str(total + part + digit)


def _numbers_hold(said: Claim, sources: list[Source]) -> bool:
    """Each number must stand in a sentence that speaks of the same, with the same unit; or follow the same name somewhere."""
    own = [each for source in sources for _, each in source.sentences]
    near = [each for each in own if not each.words or len(said.words & each.words) >= _NEAR * len(said.words)]
    units: dict[str, set[str]] = defaultdict(set)
    for value, unit in (number for each in near for number in each.numbers):
        units[value].add(unit)
    named = frozenset[tuple[str, str]]().union(*(source.named for source in sources))
    unnamed = said.numbers if not said.named else frozenset(_numbers(_NAMED.sub(_unless(named), said.text)))
    others = frozenset[str]().union(*units.values())
    return all(
        value in units
        and (
            not unit
            or unit in units[value]
            or (unit not in others and (_YEAR.fullmatch(value) or any(each in said.text for each in units[value])))
        )
        for value, unit in unnamed
    )


def _unless(known: frozenset[tuple[str, str]]) -> Callable[[re.Match[str]], str]:
    """Takes names with a number, such as `zorvex 9`, out of a text if they are known."""
    return lambda each: " " if (each[1], each[2]) in known else each.group()


def _negation_holds(said: Claim, sources: list[Source]) -> bool:
    """Compared with the part of a sentence that says most of it; where nothing says much of it, there is nothing to deny."""
    parts = [part for source in sources for part in source.clauses]
    wholes = [own for source in sources for _, own in source.sentences]
    if said.negated:
        near = max([*parts, *wholes], key=lambda part: (_overlap(said, part), part.negated), default=None)
        denied = (own for own in [*wholes, *parts] if own.negated)
        return near is None or near.negated or any(_overlap(said, own) >= said.enough for own in denied)
    # a short part such as "never use alcohol" is denied by a long sentence too
    denying = max((_shared(said, part) for part in parts if part.negated and _alike(said, part)), default=0)
    return not denying or any(_shared(said, part) >= denying for part in parts if not part.negated)


def _shared(said: Claim, own: Claim) -> int:
    return len(said.words & own.words) + len(said.numbers & own.numbers)


def _alike(said: Claim, own: Claim) -> bool:
    """Whether one of the two says most of the other; a single word is no more than its subject."""
    fewer = min(len(said.words) + len(said.numbers), len(own.words) + len(own.numbers))
    return _shared(said, own) >= said.enough * fewer and _shared(said, own) >= min(2, len(said.words))
