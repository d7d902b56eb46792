"""`kb ask | search | eval | calibrate`: what a knowledge base answers and finds, and how well."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.commands.bars import bar
from engine.commands.output import add_command, say

_DRAWN = 200
_FEW = 20


def add(group) -> None:
    """Add the parsers to the `kb` group."""
    parser = add_command(group, "ask", ask, "answer a question from the documents, with citations, or refuse")
    _add_question(parser)
    parser.add_argument("--model", metavar="M", help="starter, a folder or a hub id (default: STUDIO_DEFAULT_MODEL)")
    parser.add_argument("--adapter", metavar="NAME", help="a chat adapter in lora_store/ (default: the base)")
    parser.add_argument(
        "--server", metavar="URL", help="ask an OpenAI-compatible server instead of a model in this process"
    )
    parser.add_argument("--max-new-tokens", type=int, default=512, metavar="N", help="most tokens the answer may have")
    parser.add_argument(
        "--temperature", type=float, default=0.0, metavar="T", help="0 is greedy; higher is more varied"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed gives the same answer")
    _add_question(add_command(group, "search", search, "show why which passages are found, and why nothing is"))
    parser = add_command(
        group, "eval", evaluate, "measure a knowledge base with questions whose right passage is known"
    )
    parser.add_argument("name", metavar="NAME")
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help='JSON lines {"question", "gold"}: the key of the right passage, or null; or {"question", "answer"}',
    )
    parser = add_command(group, "calibrate", calibrate, "set the threshold for a wanted share of false refusals")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="questions as for eval; by default drawn from the passages"
    )
    parser.add_argument(
        "--false-refusals",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="share of the questions with an answer that may be refused (default: 0.05)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the drawing (default: 0)")
    parser.add_argument(
        "--model",
        metavar="M",
        help="a chat model that writes the drawn questions; by default they are parts of sentences",
    )


def _add_question(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("question", metavar="QUESTION")
    parser.add_argument("--also", nargs="+", default=[], metavar="NAME", help="more knowledge bases to look in")
    parser.add_argument("--limit", type=int, default=5, metavar="N", help="passages at most (default: 5)")
    parser.add_argument(
        "--threshold", type=float, help="least score, 0 to 1, of a passage that may answer; by default the base's own"
    )


def ask(arguments: argparse.Namespace) -> dict[str, Any]:
    """Answer, with citations that were checked."""
    from engine.chat.turns import Speaker
    from engine.fields import parse
    from engine.knowledge.answering import answer
    from engine.models.request import Sampling

    names = ("max_new_tokens", "temperature", "seed")
    sampling = parse(Sampling, {name: getattr(arguments, name) for name in names})
    speaker = Speaker(model=arguments.model, adapter=arguments.adapter, server=arguments.server)
    told = answer(
        _bases(arguments),
        arguments.question,
        speaker,
        sampling,
        limit=arguments.limit,
        threshold=arguments.threshold,
    )
    say(told["answer"])
    for citation in told["citations"]:
        page = f", page {citation['page']}" if citation["page"] is not None else ""
        say(f"[{citation['n']}] {citation['document']}{page}: {citation['quote']}")
    return told


def search(arguments: argparse.Namespace) -> dict[str, Any]:
    """What is found, with the ranks of each arm, and the best that is not good enough."""
    from engine.knowledge.retrieval import search as search_

    found = search_(_bases(arguments), arguments.question, arguments.limit, arguments.threshold)
    if not found.hits:
        say(f"Nothing reaches the threshold of {found.threshold:.3f}; the best below it:")
    for hit in found.hits or found.below[: arguments.limit]:
        page = f", page {hit.passage.page}" if hit.passage.page is not None else ""
        say(
            f"{hit.score:.3f}  words {hit.lexical:.3f} (rank {hit.lexical_rank or '–'}), meaning {hit.dense:.3f} "
            f"(rank {hit.dense_rank or '–'})  {hit.base_name} › {hit.passage.document_name}{page}"
        )
        say(f"       {' '.join(hit.passage.text.split())[:200]}")
    return {
        "question": found.question,
        "threshold": found.threshold,
        "best": found.best,
        "seconds": found.seconds,
        "hits": [_hit(hit) for hit in found.hits],
        "below": [_hit(hit) for hit in found.below],
    }


def evaluate(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure, and keep what was measured."""
    from engine.knowledge import bases, evaluation

    base = bases.get(arguments.name)
    questions = evaluation.read_questions(arguments.file)
    with bar("eval", "question") as progress:
        done = evaluation.evaluate(base.id, questions, progress, source=arguments.file.name)
    figures = done.figures()
    for name, value in figures.items():
        if isinstance(value, dict):
            value = ", ".join(f"{part} {figure:.3f}" for part, figure in value.items())
        say(f"{name}: {'–' if value is None else f'{value:.3f}' if isinstance(value, float) else value}")
    return figures


def calibrate(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure, and set the threshold."""
    from engine.knowledge import bases, evaluation

    base = bases.get(arguments.name)
    if arguments.file:
        questions, source = evaluation.read_questions(arguments.file), arguments.file.name
    else:
        ask = _asking(arguments.model) if arguments.model else None
        questions = evaluation.draw_questions(base.id, _DRAWN, arguments.seed, ask=ask)
        source = f"drawn with seed {arguments.seed}" + (f" by {arguments.model}" if ask else "")
    with bar("calibrate", "question") as progress:
        done = evaluation.evaluate(base.id, questions, progress, source)
    threshold = evaluation.calibrate(done, arguments.false_refusals)
    bases.change(base.id, threshold=threshold)
    refused = evaluation.refused_at(done, threshold)
    say(f"The threshold of “{base.name}” is {threshold:.3f} now; it was {base.effective_threshold:.3f}.")
    if done.answerable < _FEW:
        say(f"Only {done.answerable} of the questions have an answer in it: more of them would make it surer.")
    if refused is not None:
        say(f"It refuses {refused:.0%} of the questions that have no answer in it.")
    return {
        "id": base.id,
        "name": base.name,
        "threshold": threshold,
        "before": base.effective_threshold,
        "false_refusals": arguments.false_refusals,
        "refused": refused,
        **{key: value for key, value in done.figures().items() if key in ("questions", "answerable", "refusal_auroc")},
    }


def _asking(model: str) -> Callable[[str], str]:
    """What asks a chat model one thing, and returns what it says."""
    from engine.chat.local import LocalBackend
    from engine.models.request import Sampling

    backend, sampling = LocalBackend(model), Sampling(max_new_tokens=64, temperature=0)
    return lambda prompt: backend.stream([{"role": "user", "content": prompt}], sampling).wait().text


def _bases(arguments: argparse.Namespace) -> list[str]:
    from engine.knowledge import bases

    return list(dict.fromkeys(bases.get(name).id for name in (arguments.name, *arguments.also)))


def _hit(hit) -> dict[str, Any]:
    passage = hit.passage
    return {
        "base": hit.base_name,
        "document": passage.document_name,
        "page": passage.page,
        "line": passage.line,
        "passage": passage.id,
        "key": passage.key,
        "score": hit.score,
        "lexical": hit.lexical,
        "dense": hit.dense,
        "lexical_rank": hit.lexical_rank,
        "dense_rank": hit.dense_rank,
        "rerank": hit.rerank,
        "text": passage.text,
    }
