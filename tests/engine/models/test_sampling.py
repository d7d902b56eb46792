"""Tokens are drawn with the probabilities that transformers' processors give, and company changes no draw."""

from typing import Any

import pytest

from engine.models.request import Sampling
from engine.models.sampling import CANDIDATES, choose

SETTINGS = [
    {"temperature": 0.7, "top_p": 0.9},
    {"temperature": 1.0, "top_p": 1.0},
    {"temperature": 1.3, "top_p": 1.0, "top_k": 5},
    {"temperature": 0.9, "top_p": 0.6, "top_k": 12},
    {"temperature": 0.5, "top_p": 0.8, "repetition_penalty": 1.8},
    {"temperature": 4.0, "top_p": 0.99},
]


class Row:
    """As much of a request as draws need."""

    def __init__(self, seed: int, **sampling: Any):
        import torch

        self.sampling = Sampling(**sampling)
        self.generator = torch.Generator().manual_seed(seed)
        self.ids = [3, 3, 7]


def _probabilities(scores, sampling: Sampling):
    """Of one row, by transformers."""
    import torch
    from transformers.generation import logits_process as lp

    ids: Any = torch.tensor([[3, 3, 7]])
    scores = lp.RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty)(ids, scores[None].clone())
    scores = lp.TemperatureLogitsWarper(sampling.temperature)(ids, scores)
    if sampling.top_k:
        scores = lp.TopKLogitsWarper(sampling.top_k)(ids, scores)
    if sampling.top_p < 1:
        scores = lp.TopPLogitsWarper(sampling.top_p)(ids, scores)
    return scores.softmax(-1)[0]


@pytest.mark.parametrize("vocabulary", [40, 3 * CANDIDATES])
@pytest.mark.parametrize("settings", SETTINGS)
def test_draws_have_the_probabilities_of_transformers(settings, vocabulary):
    import torch

    draws = 20_000
    scores = torch.randn(vocabulary, generator=torch.Generator().manual_seed(1)) * 2
    expected = _probabilities(scores, Sampling(**settings))
    rows: Any = [Row(seed, **settings) for seed in range(draws)]
    counted = torch.bincount(torch.tensor(choose(scores.expand(draws, -1), rows)), minlength=vocabulary) / draws
    assert counted[expected == 0].sum() == 0, "what is cut off is never drawn"
    assert (counted - expected).abs().max() < 0.015


def test_company_changes_no_draw():
    import torch

    scores = torch.randn(len(SETTINGS) * 3, 2000, generator=torch.Generator().manual_seed(2))
    many: Any = [Row(seed, **SETTINGS[seed % len(SETTINGS)]) for seed in range(len(scores))]
    together = choose(scores, many)
    alone = []
    for seed in range(len(scores)):
        row: Any = [Row(seed, **SETTINGS[seed % len(SETTINGS)])]
        alone += choose(scores[seed : seed + 1], row)
    assert together == alone


def test_greedy_rows_take_the_likeliest_and_leave_the_logits_alone():
    import torch

    scores = torch.zeros(2, 10)
    scores[:, 3], scores[:, 5] = 2.0, 1.5
    rows: Any = [Row(0, temperature=0), Row(0, temperature=0, repetition_penalty=2.0)]
    before = scores.clone()
    assert choose(scores, rows) == [3, 5]
    assert torch.equal(scores, before)
