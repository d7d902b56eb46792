"""Layers for a few rows compute what the usual ones do, and stand in only where they may."""

import pytest
import torch
from torch import nn

from engine.models import few_rows
from engine.models.few_rows import MOST_ROWS, FewRowsLinear, speed_up_few_rows


def _as_few_rows(layer: nn.Linear) -> nn.Linear:
    layer.__class__ = FewRowsLinear
    return layer


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 9, 10, 16, 17, 31, MOST_ROWS, MOST_ROWS + 1])
@pytest.mark.parametrize("bias", [True, False])
def test_it_computes_what_the_usual_layer_does(rows, bias):
    layer = nn.Linear(96, 40, bias=bias)
    given = torch.randn(rows, 96)
    expected = layer(given)
    assert torch.allclose(_as_few_rows(layer)(given), expected, atol=1e-5)


def test_any_shape_goes_in_and_comes_out_and_can_be_viewed():
    layer = nn.Linear(96, 40)
    given = torch.randn(3, 2, 5, 96).transpose(0, 1)
    expected = layer(given)
    computed = _as_few_rows(layer)(given)
    assert computed.shape == (2, 3, 5, 40)
    assert torch.allclose(computed.view(2, 15, 40), expected.reshape(2, 15, 40), atol=1e-5)


def test_only_plain_layers_are_exchanged_and_only_where_it_pays(monkeypatch):
    class Other(nn.Linear):
        pass

    hooked = nn.Linear(4, 4)
    hooked._hf_hook = object()  # pyright: ignore[reportArgumentType]
    model = nn.Sequential(nn.Linear(4, 4), Other(4, 4), nn.Linear(4, 4, dtype=torch.bfloat16), hooked)
    monkeypatch.setattr(few_rows, "_pays", lambda: False)
    speed_up_few_rows(model)  # pyright: ignore[reportArgumentType]
    assert type(model[0]) is nn.Linear
    monkeypatch.setattr(few_rows, "_pays", lambda: True)
    speed_up_few_rows(model)  # pyright: ignore[reportArgumentType]
    assert [type(layer) for layer in model] == [FewRowsLinear, Other, nn.Linear, nn.Linear]


def test_the_measurement_gives_an_answer():
    few_rows._pays.cache_clear()
    assert few_rows._pays() in (True, False)
