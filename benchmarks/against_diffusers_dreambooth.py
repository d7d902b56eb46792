"""diffusers' own DreamBooth script as its user runs it; `benchmarks.dreambooth` starts it.

python -m benchmarks.against_diffusers_dreambooth SCRIPT TIMES.json [the script's own arguments]

The script is left as it is. The time of each optimizer step is noted beside it. Where torchvision is not installed (its wheel
does not import beside the CPU build of torch) the few transforms that the script asks for are done with PIL in its place: that
is a hundredth of a step. Knows nothing of the studio.
"""

import importlib
import importlib.util
import json
import runpy
import sys
import time
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image


def main(script: str, times: str, arguments: list[str]) -> None:
    """Run the script, and write when each step ended."""
    if importlib.util.find_spec("torchvision") is None:
        for library in ("transformers", "diffusers"):  # they must have looked for it before
            importlib.import_module(library)
        _put_transforms_in_place()
    ended: list[float] = []
    step = torch.optim.AdamW.step

    def timed(self: Any, *args: Any, **more: Any) -> Any:
        result = step(self, *args, **more)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        ended.append(time.perf_counter())
        return result

    torch.optim.AdamW.step = timed
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")
    Path(times).write_text(json.dumps(ended))


def _put_transforms_in_place() -> None:
    transforms = types.ModuleType("torchvision.transforms")
    modes = types.SimpleNamespace(
        **{mode.name: mode for mode in (Image.Resampling.BILINEAR, Image.Resampling.LANCZOS, Image.Resampling.BICUBIC)}
    )

    def resize(size: int, interpolation: Image.Resampling) -> Any:
        def shorter_side(picture: Image.Image) -> Image.Image:
            scale = size / min(picture.size)
            return picture.resize((round(picture.width * scale), round(picture.height * scale)), interpolation)

        return shorter_side

    def crop(size: int) -> Any:
        def middle(picture: Image.Image) -> Image.Image:
            left, top = (picture.width - size) // 2, (picture.height - size) // 2
            return picture.crop((left, top, left + size, top + size))

        return middle

    def compose(steps: list[Any]) -> Any:
        def all_of_them(picture: Any) -> Any:
            for each in steps:
                picture = each(picture)
            return picture

        return all_of_them

    vars(transforms).update(
        InterpolationMode=modes,
        Resize=resize,
        CenterCrop=crop,
        RandomCrop=crop,
        Compose=compose,
        ToTensor=lambda: lambda picture: torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255,
        Normalize=lambda mean, deviation: lambda tensor: (tensor - mean[0]) / deviation[0],
    )
    package = types.ModuleType("torchvision")
    vars(package).update(transforms=transforms)
    sys.modules |= {"torchvision": package, "torchvision.transforms": transforms}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
