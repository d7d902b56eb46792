"""DreamBooth works, on the real starter: drawn pictures come near to the subject's, and others stay as they were.

Pictures are compared by an embedding of two parts that anybody can follow, each of length 1: which colours there are (a
histogram of 4 × 4 × 4 shades, square roots, so that rare colours count), and how edges run (in 4 × 4 cells, eight directions
weighted by their strength, as in Dalal and Triggs 2005). Its cosine is 1 for the same picture and hardly changes when a thing
leans a little or stands before another background. The held-out pictures of the subject were never trained on.
"""

import os
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from engine.runs import open_run
from engine.training.dreambooth_sample import CLASS_PROMPT, INSTANCE_PROMPT, sample_subject
from tests.conftest import PROVE

pytestmark = pytest.mark.long
SEEDS = 8 if PROVE else 3
OTHERS = ("a picture of a red apple, noto", "a picture of a house, fluent 3d", "a picture of a cat face, twemoji")
LEARNT = 0.5
"""Share of the way from the base's similarity to that of held-out pictures among themselves."""


def embed(picture: Image.Image) -> np.ndarray:
    """Colours and edges of a picture; see above."""
    pixels = np.asarray(picture.convert("RGB").resize((64, 64), Image.Resampling.LANCZOS)).astype(np.float32)
    shades = (pixels // 64).astype(int).reshape(-1, 3) @ (16, 4, 1)
    colours = np.sqrt(np.bincount(shades, minlength=64))
    down, right = np.gradient(pixels.mean(-1))
    strength, direction = np.hypot(down, right), (np.arctan2(down, right) % (2 * np.pi) // (np.pi / 4)).astype(int) % 8
    edges = np.zeros((4, 4, 8))
    for row, column in np.ndindex(64, 64):
        edges[row // 16, column // 16, direction[row, column]] += strength[row, column]
    parts = [part / max(1e-6, np.linalg.norm(part)) for part in (colours, edges.flatten())]
    return np.concatenate(parts) / 2**0.5


def likeness(drawn: Sequence[Image.Image], wanted: Sequence[Image.Image]) -> float:
    """Mean cosine of all pairs."""
    return float(np.mean([embed(one) @ embed(other) for one in drawn for other in wanted]))


def difference(drawn: Sequence[Image.Image], others: Sequence[Image.Image]) -> float:
    """Mean absolute difference of two rows of pictures, 0 to 1."""
    pairs = zip(drawn, others, strict=True)
    return float(
        np.mean([np.abs(np.asarray(a, np.float32) - np.asarray(b, np.float32)).mean() for a, b in pairs]) / 255
    )


@pytest.fixture(scope="module")
def drawer():
    """Draws a prompt at the seeds, with an adapter or without."""
    from engine.diffusion import pipelines
    from engine.diffusion.catalog import fingerprint, resolve
    from engine.diffusion.drawing import DrawRequest, draw
    from engine.diffusion.live_loras import LiveLoras
    from engine.diffusion.recipe import LoraWeight, Recipe

    source = resolve("starter")
    pipe = pipelines.load(source)
    live = LiveLoras(pipe, source, fingerprint(source))

    def drawn(prompt: str, adapter: str | None = None) -> list[Image.Image]:
        recipe = Recipe(prompt=prompt, loras=[LoraWeight(name=adapter)] if adapter else [])
        live.activate(recipe.loras)
        return [drawing.image for drawing in draw(pipe, DrawRequest(recipe, count=SEEDS))]

    return drawn


def test_it_draws_the_subject_and_leaves_the_rest(studio, drawer, tmp_path, proof):
    sample_subject(tmp_path / "robot")
    held_out = [Image.open(file) for file in sample_subject(tmp_path / "held-out", "held_out")]
    seconds = {}
    for name, more in (("kept", ("--class-prompt", CLASS_PROMPT)), ("free", ())):
        code, document, errors = studio(
            "train", "dreambooth", "--images", tmp_path / "robot", "--instance-prompt", INSTANCE_PROMPT, *more,
            "--adapter", name, "--wait", "--json", timeout=1800, STUDIO_DTYPE=os.environ.get("STUDIO_DTYPE", "float32"),
        )  # fmt: skip
        assert code == 0, errors
        status = open_run(document["run"]).status()
        seconds[name] = (status.ended or 0) - (status.started or 0)

    among = float(np.mean([embed(one) @ embed(other) for one, other in combinations(held_out, 2)]))
    base = likeness(drawer(INSTANCE_PROMPT), held_out)
    subject = {name: likeness(drawer(INSTANCE_PROMPT, name), held_out) for name in seconds}
    robots = {name: difference(drawer(CLASS_PROMPT, name), drawer(CLASS_PROMPT)) for name in seconds}
    rest = {
        name: float(np.mean([difference(drawer(prompt, name), drawer(prompt)) for prompt in OTHERS]))
        for name in seconds
    }
    apart = float(np.mean([difference(drawer(one), drawer(other)) for one, other in combinations(OTHERS, 2)]))
    proof(
        "7.2-dreambooth",
        seeds=SEEDS,
        similarity={"held-out among themselves": among, "base": base, **subject},
        robots_changed_by=robots,
        unrelated_prompts_changed_by={**rest, "for comparison, two different prompts": apart},
        seconds=seconds,
    )
    assert all(value - base > LEARNT * (among - base) for value in subject.values())
    assert robots["kept"] < 0.8 * robots["free"]
    assert rest["kept"] < 0.25 * apart
