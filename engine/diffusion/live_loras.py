"""The adapters in one loaded pipeline: loaded on demand, any number of them active with weights, the least used let go.

Belongs to the thread that owns the pipeline. Weights come from lora_store/ with their true alphas; every layer is compared
with the live module first, because PEFT silently passes over what fits nowhere.
"""

import re
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from engine.adapters.formats.family import FAMILIES
from engine.adapters.lora import Lora, Part, read_lora, settings_of
from engine.adapters.merging.merge import merge_layers
from engine.adapters.store import Adapter, read_adapter
from engine.diffusion.catalog import PictureSource
from engine.diffusion.families import family_of_config
from engine.diffusion.recipe import LoraWeight, Recipe
from engine.errors import BadInput
from engine.models.adapters import refuse_other_base

if TYPE_CHECKING:
    import torch

MOST_LOADED = 8
"""Adapters that stay in memory though they are not active."""
_BLOCK = re.compile(r"text_encoder|(down|mid|up)(\.\d+)?")


def complete(recipe: Recipe, model: str, fingerprint: str, family: str) -> Recipe:
    """The recipe with the fingerprints of its model and adapters; what was there of another is replaced.

    Args:
        recipe: the recipe.
        model: the model's name.
        fingerprint: the model's.
        family: the model's.

    Raises:
        BadInput: there is no such adapter, or it is of another kind or base.
    """
    loras = []
    for lora in recipe.loras:
        if [other.name for other in recipe.loras].count(lora.name) > 1:
            raise BadInput("“{name}” is named twice: give it one weight.", name=lora.name)
        adapter = read_adapter(lora.name, kind="image")
        refuse_other_family(adapter, model, fingerprint, family)
        for block in lora.blocks:
            check_block(block)
        loras.append(lora.model_copy(update={"fingerprint": adapter.fingerprint}))
    return recipe.model_copy(update={"model": model, "model_fingerprint": fingerprint, "loras": loras})


def check_block(block: str) -> None:
    """Refuse what names no part of a picture model.

    Raises:
        BadInput: it names none.
    """
    if not _BLOCK.fullmatch(block):
        raise BadInput(
            "There is no block “{block}”: write text_encoder, down, mid, up, or one of them such as up.1.", block=block
        )


def refuse_other_family(adapter: Adapter, model: str, fingerprint: str, family: str) -> None:
    """Refuse an adapter for another make of model, or of the unnamed makes for another model.

    Raises:
        BadInput: it is for another.
    """
    told = adapter.card.family
    if told in ("sd1", "sd2", "sdxl") or (told and family != "other" and told != family):
        if told != family:
            raise BadInput(
                "The adapter “{adapter}” is for {theirs} and “{model}” is {ours}: choose a model of its kind, or another adapter.",
                adapter=adapter.name,
                theirs=FAMILIES.get(told, told),
                model=model,
                ours=FAMILIES[family],
            )
    elif family == "other":
        refuse_other_base(adapter, model, fingerprint)


class LiveLoras:
    """Which adapters sit in a pipeline and which of them take part.

    Args:
        pipe: the pipeline; LoRA layers are injected into its models in place.
        source: the model it was loaded from.
        fingerprint: the model's.
    """

    def __init__(self, pipe: Any, source: PictureSource, fingerprint: str):
        self._pipe = pipe
        self._name = source.name
        self._fingerprint = fingerprint
        self._slots: OrderedDict[str, str] = OrderedDict()  # slot name → adapter's name, least recently used first

    @property
    def loaded(self) -> list[str]:
        """Names of the adapters in memory."""
        return list(self._slots.values())

    def activate(self, loras: list[LoraWeight]) -> None:
        """Make exactly these adapters take part, with these weights; none gives the base, to the bit.

        Raises:
            BadInput: one is of another kind or base.
        """
        active = []
        for lora in loras:
            adapter = read_adapter(lora.name, kind="image")
            slot = f"{adapter.name.replace('.', '_')}-{adapter.fingerprint}"
            if slot not in self._slots:
                refuse_other_family(adapter, self._name, self._fingerprint, family_of_config(self._pipe.unet.config))
                self._load(slot, adapter.name, read_lora(adapter))
            active.append((slot, lora))
        self._use(active)

    def activate_merged(self, loras: list[LoraWeight], method: str) -> None:
        """Make one adapter take part that these are merged into, in memory; nothing is written.

        Raises:
            BadInput: one is of another kind or base, or they cannot be merged in this way.
        """
        adapters = [read_adapter(lora.name, kind="image") for lora in loras]
        for adapter in adapters:
            refuse_other_family(adapter, self._name, self._fingerprint, family_of_config(self._pipe.unet.config))
        parts = [weighted(read_lora(adapter), lora) for adapter, lora in zip(adapters, loras, strict=True)]
        merged, _ = merge_layers(adapters, parts, [1.0] * len(parts), method)
        slot = f"merged-{method}"
        self._delete(slot)  # of other adapters
        self._load(slot, method, merged)
        self._use([(slot, LoraWeight(name=method))])
        self._slots.move_to_end(slot, last=False)  # the first to go: nobody asks for the same again

    def _use(self, active: list[tuple[str, LoraWeight]]) -> None:
        for slot, _ in active:
            self._slots.move_to_end(slot)
        self._let_go(keep={slot for slot, _ in active})
        for part, path, layer in self._layers():
            here = [(slot, lora) for slot, lora in active if slot in layer.lora_A]
            layer.enable_adapters(bool(here))
            if here:
                layer.set_adapter([slot for slot, _ in here], inference_mode=True)
                for slot, lora in here:
                    layer.set_scale(slot, weight_at(lora, part, path))

    def _layers(self) -> "Iterator[tuple[str, str, Any]]":
        from peft.tuners.lora import LoraLayer

        for part, model in parts_of(self._pipe).items():
            for path, module in model.named_modules():
                if isinstance(module, LoraLayer):
                    yield part, path, module

    def _load(self, slot: str, name: str, lora: Lora) -> None:
        models = parts_of(self._pipe)
        check_shapes(models, lora, name, self._name)
        offloaded = _take_back(self._pipe)
        for part, layers in lora.items():
            inject(models[part], layers, slot)
        if offloaded:
            from engine.diffusion.pipelines import Placement, place

            place(self._pipe, Placement.from_settings())
        self._slots[slot] = name

    def _let_go(self, keep: set[str]) -> None:
        spare = [slot for slot in self._slots if slot not in keep]
        for slot in spare[: max(0, len(self._slots) - max(MOST_LOADED, len(keep)))]:
            self._delete(slot)

    def _delete(self, slot: str) -> None:
        from diffusers.utils.peft_utils import delete_adapter_layers

        if self._slots.pop(slot, None) is not None:
            for model in parts_of(self._pipe).values():
                delete_adapter_layers(model, slot)
                getattr(model, "peft_config", {}).pop(slot, None)


def parts_of(pipe: Any) -> dict[str, Any]:
    """The models of a pipeline that an adapter may have a part for."""
    names = ("unet", "text_encoder", "text_encoder_2")
    return {name: part for name in names if (part := getattr(pipe, name, None)) is not None}


def inject(model: Any, layers: Part, slot: str) -> None:
    """Put layers into a model beside those that are there."""
    from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict

    config = LoraConfig(**{**settings_of(layers, anchor=""), "lora_dropout": 0.0})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is one already
        inject_adapter_in_model(config, model, slot, low_cpu_mem_usage=True)
    tensors: dict[str, torch.Tensor] = {}
    for path, layer in layers.items():
        tensors[f"{path}.lora_A.weight"], tensors[f"{path}.lora_B.weight"] = layer.a, layer.b
    left = set_peft_model_state_dict(model, tensors, adapter_name=slot, low_cpu_mem_usage=True).unexpected_keys
    assert not left, left  # their modules were compared before
    device, dtype = model.device, model.dtype
    for name, parameter in model.named_parameters():
        if f".{slot}." in name:
            parameter.data = parameter.data.to(device, dtype)
            parameter.requires_grad_(False)


def check_shapes(models: dict[str, Any], lora: Lora, name: str, model: str) -> None:
    """Refuse an adapter with layers that the pipeline does not have, or has in other sizes.

    Raises:
        BadInput: it has.
    """
    for part, layers in lora.items():
        modules = dict(models[part].named_modules()) if part in models else {}
        for path, layer in layers.items():
            weight = getattr(getattr(modules.get(path), "base_layer", modules.get(path)), "weight", None)
            made_for = (layer.b.shape[0], *layer.a.shape[1:])
            if weight is None or tuple(weight.shape) != made_for:
                raise BadInput(
                    "The adapter “{adapter}” does not fit “{model}”: its layer {layer} is not there or has other sizes. Choose "
                    "the model it was made for.",
                    adapter=name,
                    model=model,
                    layer=f"{part}.{path}",
                )


def weighted(lora: Lora, weight: LoraWeight) -> Lora:
    """The layers with their weights in their alphas."""
    return {
        part: {
            path: replace(layer, alpha=layer.alpha * weight_at(weight, part, path)) for path, layer in layers.items()
        }
        for part, layers in lora.items()
    }


def weight_at(lora: LoraWeight, part: str, path: str) -> float:
    """How strongly an adapter takes part in one layer: by its block, its level, or all over."""
    if part != "unet":
        return lora.blocks.get("text_encoder", lora.weight)
    words = path.split(".")
    level = words[0].removesuffix("_blocks").removesuffix("_block")  # down_blocks.1.… is in `down` and in `down.1`
    one = f"{level}.{words[1]}" if len(words) > 1 else level
    return lora.blocks.get(one, lora.blocks.get(level, lora.weight))


def _take_back(pipe: Any) -> bool:
    """Undo offloading while layers are put in; whether there was any."""
    offloaded = any(hasattr(model, "_hf_hook") for model in parts_of(pipe).values())
    if offloaded and not getattr(pipe, "hf_device_map", None):
        pipe.remove_all_hooks()
        return True
    return False
