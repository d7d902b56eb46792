"""A question to knowledge bases becomes an answer: looked up first, refused if nothing fits, otherwise written from passages and checked.

A refusal is decided by retrieval alone; no model is asked then. Everything that is needed to draw an answer again is kept with
its message: the passages as they were, the rewriting, what the check found.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from engine.chat import conversations
from engine.chat.conversations import Message
from engine.chat.turns import LiveReply, Speaker, start_reply
from engine.knowledge import bases
from engine.knowledge.citations import Checked, Checker, check, marked
from engine.knowledge.grounding import fitting, language_of, system_prompt
from engine.knowledge.passages import Passage
from engine.knowledge.retrieval import Found, Hit, search
from engine.knowledge.rewriting import bears_on, combined, standalone
from engine.models.request import Reply, ReplyStream, Sampling

NO_ANSWER = {"en": "No answer found in the local knowledge base", "zh": "基于本地知识搜索没有找到答案"}
_BELOW = 3
"""Rejected passages that are kept with an answer, to show why there were no others."""


class Knowledge(BaseModel):
    """What a reply keeps in its message's meta under `knowledge`."""

    bases: list[str]
    question: str
    """As it was looked up."""
    rewritten: bool
    """Whether that is not how it was asked."""
    refused: bool
    hits: list[dict[str, Any]]
    """The passages numbered [1], [2], …, each as `hit_of` takes it."""
    below: list[dict[str, Any]]
    threshold: float
    seconds: float
    """That looking up took, without a rewriting by the model."""
    checked: Checked | None = None
    """None until the answer has ended."""


@dataclass(frozen=True)
class Prepared:
    """A question after it was looked up."""

    found: Found
    knowledge: Knowledge
    system: str
    """Instructions and passages for the model; the refusal's text if there are none."""


@dataclass
class LiveAnswer:
    """An answer that is being written into a message, or a refusal, which is there at once."""

    message_id: int
    knowledge: Knowledge
    reply: LiveReply | None
    """None if it was refused: nobody was asked."""
    stream: ReplyStream
    """Of the reply; one that has ended if it was refused."""
    _checker: Checker

    @property
    def text(self) -> str:
        """What is written so far."""
        return self.stream.text

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self.stream.ended

    def shown(self) -> Checked:
        """What is written so far, checked; of a sentence that is still being written nothing is said, and no citation shown."""
        return Checked.plain(self.text) if self.reply is None else self._checker.check_growing(self.text)

    def save_partial(self) -> None:
        """Keep what is written so far, in case the server dies."""
        if self.reply:
            self.reply.save_partial()

    def finish(self) -> None:
        """End the answer now, if it has not ended, check and keep it; safe to call twice and from two threads."""
        if self.reply is None:
            return
        self.stream.cancel()
        with suppress(Exception):  # what went wrong is kept by the reply itself
            self.stream.wait(timeout=1.0)
        self.knowledge.checked = self._checker.check(self.text)
        self.reply.meta["knowledge"] = self.knowledge.model_dump(mode="json")
        self.reply.finish()


def prepare(
    base_ids: Sequence[str],
    question: str,
    history: Sequence[dict[str, str]],
    speaker: Speaker,
    limit: int = 5,
    threshold: float | None = None,
) -> Prepared:
    """Look a question up and write the prompt. The speaker is asked at most to rewrite a follow-up that finds something.

    Args:
        base_ids: where to look.
        question: as it was asked.
        history: what was said before, `{"role", "content"}` each.
        speaker: who rewrites a follow-up.
        limit: passages at most.
        threshold: instead of each base's own.

    Raises:
        BadInput: the question is empty, or there is no such base.
    """
    found = search(base_ids, combined(question, history), limit, threshold)
    if found.question != question and not bears_on(question, (hit.passage.text for hit in found.hits)):
        found = search(base_ids, question, limit, threshold)  # only the question before it found something
    if found.hits and found.question != question:
        rewritten = standalone(question, history, speaker)
        again = search(base_ids, rewritten, limit, threshold) if rewritten != found.question else found
        found = again if again.hits else found
    hits = fitting(found.hits)
    knowledge = Knowledge(
        bases=list(dict.fromkeys(base_ids)),
        question=found.question,
        rewritten=found.question != question,
        refused=not hits,
        hits=[_kept(hit) for hit in hits],
        below=[_kept(hit) for hit in found.below[:_BELOW]],
        threshold=found.threshold,
        seconds=round(found.seconds, 4),
    )
    return Prepared(found, knowledge, system_prompt(question, hits) if hits else refusal(base_ids, question))


def refusal(base_ids: Sequence[str], question: str) -> str:
    """What is said when nothing was found: the first base's own words, or the studio's in the question's language."""
    own = (bases.read(base_id).no_answer.strip() for base_id in base_ids)
    return next((words for words in own if words), NO_ANSWER[language_of(question)])


def answer_turn(
    owner: str,
    conversation_id: int,
    parent: Message,
    base_ids: Sequence[str],
    speaker: Speaker,
    sampling: Sampling,
    limit: int = 5,
    threshold: float | None = None,
    meta: dict[str, Any] | None = None,
) -> LiveAnswer:
    """Answer `parent`, a user's message on the active path, from knowledge bases. Looks up first, which may take a moment.

    Args:
        owner: whose conversation it is.
        conversation_id: the conversation.
        parent: the question.
        base_ids: where to look.
        speaker: who answers.
        sampling: how tokens are chosen.
        limit: passages at most.
        threshold: instead of each base's own.
        meta: more to keep with the message.

    Raises:
        BadInput: no such base, model or adapter; no message was added.
    """
    history = _before(owner, conversation_id, parent)
    prepared = prepare(base_ids, parent.content, history, speaker, limit, threshold)
    knowledge = prepared.knowledge
    checker = Checker([hit_of(hit) for hit in knowledge.hits])
    if knowledge.refused:
        knowledge.checked = Checked.plain(prepared.system)
        kept = {**(meta or {}), "knowledge": knowledge.model_dump(mode="json")}
        message = conversations.add_message(owner, conversation_id, "assistant", prepared.system, parent.id, kept)
        return LiveAnswer(message.id, knowledge, None, _ended(prepared.system), checker)
    kept = {**(meta or {}), "knowledge": knowledge.model_dump(mode="json")}
    reply = start_reply(owner, conversation_id, parent, speaker, sampling, prepared.system, kept)
    return LiveAnswer(reply.message_id, knowledge, reply, reply.stream, checker)


def without_knowledge(
    owner: str, conversation_id: int, parent: Message, speaker: Speaker, sampling: Sampling
) -> LiveReply:
    """The same question, answered from what the model knows itself: a message beside the answer, which stays the active one.

    Args:
        owner: whose conversation it is.
        conversation_id: the conversation.
        parent: the question, on the active path.
        speaker: who answers.
        sampling: how tokens are chosen.

    Raises:
        BadInput: no such model or adapter; no message was added.
    """
    line = conversations.path(owner, conversation_id)
    beside = next((message.id for message in line if message.parent_id == parent.id), None)
    # `pair` keeps it out of what is taken for a preference when somebody goes on from the answer beside it
    meta = {"without_knowledge": True, "beside": beside, "pair": f"knowledge {parent.id}", "side": "b"}
    reply = start_reply(owner, conversation_id, parent, speaker, sampling, meta=meta)
    if beside is not None:
        conversations.select_version(owner, beside)
    return reply


def answer(
    base_ids: Sequence[str],
    question: str,
    speaker: Speaker,
    sampling: Sampling,
    history: Sequence[dict[str, str]] = (),
    limit: int = 5,
    threshold: float | None = None,
) -> dict[str, Any]:
    """One question, answered whole; writes into no conversation.

    Returns:
        What `kb ask` prints: `answer` (with its marks, as `citations.marked` writes them), `refused`, `citations`; and `reply`
        (as the model wrote it), `sentences`, `knowledge`, `seconds`.

    Raises:
        BadInput: the question is empty; no such base, model or adapter.
    """
    began = time.perf_counter()
    prepared = prepare(base_ids, question, history, speaker, limit, threshold)
    knowledge = prepared.knowledge
    if knowledge.refused:
        text, checked = prepared.system, Checked.plain(prepared.system)
    else:
        messages = [{"role": "system", "content": prepared.system}, *history, {"role": "user", "content": question}]
        stream = speaker.backend().stream(messages, sampling, speaker.adapter)
        try:
            text = stream.wait().text
        finally:
            stream.cancel()  # of use when somebody interrupts
        checked = check(text, [hit_of(hit) for hit in knowledge.hits])
    return {
        "answer": marked(checked),
        "refused": knowledge.refused,
        "citations": [citation.model_dump(mode="json") for citation in checked.citations],
        "reply": text,
        "sentences": [sentence.model_dump(mode="json") for sentence in checked.sentences],
        "knowledge": knowledge.model_dump(mode="json", exclude={"checked"}),
        "seconds": round(time.perf_counter() - began, 3),
    }


def knowledge_of(message: Message) -> Knowledge | None:
    """What a message keeps of its answer; None if it has none. Draw from this.

    The check is made anew where it is missing, as the server died before the end, or is of another text, as somebody edited it.
    """
    try:
        knowledge = Knowledge.model_validate(message.meta.get("knowledge"))
    except ValidationError:
        return None
    if knowledge.checked is None or knowledge.checked.text != message.content:
        hits = [hit_of(hit) for hit in knowledge.hits]
        knowledge.checked = check(message.content, hits) if hits else Checked.plain(message.content)
    return knowledge


def hit_of(kept: dict[str, Any]) -> Hit:
    """A passage that was found, from what `Knowledge` keeps of it."""
    return Hit(**{**kept, "passage": Passage.model_validate(kept["passage"])})


def _kept(hit: Hit) -> dict[str, Any]:
    return {**asdict(hit), "passage": hit.passage.model_dump(mode="json")}


def _ended(text: str) -> ReplyStream:
    stream = ReplyStream()
    stream.put(text)
    stream.finish(Reply(text, 0, 0, 0.0, 0, "stop"))
    return stream


def _before(owner: str, conversation_id: int, parent: Message) -> list[dict[str, str]]:
    line = conversations.path(owner, conversation_id)
    place = next((place for place, message in enumerate(line) if message.id == parent.id), 0)
    return [{"role": message.role, "content": message.content} for message in line[:place]]
