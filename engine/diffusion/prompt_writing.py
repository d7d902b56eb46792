"""A short idea becomes a picture prompt, written by the chat model and checked by program.

The model is asked, but not trusted: what it writes must be a prompt and keep what the idea is about, or the idea itself is taken
and the person is told. The starter picture model knows captions alone (`big cat, crown, fluent 3d`), so for it the writing must be
one. A chat model that knows no Chinese is given the idea in English words, mapped through the names of emoji.
"""

import contextlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from engine.adapters.store import read_adapter
from engine.diffusion.emoji import STYLES
from engine.diffusion.ideas import caption, has_chinese, map_chinese, nouns_in, style_in
from engine.diffusion.prompt_bounds import bounded, missing_triggers, split_triggers
from engine.diffusion.prompt_tokens import PromptTokens
from engine.errors import BadInput, StudioError
from engine.models.catalog import STARTER
from engine.models.request import Sampling
from engine.settings import settings

if TYPE_CHECKING:
    from engine.chat.turns import Speaker

Why = Literal["", "failed", "no_prompt", "left_out", "added"]

_TOKENS, _CAPTION_TOKENS = 80, 16
_LONGEST = 600
_MOST_NOUNS = 3
_DEFAULT_STYLE = STYLES[0].name

_CAPTION_SHOTS = (
    ("a cute little dog", "cute little dog"),
    ("something to keep the rain off", "umbrella"),
    ("I want a picture of a big red balloon", "big red balloon"),
    ("what the king wears on his head", "crown"),
    ("a penguin with a blue scarf", "penguin, blue scarf"),
    ("a yellow fruit that monkeys like", "banana"),
)
_PROMPT_SHOTS = (
    ("a cat on a roof", "a cat sitting on a tiled roof, warm evening light, detailed fur, soft colours, illustration"),
    ("old lighthouse", "an old lighthouse on a rocky cliff, stormy sea, dramatic clouds, wide view, oil painting"),
    (
        "robot gardener",
        "a friendly robot gardener watering flowers, sunny garden, bright colours, fine detail, 3d render",
    ),
)
_CAPTION_TASK = "Name what is to be drawn in a few plain words: things that one can see, and how they look."
_PROMPT_TASK = "Turn the idea into a prompt for a picture: what is seen, then light, colours and style, in short phrases with commas. Keep every thing of the idea. Write the prompt alone, in English."
_NO_PROMPT = re.compile(r"^(?:sure|here (?:is|are)|i|i'm|as an|sorry|please)\b|\?$|[{}<>|\\]|https?:", re.IGNORECASE)
_SMALL_WORDS = (
    "a an and are as at be by for from has have in into is it its like me my of on or our over she he some that the their them "
    "there these they this to under up very was we were what where which who with you your picture image photo drawing draw please"
)
_SMALL = frozenset(_SMALL_WORDS.split())


@dataclass(frozen=True)
class Written:
    """A prompt and how it came about."""

    prompt: str
    idea: str
    """As the person typed it."""
    mapping: list[tuple[str, str]] = field(default_factory=list)
    """Chinese words and what they were mapped to; empty if the model was given the idea as it is."""
    unknown: list[str] = field(default_factory=list)
    """Chinese words that were left out."""
    seed: int = 0
    """Of the chat model's reply."""
    model: str = ""
    tokens: int = 0
    limit: int = 0
    fell_back: bool = False
    """Whether the model's words were of no use and the idea itself was taken."""
    why: Why = ""
    """Why they were: the model `failed`, wrote `no_prompt`, `left_out` what the idea is about, or `added` other things."""
    added_triggers: list[str] = field(default_factory=list)
    drawable: bool = True
    """False if the starter picture model is to draw and the prompt names nothing that it learnt."""


def write_prompt(
    idea: str,
    speaker: "Speaker",
    *,
    captions: bool,
    triggers: Sequence[str] = (),
    tokens: PromptTokens | None = None,
    seed: int | None = None,
    map_words: bool | None = None,
) -> Written:
    """Let a chat model write a prompt.

    Args:
        idea: what to draw, in a few words, English or Chinese.
        speaker: who writes.
        captions: whether the starter picture model will draw, which understands captions alone.
        triggers: phrases of the chosen LoRAs that the prompt must have.
        tokens: the counter of the picture model's text encoder.
        seed: of the chat model; None draws one.
        map_words: whether Chinese words are mapped to English first; None does so for models that know no Chinese.

    Raises:
        BadInput: the idea is empty, or there is no such chat model.
        Failure: the chat model cannot be had.
    """
    idea = " ".join(idea.split())
    if not idea:
        raise BadInput("The idea is empty: write in a few words what the picture shall show.")
    tokens = tokens or PromptTokens()
    mapped = map_chinese(idea, captions) if has_chinese(idea) else None
    maps = mapped is not None and (knows_no_chinese(speaker) if map_words is None else map_words)
    english = mapped.english if mapped else idea
    reply, used_seed, why = _asked(english if maps else idea, speaker, captions, seed)
    # what is taken if the model's words are of no use
    plain = (caption(english, _DEFAULT_STYLE) if captions else "") or english or idea
    prompt = cleaned(reply)
    if not why:
        why, prompt = _checked_caption(prompt, english) if captions else _checked_prompt(prompt, english)
    prompt = plain if why else prompt
    missing = missing_triggers(prompt, list(triggers))
    prompt = bounded(prompt, list(triggers), tokens.count, tokens.limit)
    return Written(
        prompt=prompt,
        idea=idea,
        mapping=mapped.mapping if maps and mapped else [],
        unknown=mapped.unknown if maps and mapped else [],
        seed=used_seed,
        model=speaker.label,
        tokens=tokens.count(prompt),
        limit=tokens.limit,
        fell_back=bool(why),
        why=why,
        added_triggers=missing,
        drawable=not captions or bool(triggers) or bool(nouns_in(prompt)),
    )


def triggers_of(adapters: Sequence[str]) -> list[str]:
    """The trigger phrases of adapters, by name, each once; of one that is gone, none."""
    found: list[str] = []
    for name in adapters:
        with contextlib.suppress(BadInput):
            found += split_triggers(read_adapter(name).card.trigger_words)
    return list(dict.fromkeys(found))


def knows_no_chinese(speaker: "Speaker") -> bool:
    """Whether a speaker is known to be English only: the starter chat model, with any adapter."""
    return not speaker.server and (speaker.model or settings().default_model) == STARTER


def cleaned(text: str) -> str:
    """A reply without what models put around a prompt: labels, quotation marks, a second paragraph."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    line = lines[0] if lines else ""
    line = re.sub(r"^(?:[*#>\-\s]*)(?:(?:picture |image )?prompt|caption|answer|picture)\s*:\s*", "", line, flags=re.I)
    phrases = (" ".join(phrase.split()) for phrase in line.strip("\"“”'*` ").rstrip(".").split(","))
    return ", ".join(dict.fromkeys(phrase for phrase in phrases if phrase))


def keeps(prompt: str, english: str) -> bool:
    """Whether a prompt keeps what an idea is about: every noun that is known, else half of its words at least."""
    nouns = nouns_in(english)
    if nouns:
        return set(nouns) <= set(nouns_in(prompt))
    words = _words(english)
    return 2 * len(words & _words(prompt)) >= len(words)


def _checked_caption(prompt: str, english: str) -> tuple[Why, str]:
    """Why a writing for the starter picture model is of no use, if it is; else the caption it comes to."""
    made = caption(prompt, style_in(english) or _DEFAULT_STYLE)
    nouns, wanted = nouns_in(made), set(nouns_in(english))
    if not nouns or len(nouns) > _MOST_NOUNS:
        return "no_prompt", ""
    if not wanted <= set(nouns) or not _words(caption(english)) <= _words(made):
        return "left_out", ""
    if wanted and not set(nouns) <= wanted:
        return "added", ""
    return "", made


def _checked_prompt(prompt: str, english: str) -> tuple[Why, str]:
    """Why a writing for any other picture model is of no use, if it is."""
    if not prompt or len(prompt) > _LONGEST or has_chinese(prompt) or _NO_PROMPT.search(prompt):
        return "no_prompt", ""
    return ("", prompt) if keeps(prompt, english) else ("left_out", "")


def _words(text: str) -> set[str]:
    """Words of a text that say something, without the ending of plurals."""
    words = set(re.findall(r"[a-z][a-z'-]+", text.lower())) - _SMALL
    return {word.removesuffix("s") if len(word) > 3 else word for word in words}


def _asked(said: str, speaker: "Speaker", captions: bool, seed: int | None) -> tuple[str, int, Why]:
    """The model's words, its seed, and whether it failed."""
    shots = _CAPTION_SHOTS if captions else _PROMPT_SHOTS
    messages = [{"role": "system", "content": _CAPTION_TASK if captions else _PROMPT_TASK}]
    for idea, prompt in shots:
        messages += [{"role": "user", "content": f"Idea: {idea}"}, {"role": "assistant", "content": prompt}]
    messages.append({"role": "user", "content": f"Idea: {said}"})
    longest = _CAPTION_TOKENS if captions else _TOKENS
    seed = secrets.randbelow(2**32) if seed is None else seed
    sampling = Sampling(max_new_tokens=longest, temperature=0.3, repetition_penalty=1.1, seed=seed)
    stream = None
    try:
        stream = speaker.backend().stream(messages, sampling, speaker.adapter)
        for _ in stream:
            if _has_ended(stream.text):
                break
        return stream.text, seed, ""
    except StudioError:
        raise
    except Exception:  # whatever it was: a person who wants a picture is helped by a prompt, not by a trace
        return "", seed, "failed"
    finally:
        if stream is not None:
            stream.cancel()


def _has_ended(text: str) -> bool:
    """Whether a reply has come to the end of its first line, or begins to say the same again."""
    if "\n" in text.strip():
        return True
    phrases = [phrase.strip() for phrase in text.split(",")[:-1]]
    return len(phrases) > len(set(phrases))
