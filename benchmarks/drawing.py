"""Drawing through the engine against a bare diffusers pipeline, and switching adapters against loading the pipeline anew.

Claims: at most 3 % more time than the pipeline's own call with the same settings, progress and previews included; five adapters
in turn, live, in less than a tenth of the time that reloading the pipeline for each takes. Run as `python -m benchmarks.drawing
[--model M] [--rounds N] [--steps N]`. The adapters are made here, in a store of their own.
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.report import interleaved, report

PROMPT = "a red apple"
ADAPTERS = 5
RANK = 8


def main() -> None:
    """Measure both and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", help="starter, a folder, a file or a hub id (default: STUDIO_PICTURE_MODEL)")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=20)
    asked = parser.parse_args()
    import diffusers.utils.logging

    diffusers.utils.logging.set_verbosity_error()  # it remarks on every adapter without a part for the text encoder
    from engine.diffusion.catalog import resolve
    from engine.diffusion.families import defaults
    from engine.diffusion.recipe import Recipe

    source = resolve(asked.model)
    usual = defaults(source)
    recipe = Recipe(
        prompt=PROMPT,
        model=source.name,
        steps=asked.steps,
        guidance_scale=usual.guidance_scale,
        scheduler="ddim",
        width=usual.width,
        height=usual.height,
    )
    drawing(source, recipe, asked.rounds)
    with tempfile.TemporaryDirectory() as home:
        switching(source, recipe, max(3, asked.rounds // 3), Path(home))


def drawing(source: Any, recipe: Any, rounds: int) -> None:
    """One picture: ours against theirs, the same picture."""
    import numpy as np
    import torch

    from engine.diffusion.drawing import DrawRequest, draw
    from engine.diffusion.pipelines import load
    from engine.diffusion.schedulers import make_scheduler

    pipe = load(source)
    bare = load(source)
    bare.scheduler = make_scheduler(recipe.scheduler, bare.scheduler.config)

    def ours() -> Any:
        seen = []
        (drawn,) = draw(pipe, DrawRequest(recipe), seen.append, lambda: False)
        assert len(seen) == recipe.steps
        return drawn.image

    def theirs() -> Any:
        return bare(
            recipe.prompt,
            width=recipe.width,
            height=recipe.height,
            num_inference_steps=recipe.steps,
            guidance_scale=recipe.guidance_scale,
            generator=torch.Generator().manual_seed(recipe.seed),
        ).images[0]

    assert (np.asarray(ours()) == np.asarray(theirs())).all(), "not the same picture, so the comparison would be unfair"
    taken = interleaved({"pipeline": theirs, "engine": ours}, rounds)
    overhead = taken["engine"] / taken["pipeline"] - 1
    row = {"model": source.name, "steps": recipe.steps, "pipeline s": taken["pipeline"], "engine s": taken["engine"]}
    row["overhead %"] = 100 * overhead
    report("7.6-drawing", "Drawing costs at most 3 % over the pipeline's own call", [row], overhead <= 0.03)


def switching(source: Any, recipe: Any, rounds: int, home: Path) -> None:
    """Five adapters, each made the only one in turn: live, and by loading pipeline and adapter anew."""
    from engine.diffusion.catalog import fingerprint
    from engine.diffusion.live_loras import LiveLoras
    from engine.diffusion.pipelines import load
    from engine.diffusion.recipe import LoraWeight
    from engine.settings import settings

    os.environ["STUDIO_HOME"] = str(home)
    settings.cache_clear()
    mark = fingerprint(source)
    pipe = load(source)
    names = [f"adapter-{number}" for number in range(ADAPTERS)]
    for seed, name in enumerate(names):
        make_adapter(name, pipe, source.name, mark, seed)
    loras = LiveLoras(pipe, source, mark)

    def live() -> None:
        for name in names:
            loras.activate([LoraWeight(name=name)])

    def reloaded() -> None:
        for name in names:
            fresh = load(source)
            fresh.load_lora_weights(home / "lora_store", weight_name=f"{name}.safetensors")

    live()  # all five are in memory from here on
    for name in names:
        export_for_diffusers(name, home / "lora_store" / f"{name}.safetensors")
    taken = interleaved({"reload": reloaded, "live": live}, rounds)
    share = taken["live"] / taken["reload"]
    row = {
        "model": source.name,
        "adapters": ADAPTERS,
        "reload s": taken["reload"],
        "live s": taken["live"],
        "live / reload": share,
    }
    report(
        "7.6-switching",
        "Five adapters switched live take less than a tenth of reloading the pipeline",
        [row],
        share < 0.1,
    )


def make_adapter(name: str, pipe: Any, base: str, mark: str, seed: int) -> None:
    """An adapter on all attention of the UNet, as trainings make them, with random weights."""
    import torch

    from engine.adapters.importing import write_image
    from engine.adapters.lora import Layer
    from engine.adapters.store import Card, publish

    generator = torch.Generator().manual_seed(seed)
    layers = {}
    for path, module in pipe.unet.named_modules():
        if path.endswith(("to_q", "to_k", "to_v", "to_out.0")):
            wide, high = module.weight.shape[1], module.weight.shape[0]
            a, b = torch.randn(RANK, wide, generator=generator), torch.randn(high, RANK, generator=generator) * 0.01
            layers[path] = Layer(a, b, float(RANK))
    with tempfile.TemporaryDirectory() as folder:
        write_image(Path(folder), {"unet": layers}, base)
        publish(name, Path(folder), Card(kind="image", base_model=base, base_fingerprint=mark))


def export_for_diffusers(name: str, file: Path) -> None:
    """The adapter as diffusers' own loader reads it."""
    from engine.adapters.export import export

    export(name, file, "diffusers")


if __name__ == "__main__":
    main()
