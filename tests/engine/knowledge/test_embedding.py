"""Vectors: unit length, in the order of the texts, the same from several threads as from one."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from engine.knowledge import embedding

TEXTS = [
    "灯塔高三十七米。",
    "The harbour opens at six.",
    "x",
    "电池可用四十小时。" * 20,
    "a\x00b",
    "Rye needs cold.",
    "最后一段",
]


@pytest.mark.parametrize("name", ["e5", "minilm"])
def test_vectors_have_length_one_and_the_order_of_their_texts(name):
    together = embedding.embed(name, TEXTS)
    assert together.shape == (len(TEXTS), 384) and together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-3)
    alone = np.concatenate([embedding.embed(name, [text]) for text in TEXTS])
    assert (together * alone).sum(axis=1).min() > 0.999
    assert embedding.embed(name, []).shape == (0, 384)


def test_threads_do_not_disturb_each_other():
    model = embedding.embedder("e5")
    expected = [model.question(text.replace("\0", " ")) for text in TEXTS]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: model.question(TEXTS[n % len(TEXTS)].replace("\0", " ")), range(40)))
    assert all(np.array_equal(vector, expected[n % len(TEXTS)]) for n, vector in enumerate(found))
    assert np.array_equal(embedding.embed("e5", TEXTS[:2])[0], model.passages(TEXTS[:1])[0])
