"""What a half-drawn picture looks like: its latents as colours, by one product a pixel instead of the whole autoencoder.

The product is fitted to the model's own autoencoder: soft random latents are decoded once, and least squares finds which
colours they stand for. Small pictures are decoded for real, which costs as little.
"""

import time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

SHARE = 0.02
"""Most of the drawing's time that previews may take."""
INTERVAL = 0.5
"""Seconds to the first preview and between them at least: what is drawn sooner needs none."""
_DECODED = 128 * 128
"""Pixels up to which a picture is decoded for real."""
_FITTED: "WeakKeyDictionary[Any, torch.Tensor]" = WeakKeyDictionary()


class Previewer:
    """Makes previews of one drawing, not more often than its time allows.

    Args:
        pipe: the pipeline that draws.
    """

    def __init__(self, pipe: Any):
        self._pipe = pipe
        self._due = time.perf_counter() + INTERVAL
        self._last: list[Image] = []

    def __call__(self, latents: "torch.Tensor", width: int, height: int) -> "list[Image]":
        """A picture for each of the latents; the ones of last time if it is too early for new ones."""
        began = time.perf_counter()
        if began >= self._due:
            self._last = preview(self._pipe, latents, width, height)
            ended = time.perf_counter()
            self._due = ended + max(INTERVAL, (ended - began) / SHARE)
        return self._last


def preview(pipe: Any, latents: "torch.Tensor", width: int, height: int) -> "list[Image]":
    """Half-drawn pictures of that size."""
    from PIL import Image

    flat = latents.flatten(1).float()
    # noise of the early steps would be glaring, and of some schedulers is larger than what it hides
    calm = latents.float() / flat.std(1).clamp(min=1).view(-1, 1, 1, 1)
    colours = _decode(pipe, calm) if width * height <= _DECODED else _times(calm, _fitted(pipe))
    pixels = ((colours.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    small = [Image.fromarray(array) for array in pixels]
    return [picture.resize((width, height), Image.Resampling.BILINEAR) for picture in small]


def _fitted(pipe: Any) -> "torch.Tensor":
    """Colours by latents, with a constant: channels + 1 × 3."""
    if pipe.vae not in _FITTED:
        _FITTED[pipe.vae] = fit(pipe)
    return _FITTED[pipe.vae]


def fit(pipe: Any) -> "torch.Tensor":
    """Find the colours that latents stand for, on soft latents as pictures have them."""
    import torch
    import torch.nn.functional as F

    generator = torch.Generator().manual_seed(0)
    channels = pipe.vae.config.latent_channels
    coarse = torch.randn(4, channels, 4, 4, generator=generator)
    soft = F.interpolate(coarse, scale_factor=4, mode="bicubic")
    colours = F.interpolate(_decode(pipe, soft).cpu(), size=soft.shape[-2:], mode="area")
    rows = soft.permute(0, 2, 3, 1).reshape(-1, channels)
    wanted = colours.permute(0, 2, 3, 1).reshape(-1, 3)
    return torch.linalg.lstsq(torch.cat([rows, torch.ones(len(rows), 1)], 1), wanted).solution


def _times(latents: "torch.Tensor", matrix: "torch.Tensor") -> "torch.Tensor":
    import torch

    matrix = matrix.to(latents)
    return torch.einsum("nchw,cd->ndhw", latents, matrix[:-1]) + matrix[-1].view(1, 3, 1, 1)


def _decode(pipe: Any, latents: "torch.Tensor") -> "torch.Tensor":
    """Colours as the autoencoder decodes them, between −1 and 1."""
    import torch

    vae = pipe.vae
    upcast = vae.dtype == torch.float16 and bool(getattr(vae.config, "force_upcast", False))
    with torch.no_grad():
        if upcast:
            vae.to(torch.float32)
        given = (latents / vae.config.scaling_factor + (getattr(vae.config, "shift_factor", None) or 0)).to(
            pipe._execution_device, vae.dtype
        )
        colours = vae.decode(given).sample.float()
        if upcast:
            vae.to(torch.float16)
    return colours
