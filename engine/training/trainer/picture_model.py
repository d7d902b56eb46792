"""A Stable Diffusion with a LoRA to be trained, as one module: what guesses the noise in pictures under their prompts.

The base is frozen. Where the text encoder is not trained, prompts come in already encoded.
"""

from dataclasses import dataclass
from typing import Any

import torch
from diffusers.training_utils import cast_training_params
from peft import LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor, nn

from engine.adapters.lora import Layer, Lora
from engine.training.dreambooth_spec import DreamboothSpec

ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
CONVOLUTIONS = ["conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv"]
TEXT = ["q_proj", "k_proj", "v_proj", "out_proj"]


@dataclass
class Words:
    """Prompts, a row each: as numbers of tokens for each text encoder, or encoded."""

    tokens: list[Tensor] | None = None
    encoded: Tensor | None = None
    pooled: Tensor | None = None
    """SDXL's second encoding, one vector a prompt."""

    def __getitem__(self, rows: Tensor) -> "Words":
        def take(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor[rows]

        return Words(self.tokens and [each[rows] for each in self.tokens], take(self.encoded), take(self.pooled))


class PictureModel(nn.Module):
    """The UNet, and the text encoders where they are trained, with fresh adapters in them.

    Args:
        pipe: the base; its parts are changed.
        spec: what to train.
    """

    def __init__(self, pipe: Any, spec: DreamboothSpec):
        super().__init__()
        torch.manual_seed(spec.seed)  # LoRA's A is random
        self.is_xl = pipe.unet.config.addition_embed_type == "text_time"
        encoders = text_encoders(pipe)
        for part in (pipe.vae, pipe.unet, *encoders.values()):
            part.requires_grad_(False)
        more = CONVOLUTIONS if spec.target_modules == "attention-and-convolutions" else []
        self.unet = pipe.unet
        self._dtype = pipe.unet.dtype
        self.unet.add_adapter(_config(spec.rank, spec.alpha, ATTENTION + more))
        self.text = nn.ModuleDict()
        if spec.train_text_encoder:
            self.text.update(encoders)
            for encoder in encoders.values():
                encoder.add_adapter(_config(spec.text_rank, spec.text_alpha, TEXT))
        cast_training_params([self.unet, *self.text.values()], torch.float32)
        if spec.gradient_checkpointing:
            self.unet.enable_gradient_checkpointing()
            for encoder in encoders.values() if spec.train_text_encoder else ():
                encoder.activation_checkpointing_enable()

    def forward(self, noisy: Tensor, time: Tensor, words: Words, sizes: Tensor) -> Tensor:
        """What the model guesses: the noise, or the velocity.

        Args:
            noisy: latents with noise.
            time: a row's time step.
            words: the rows' prompts.
            sizes: of each row, six numbers that SDXL is told: height and width before cropping, what was cropped at the
                top and left, height and width now.
        """
        if words.tokens is not None:
            words = encode(list(self.text.values()), words.tokens)
        assert words.encoded is not None
        more = {"text_embeds": words.pooled, "time_ids": sizes} if self.is_xl else None
        encoded = words.encoded.to(self._dtype)
        return self.unet(noisy.to(self._dtype), time, encoded, added_cond_kwargs=more, return_dict=False)[0].float()

    def parts(self) -> dict[str, Any]:
        """The models that are trained, by their folders' names in a pipeline."""
        return {"unet": self.unet, **dict(self.text.items())}

    def trained(self) -> dict[str, Tensor]:
        """The adapter's weights: what a checkpoint keeps."""
        return {
            f"{part}.{name}": tensor
            for part, model in self.parts().items()
            for name, tensor in get_peft_model_state_dict(model).items()
        }

    def put_back(self, trained: dict[str, Tensor]) -> None:
        """Go on with the weights that `trained` gave."""
        for part, model in self.parts().items():
            own = {name.removeprefix(f"{part}."): each for name, each in trained.items() if name.startswith(f"{part}.")}
            set_peft_model_state_dict(model, own)

    def lora(self) -> Lora:
        """The adapter as the store writes it."""
        found: Lora = {}
        for part, model in self.parts().items():
            weights = {name: tensor.cpu().float() for name, tensor in get_peft_model_state_dict(model).items()}
            alpha = model.peft_config["default"].lora_alpha
            paths = [name.removesuffix(".lora_A.weight") for name in weights if name.endswith(".lora_A.weight")]
            found[part] = {
                path: Layer(weights[f"{path}.lora_A.weight"], weights[f"{path}.lora_B.weight"], float(alpha))
                for path in paths
            }
        return found


def text_encoders(pipe: Any) -> dict[str, Any]:
    """A pipeline's text encoders by name: one, or SDXL's two."""
    names = ("text_encoder", "text_encoder_2")
    return {name: part for name in names if (part := getattr(pipe, name, None)) is not None}


def tokenize(pipe: Any, prompts: list[str]) -> list[Tensor]:
    """The prompts' numbers of tokens, for each text encoder of a pipeline."""
    tokenizers = filter(None, (getattr(pipe, name, None) for name in ("tokenizer", "tokenizer_2")))
    return [
        each(
            prompts, padding="max_length", max_length=each.model_max_length, truncation=True, return_tensors="pt"
        ).input_ids
        for each in tokenizers
    ]


def encode(encoders: list[Any], tokens: list[Tensor]) -> Words:
    """Encode as Stable Diffusion does: by the last layer; SDXL by the last but one of both encoders, and a vector of the second."""
    if len(encoders) == 1:
        return Words(encoded=encoders[0](tokens[0])[0])
    outputs = [encoder(ids, output_hidden_states=True) for encoder, ids in zip(encoders, tokens, strict=True)]
    return Words(encoded=torch.cat([each.hidden_states[-2] for each in outputs], dim=-1), pooled=outputs[-1][0])


def _config(rank: int, alpha: float, modules: list[str]) -> LoraConfig:
    return LoraConfig(r=rank, lora_alpha=alpha, target_modules=modules)  # pyright: ignore[reportArgumentType]  (a fraction works)
