"""Measures an adapter against its base: loss and perplexity on rows it was not trained on, and how near its answers come.

One model is in memory; the base is the same model with the adapter switched off. Rows are read one by one, without padding,
so that the same evaluation gives the same figures to the last bit. It changes nothing but the adapter's card.
"""

import hashlib
import heapq
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import IO, TYPE_CHECKING, Any

from engine.adapters.store import Adapter, add_metrics, read_adapter
from engine.data import registry
from engine.data.prepared import Options
from engine.data.records import Conversation, is_reply
from engine.data.split import falls_to_eval
from engine.data.tokenise import IGNORED, Encoded, TemplateProblem, encode
from engine.errors import BadInput
from engine.fields import parse
from engine.models.adapters import AdapterSlots
from engine.models.catalog import fingerprint, resolve
from engine.models.decode import Decoding
from engine.models.generation import Generation
from engine.models.loader import device_of, load_model, load_tokenizer
from engine.models.request import Sampling
from engine.runs import Run
from engine.runs.answers import answers_file
from engine.training.evaluation_specs import EvaluateSpec, measured_on
from engine.training.metrics import bleu_signature, score

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class _Row:
    number: int
    """In the dataset, from 1."""
    prompt: list[dict[str, str]]
    """What comes before the last reply."""
    reference: str
    encoded: Encoded


@dataclass
class _Side:
    """What was measured of the base or of the adapter."""

    adapter: Adapter | None
    negative_log_likelihood: float = 0.0
    tokens: int = 0
    replies: list[str] = field(default_factory=list)


def evaluate(spec: EvaluateSpec, run: Run) -> None:
    """Measure; the figures come to the run's result and the adapter's card, the answers to `answers.jsonl`.

    Args:
        spec: what to do.
        run: where progress goes and the stop flag is looked for.

    Raises:
        BadInput: there is no row to measure on.
        Stopped: somebody asked it to stop.
    """
    look = run.end_if_stopped
    adapter = read_adapter(spec.adapter, kind="chat")
    weights = adapter.fingerprint
    card = registry.card(measured_on(spec, adapter))
    source = resolve(adapter.card.base_model)
    tokenizer = load_tokenizer(source.name)
    rows = _rows(spec, adapter, card, tokenizer, look)
    model = load_model(source.name)
    models = _Models(model, tokenizer, AdapterSlots(model, source.name, fingerprint(source)))
    sides = {"base": _Side(None), "adapter": _Side(adapter)}
    references = []
    run.update(step=0, max_steps=len(rows), steps_at_start=0, unit="rows", started=time.time())
    with answers_file(run).open("w", encoding="utf-8") as file:
        for done, row in enumerate(rows, 1):
            look()
            for side in sides.values():
                models.measure(row, side)
            if _is_asked(done, spec.answers, len(rows)) and models.can_read(row, spec.max_new_tokens):
                for side in sides.values():
                    models.ask(row, side, spec.max_new_tokens, look)
                references.append(row.reference)
                _write_answer(file, row, sides)
            run.update(step=done)
    result = {
        "adapter": adapter.name,
        "dataset": card.reference,
        "held_out": _held_out(adapter, card),
        "rows": len(rows),
        "tokens": sides["base"].tokens,
        "answers": len(references),
        "bleu_signature": bleu_signature(references) if references else None,
        "figures": {name: _figures(side, references) for name, side in sides.items()},
    }
    run.update(result=result)
    add_metrics(adapter.name, weights, evaluation={"run": run.id, **result})


def _rows(
    spec: EvaluateSpec,
    adapter: Adapter,
    card: registry.Card,
    tokenizer: "PreTrainedTokenizerBase",
    look: Callable[[], None],
) -> list[_Row]:
    """The rows to measure on, encoded as they were, or would have been, for training."""
    options = _options(adapter)
    picked = _pick(_candidates(adapter, card, options, look), spec)
    rows = [row for number, raw in picked if (row := _row(number, raw, options, tokenizer))]
    if not rows:
        raise BadInput(
            "No row of “{dataset}” can be measured: all have more than {length} tokens, or the chat template refuses them.",
            dataset=card.name,
            length=options.max_length,
        )
    return rows


def _candidates(
    adapter: Adapter, card: registry.Card, options: Options, look: Callable[[], None]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows that the adapter was not trained on, or all rows of a dataset that it was not trained on, numbered from 1."""
    held_out = _held_out(adapter, card)
    aside = trained = 0
    for number, row in enumerate(registry.raw_rows(card), 1):
        if number % 1000 == 0:
            look()
        if held_out and not falls_to_eval(row, options.split, options.seed):
            trained += 1
            continue
        aside += 1
        yield number, row
    # if all rows fall to evaluation, all train: see `engine.data.prepare`
    if held_out and not (aside and trained):
        raise BadInput(
            "No row of “{dataset}” was kept aside when “{adapter}” was trained: measure it on another dataset.",
            dataset=card.name,
            adapter=adapter.name,
        )


def _held_out(adapter: Adapter, card: registry.Card) -> bool:
    """Whether the rows are those that were kept aside of the dataset that the adapter was trained on."""
    return registry.split_reference(adapter.card.dataset or "")[0] == card.name


def _options(adapter: Adapter) -> Options:
    """How the adapter's training prepared its rows; an adapter from elsewhere gets the defaults."""
    spec = adapter.card.spec
    values = {name: spec[name] for name in ("max_length", "overlength", "completion_only", "seed") if name in spec}
    return parse(Options, {**values, "split": spec.get("eval_split", 0)})


def _pick(rows: Iterator[tuple[int, dict[str, Any]]], spec: EvaluateSpec) -> list[tuple[int, dict[str, Any]]]:
    """As many as the limit allows, chosen by a hash of number and seed; no more than these are in memory."""

    def draw(pair: tuple[int, dict[str, Any]]) -> bytes:
        return hashlib.blake2b(f"{spec.seed}\n{pair[0]}".encode(), digest_size=8).digest()

    return sorted(heapq.nsmallest(spec.limit, rows, key=draw), key=lambda pair: pair[0])


def _row(number: int, raw: dict[str, Any], options: Options, tokenizer: "PreTrainedTokenizerBase") -> _Row | None:
    """One row encoded; None if it would not have been trained on."""
    messages = Conversation.model_validate(raw).messages
    try:
        encoded = encode(messages, tokenizer, options.completion_only)
    except TemplateProblem:
        return None
    if len(encoded.input_ids) > options.max_length and options.overlength == "skip":
        return None
    encoded = Encoded(encoded.input_ids[: options.max_length], encoded.labels[: options.max_length])
    if not any(label != IGNORED for label in encoded.labels[1:]):  # nothing foretells the first token
        return None
    last = max(place for place, message in enumerate(messages) if is_reply(message))
    prompt = [message.model_dump() for message in messages[:last]]
    return _Row(number, prompt, messages[last].content, encoded)


@dataclass(frozen=True)
class _Models:
    """Base and adapter as the one model in memory."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    slots: AdapterSlots

    def measure(self, row: _Row, side: _Side) -> None:
        """Add the row's loss; logits are made only where a token is trained, since a vocabulary is large."""
        import torch

        self.slots.activate(side.adapter)
        device = device_of(self.model)
        next_tokens = torch.tensor(row.encoded.labels[1:], device=device)
        places = (next_tokens != IGNORED).nonzero()[:, 0]
        with torch.inference_mode():
            ids = torch.tensor([row.encoded.input_ids], device=device)
            logits = self.model(input_ids=ids, use_cache=False, logits_to_keep=places).logits[0].float()
            wanted = next_tokens[places].to(logits.device)
            losses = torch.nn.functional.cross_entropy(logits, wanted, reduction="none")
        side.negative_log_likelihood += float(losses.double().sum())
        side.tokens += len(places)

    def can_read(self, row: _Row, max_new_tokens: int) -> bool:
        """Whether the model reads as many tokens as the question has: a row cut at its end may ask too much."""
        try:
            self._decoding(row, max_new_tokens)
        except BadInput:
            return False
        return True

    def ask(self, row: _Row, side: _Side, max_new_tokens: int, look: Callable[[], None]) -> None:
        """Add its answer to the row's last question, each token the likeliest."""
        self.slots.activate(side.adapter)
        decoding = self._decoding(row, max_new_tokens)
        while decoding.finish_reason is None:
            look()
            decoding.step()
        side.replies.append(decoding.reply().text)

    def _decoding(self, row: _Row, max_new_tokens: int) -> Decoding:
        sampling = Sampling(max_new_tokens=max_new_tokens, temperature=0, seed=0)
        return Decoding(self.model, Generation(self.model, self.tokenizer, row.prompt, sampling))


def _is_asked(done: int, answers: int, rows: int) -> bool:
    """Whether this row is answered too: `answers` of them, evenly spread, so that the time left can be told."""
    asked = min(answers, rows)
    return done * asked // rows > (done - 1) * asked // rows


def _write_answer(file: IO[str], row: _Row, sides: dict[str, _Side]) -> None:
    replies = {name: side.replies[-1] for name, side in sides.items()}
    scores = {name: asdict(score([reply], [row.reference])) for name, reply in replies.items()}
    answer = {"row": row.number, "prompt": row.prompt, "reference": row.reference, **replies, "scores": scores}
    file.write(json.dumps(answer, ensure_ascii=False) + "\n")
    file.flush()


def _figures(side: _Side, references: list[str]) -> dict[str, float | None]:
    """Loss a trained token, perplexity, scores; a figure that is no number is None, as JSON has none."""
    loss = side.negative_log_likelihood / side.tokens
    perplexity = math.exp(loss) if loss < 700 else math.inf  # e^710 is more than a float holds
    scores = asdict(score(side.replies, references)) if references else {}
    figures = {"loss": loss, "perplexity": perplexity, **scores}
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}
