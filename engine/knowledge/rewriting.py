"""Follow-up questions made to stand alone, so that "And how long does it last?" finds what it is about.

The chat model is asked, but not trusted: what it writes must keep the question's own words and may add none that were not said
before. Otherwise the question is looked up together with the earlier one that it follows.
"""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from engine.knowledge.sentences import sentences
from engine.knowledge.terms import ASKING, is_chinese, question_terms, terms

if TYPE_CHECKING:
    from engine.chat.turns import Speaker

_MOST = 300
_LONGEST = 3
"""A rewriting is at most so many times as long as the question and the one before it."""
_SECONDS = 30.0
_TOKENS = 64
_TURNS = 4

_POINTING = re.compile(
    r"\b(?:it|its|they|them|their|theirs|he|him|his|she|her|hers|this|these|those)\b"
    r"|\b(?:is|was|does|did|do|about|of|for|with|like|why|how|to)\s+that\b"
    r"|[它他她]们?|这|那|其[中他]?|该|此|上述|前者|后者|两者",
    re.IGNORECASE,
)
_CONTINUING = re.compile(
    r"^\W*(?:and|but|so|or|also|then|what about|how about|why not|what else|anything else|more)\b|^\W*(?:那么|那|还有|另外|然后|而且|但是|可是)"
    r"|呢\W*$",
    re.IGNORECASE,
)
_ASKING = re.compile(
    r"[?？]\s*$|^\W*(?:who|what|when|where|which|why|how|is|are|was|were|do|does|did|can|could|will|would|should|has|have|tell|give|list|describe|explain|name)\b"
    r"|什么|怎么|怎样|如何|为何|哪|多少|几|谁|吗|呢|是否|请",
    re.IGNORECASE,
)
_MEASURE_WORDS = "again big deep else expensive far fast heavy high large late long many more much often old should small soon tall wide"
_MEASURES = frozenset(_MEASURE_WORDS.split())
_MEASURES_CHINESE = re.compile("多[久长重高大远快贵]|[能会可以要需有大概用的是了]")
_FEW_CHINESE, _MANY = 3, 3
_INSTRUCTIONS = {
    False: (
        "Rewrite the last question so that it can be understood without the conversation: put names in the place of words "
        "such as “it”. Write the question alone, do not answer it."
    ),
    True: "改写最后一个问题，使它不看对话也能明白：把“它”之类的词换成所指的名称。只写改写后的问题，不要回答。",
}


def standalone(question: str, history: Sequence[dict[str, str]], speaker: "Speaker") -> str:
    """The question as it can be looked up.

    Args:
        question: as it was asked.
        history: what was said before, `{"role", "content"}` each.
        speaker: who rewrites it.

    Returns:
        The question itself if it stands alone or nothing was asked before it.
    """
    fallback = combined(question, history)
    if fallback == question:
        return question
    written = _rewritten(question, history, speaker)
    return written if good(written, question, history) else fallback


def is_follow_up(question: str) -> bool:
    """Whether a question cannot be understood alone: it points at something, goes on from something, or names nothing."""
    if _CONTINUING.search(question) or len(_own_words(question)) <= (_FEW_CHINESE if is_chinese(question) else 0):
        return True
    pointing = _POINTING.search(question)
    # with some things named before it, a pronoun most likely means one of these
    return bool(pointing) and len(_own_words(question[: pointing.start()])) < _MANY


def combined(question: str, history: Sequence[dict[str, str]]) -> str:
    """A follow-up together with the last question before it that stands alone (or the very first); others as they are."""
    asked = [turn["content"].strip() for turn in history if turn["role"] == "user" and turn["content"].strip()]
    if not asked or not is_follow_up(question):
        return question
    anchor = next((earlier for earlier in asked[::-1] if not is_follow_up(earlier)), asked[0])
    return question if anchor == question else f"{anchor[-_MOST:]} {question}"


def bears_on(question: str, texts: Iterable[str]) -> bool:
    """Whether texts found for a follow-up and the question before it may answer the follow-up: they have a word of its own.

    One that names few things (`How heavy is it?`) may be answered by any.
    """
    own = {word for word in _own_words(question) if len(word) > 1}
    return len(own) < _MANY or any(own & set(terms(text)) for text in texts)


def good(written: str, question: str, history: Sequence[dict[str, str]]) -> bool:
    """Whether a rewriting can be relied on: a question, short, with all that was asked and nothing that nobody said."""
    before = " ".join(turn["content"] for turn in history)
    asked = next((turn["content"] for turn in reversed(history) if turn["role"] == "user"), "")
    if not written or len(written) > min(_MOST, _LONGEST * (len(question) + len(asked))) or "\n" in written:
        return False
    if not _ASKING.search(written) or len(sentences(written)) > 1 or is_chinese(written) != is_chinese(question):
        return False
    words = set(terms(written))
    return _own_words(question) <= words <= set(terms(f"{before} {question}")) | _asking_words(written)


def _rewritten(question: str, history: Sequence[dict[str, str]], speaker: "Speaker") -> str:
    """What the model makes of it; empty if it fails, as nobody's question should."""
    from engine.models.request import Sampling

    chinese = is_chinese(question)
    names = ("用户", "助手") if chinese else ("User", "Assistant")
    lines = [
        f"{names[turn['role'] != 'user']}: {' '.join(turn['content'].split())[:_MOST]}"
        for turn in history[-_TURNS:]
        if turn["content"].strip()
    ]
    prompt = "\n".join([_INSTRUCTIONS[chinese], "", *lines, f"{names[0]}: {question}"])
    sampling = Sampling(max_new_tokens=_TOKENS, temperature=0)
    stream = None
    try:
        stream = speaker.backend().stream([{"role": "user", "content": prompt}], sampling, speaker.adapter)
        text = stream.wait(_SECONDS).text
    except Exception:  # whatever it is, the answer itself will say it
        return ""
    finally:
        if stream is not None:
            stream.cancel()
    return text.strip().strip("\"“”'")


def _own_words(question: str) -> set[str]:
    """What a question is about, without the words that only ask, point, measure or go on."""
    bare = _MEASURES_CHINESE.sub(" ", _CONTINUING.sub(" ", _POINTING.sub(" ", question)))
    return set(terms(ASKING.sub(" ", bare))) - _MEASURES


def _asking_words(written: str) -> set[str]:
    """Words of a question that are not about anything: a rewriting may add these."""
    return set(terms(written)) - set(question_terms(written))
