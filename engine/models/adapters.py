"""The adapters of one loaded model: loaded on demand, one of them (or none) active, the least recently used let go.

Belongs to the thread that owns the model; nobody else may call it. `set_adapter` changes the shared modules in place.
"""

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from engine.adapters.store import Adapter
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
        from peft import PeftModel

        refuse_other_base(adapter, self._name, self._fingerprint)
        self._refuse_other_shapes(adapter)
        if self._peft is None:
            self._peft = PeftModel.from_pretrained(self._model, str(adapter.path), adapter_name=slot)
            self._peft.eval()
        else:
            self._peft.load_adapter(str(adapter.path), adapter_name=slot, is_trainable=False)
        self._slots[slot] = adapter.name
        while len(self._slots) > MOST_LOADED:
            oldest, _ = self._slots.popitem(last=False)
            self._peft.delete_adapter(oldest)
        self._active = slot

    def _refuse_other_shapes(self, adapter: Adapter) -> None:
        """PEFT ignores LoRA weights whose module the base lacks; we must not."""
        from safetensors import safe_open

        modules = dict(self._model.named_modules())
        with safe_open(adapter.path / "adapter_model.safetensors", framework="pt") as file:
            for key in file.keys():  # noqa: SIM118  (safe_open is no dict)
                if not key.endswith("lora_A.weight"):
                    continue
                path = key.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
                width = file.get_slice(key).get_shape()[1]
                if path not in modules or getattr(modules[path], "in_features", width) != width:
                    raise _other_base(adapter, self._name)


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
