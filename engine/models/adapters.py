"""The adapters of one loaded model: loaded on demand, one of them (or none) active, the least recently used let go.

Belongs to the thread that owns the model; nobody else may call it. `set_adapter` changes the shared modules in place.
"""

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from engine.adapters.store import WEIGHTS, Adapter
from engine.errors import BadInput

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MOST_LOADED = 8


class AdapterSlots:
    """Which adapters sit in a base model.

    Args:
        model: the base; LoRA layers are injected into it in place.
        name: the base's name, for messages.
        fingerprint: the base's, as `catalog.fingerprint` gives it.
    """

    def __init__(self, model: "PreTrainedModel", name: str, fingerprint: str):
        self._model = model
        self._name = name
        self._fingerprint = fingerprint
        self._peft: Any = None  # the PeftModel around the base, from the first adapter on
        self._slots: OrderedDict[str, str] = OrderedDict()  # slot name → adapter's name, least recently used first
        self._active: str | None = None

    @property
    def loaded(self) -> list[str]:
        """Names of the adapters in memory."""
        return list(self._slots.values())

    def activate(self, adapter: Adapter | None) -> None:
        """Make the model answer with this adapter, or as the base.

        Raises:
            BadInput: the adapter was made for another base.
        """
        slot = f"{adapter.name.replace('.', '_')}-{adapter.fingerprint}" if adapter else None
        if slot == self._active:
            return
        if adapter is None or slot is None:
            self._peft.base_model.disable_adapter_layers()
        else:
            if slot not in self._slots:
                self._load(adapter, slot)
            self._slots.move_to_end(slot)
            self._peft.base_model.set_adapter(slot, inference_mode=True)
            if self._active is None:
                self._peft.base_model.enable_adapter_layers()
        self._active = slot

    def _load(self, adapter: Adapter, slot: str) -> None:
        from peft import PeftConfig, PeftModel, set_peft_model_state_dict
        from safetensors.torch import load_file

        refuse_other_base(adapter, self._name, self._fingerprint)
        self._refuse_other_shapes(adapter)
        config = PeftConfig.from_pretrained(str(adapter.path))
        config.inference_mode = True
        weights = load_file(adapter.path / WEIGHTS)
        # not PeftModel.from_pretrained: on an offloaded base it would undo the dispatch and make another
        if self._peft is None:
            self._peft = PeftModel(self._model, config, adapter_name=slot, low_cpu_mem_usage=True)
        else:
            self._peft.add_adapter(slot, config, low_cpu_mem_usage=True)
        set_peft_model_state_dict(self._peft, weights, adapter_name=slot, low_cpu_mem_usage=True)
        _place_beside_offloaded(self._peft, weights, slot)
        self._peft.eval()
        self._slots[slot] = adapter.name
        while len(self._slots) > MOST_LOADED:
            oldest, _ = self._slots.popitem(last=False)
            self._peft.delete_adapter(oldest)

    def _refuse_other_shapes(self, adapter: Adapter) -> None:
        """PEFT ignores LoRA weights whose module the base lacks; we must not."""
        from safetensors import safe_open

        modules = dict(self._model.named_modules())
        with safe_open(adapter.path / WEIGHTS, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118  (safe_open is no dict)
                if not key.endswith("lora_A.weight"):
                    continue
                path = key.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
                width = file.get_slice(key).get_shape()[1]
                if path not in modules or getattr(modules[path], "in_features", width) != width:
                    raise _other_base(adapter, self._name)


def _place_beside_offloaded(model: Any, weights: dict[str, Any], slot: str) -> None:
    """PEFT puts adapter weights where the base's are; an offloaded base's are nowhere (`meta`) until it computes."""
    from accelerate.utils import set_module_tensor_to_device

    modules = dict(model.named_modules())
    for name, parameter in list(model.named_parameters()):
        if parameter.device.type == "meta" and f".{slot}." in name:
            base = modules[name.split(".lora_")[0]].base_layer
            device = getattr(getattr(base, "_hf_hook", None), "execution_device", None)
            value = weights[name.replace(f".{slot}.", ".")]
            set_module_tensor_to_device(model, name, "cpu" if device is None else device, value=value)


def with_adapter(model: "PreTrainedModel", adapter: Adapter, name: str) -> Any:
    """A model with an adapter in it, in eval mode, for whoever needs no other.

    PEFT would pass over weights whose module the base lacks, which would be half an adapter.

    Args:
        model: the base; LoRA layers are injected into it in place.
        adapter: the adapter.
        name: the base's name, for messages.

    Raises:
        BadInput: the adapter was made for another base.
    """
    from peft import PeftConfig, PeftModel, set_peft_model_state_dict
    from safetensors.torch import load_file

    wrapped = PeftModel(model, PeftConfig.from_pretrained(str(adapter.path)))
    try:
        unknown = set_peft_model_state_dict(wrapped, load_file(adapter.path / WEIGHTS)).unexpected_keys
    except RuntimeError:  # shapes differ
        unknown = [WEIGHTS]
    if unknown:
        raise _other_base(adapter, name)
    return wrapped.eval()


def refuse_other_base(adapter: Adapter, name: str, fingerprint: str) -> None:
    """Refuse an adapter whose card names another base, before anything is loaded.

    Args:
        adapter: the adapter.
        name: the base it is to be used with.
        fingerprint: that base's.

    Raises:
        BadInput: both the name and the fingerprint differ from what its card says.
    """
    card = adapter.card
    if card.base_fingerprint not in (None, fingerprint) and card.base_model != name:
        raise _other_base(adapter, name)


def _other_base(adapter: Adapter, name: str) -> BadInput:
    return BadInput(
        "The adapter “{adapter}” was made for {base}, not for {model}: choose that model, or another adapter.",
        adapter=adapter.name,
        base=adapter.card.base_model or "another model",
        model=name,
    )
