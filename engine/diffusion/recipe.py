"""What a picture was made with: everything needed to draw it again, to the bit on a CPU.

Plain data. It is kept in the picture's own file (`engine.diffusion.png`), in the gallery and in the form of the Draw page.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Mode = Literal["txt2img", "img2img", "inpaint"]
Scheduler = Literal["ddim", "euler", "euler_a", "dpmpp_2m", "dpmpp_2m_karras", "unipc", "lms", "heun", "pndm", "lcm"]


class LoraWeight(BaseModel):
    """An adapter of lora_store/ and how strongly it takes part; a negative weight takes away."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: str = Field(max_length=200)
    weight: float = Field(default=1.0, ge=-10, le=10)
    blocks: dict[Annotated[str, Field(max_length=60)], Annotated[float, Field(ge=-10, le=10)]] = Field(
        default={}, max_length=100
    )
    """Other weights for parts of the model: `text_encoder`, `down`, `mid`, `up`, or one block such as `up.1`."""
    fingerprint: str | None = Field(default=None, max_length=200)
    """Of the weights that drew the picture: an adapter trained anew under the same name is another."""


class Recipe(BaseModel):
    """One picture. Sizes are in pixels of the picture as drawn."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    mode: Mode = "txt2img"
    prompt: str = Field(default="", max_length=10_000)
    negative_prompt: str = Field(default="", max_length=10_000)
    model: str = Field(default="starter", max_length=1000)
    model_fingerprint: str | None = Field(default=None, max_length=200)
    width: int = Field(default=64, ge=8, le=4096, multiple_of=8)
    height: int = Field(default=64, ge=8, le=4096, multiple_of=8)
    steps: int = Field(default=20, ge=1, le=500)
    guidance_scale: float = Field(default=4.0, ge=0, le=50)
    scheduler: Scheduler = "ddim"
    seed: int = Field(default=0, ge=0, lt=2**63)
    loras: list[LoraWeight] = Field(default=[], max_length=100)
    strength: float | None = Field(default=None, gt=0, le=1)
    """Of img2img and inpainting: how much of the source may change."""
    source: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the source picture's file, which the gallery keeps."""
    mask: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the mask's file; white is drawn anew."""
    idea: str | None = Field(default=None, max_length=10_000)
    """What the person typed, where the chat model wrote the prompt."""
