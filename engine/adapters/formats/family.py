"""Which make of picture model a LoRA fits: told by the sizes of its layers, and by what its file says where sizes do not tell.

Families: `sd1` (1.4, 1.5), `sd2` (2.0, 2.1), `sdxl`, and `other`: the same architecture in other sizes.
"""

from engine.adapters.lora import Lora
from engine.errors import BadInput

FAMILIES = {"sd1": "SD 1.5", "sd2": "SD 2.1", "sdxl": "SDXL", "other": "another Stable Diffusion"}
_CONTEXT = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
"""Width of the text that the UNet listens to."""
_WIDTHS = (320, 640, 1280)
_TOLD = {
    "sd1": ("sd_v1", "sd_1", "sd1", "stable-diffusion-v1"),
    "sd2": ("sd_v2", "sd_2", "sd2", "stable-diffusion-v2"),
    "sdxl": ("sdxl", "stable-diffusion-xl"),
}
_OTHERS = (
    "flux",
    "sd3",
    "sd_3",
    "stable-diffusion-3",
    "stable-cascade",
    "wan",
    "hunyuan",
    "qwen",
    "lumina",
    "pixart",
    "auraflow",
)
_KEYS = ("ss_base_model_version", "modelspec.architecture")


def family(lora: Lora, metadata: dict[str, str], keys: list[str], name: str) -> str:
    """The family that a LoRA fits.

    Args:
        lora: its layers.
        metadata: of its file's header.
        keys: of its file, where SDXL's are named otherwise.
        name: the file's, for messages.

    Raises:
        BadInput: the file says that it is for no Stable Diffusion.
    """
    told = _told(metadata, name)
    return _by_sizes(lora) or told or _by_names(lora, keys)


def other_family(name: str, what: str) -> BadInput:
    """The refusal of a LoRA for another make of model."""
    return BadInput(
        "“{name}” is a LoRA for another kind of model ({what}): only those for Stable Diffusion 1.5, 2.1, SDXL and their "
        "like can be used.",
        name=name,
        what=what[:120],
    )


def _by_sizes(lora: Lora) -> str | None:
    for path, layer in lora.get("unet", {}).items():
        if path.endswith(("attn2.to_k", "attn2.to_v")):
            known = layer.b.shape[0] in _WIDTHS
            return _CONTEXT.get(layer.a.shape[1], "other") if known else "other"
    return None


def _told(metadata: dict[str, str], name: str) -> str | None:
    for key in _KEYS:
        value = metadata.get(key, "").lower()
        if value.startswith(_OTHERS):
            raise other_family(name, value)
        for told, starts in _TOLD.items():
            if value.startswith(starts):
                return told
    return None


def _by_names(lora: Lora, keys: list[str]) -> str:
    """From names alone: SDXL has a second text encoder, and kohya calls its first `te1`."""
    marks = ("lora_te1_", "lora_te2_", "text_encoder_2.", "lora_unet_input_blocks_", "lora_unet_output_blocks_")
    if "text_encoder_2" in lora or any(key.startswith(marks) for key in keys):
        return "sdxl"
    layers = lora.get("text_encoder", {})
    widths = {layer.a.shape[1] for path, layer in layers.items() if path.endswith(("q_proj", "k_proj", "fc1"))}
    return {frozenset({768}): "sd1", frozenset({1024}): "sd2"}.get(frozenset(widths), "other")
