"""The adapters of one loaded model: loaded on demand, for all of a forward pass or row by row, the least recently used let go.

Belongs to the thread that owns the model; nobody else may call it. `set_adapter` changes the shared modules in place.
"""

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Any

from engine.adapters.store import WEIGHTS, Adapter
from engine.errors import BadInput
from engine.models.loader import PATCHED
from engine.models.lora_rows import LoraRows, is_plain_lora

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
        self._plain: set[str] = set()  # slots that may be mixed
        self._held: Counter[str] = Counter()  # how many requests in progress need each slot
        self._active: str | None = None  # whose layers PEFT computes in every row
        self._rows: LoraRows | None = None

    @property
    def loaded(self) -> list[str]:
        """Names of the adapters in memory."""
        return list(self._slots.values())

    def has_room(self, slot: str | None) -> bool:
        """Whether it is loaded or may be: as many as there are slots can be in use at once."""
        return slot is None or slot in self._slots or len(+self._held) < MOST_LOADED

    def hold(self, adapter: Adapter | None, slot: str | None) -> None:
        """Load an adapter, if need be, into the slot that `slot_of` gave, and keep it until `release`.

        Raises:
            BadInput: the adapter was made for another base.
        """
        if adapter is not None and slot is not None:
            self._ready(adapter, slot)
            self._held[slot] += 1

    def release(self, slot: str | None) -> None:
        """One request fewer needs it."""
        if slot is not None:
            self._held[slot] -= 1

    def can_mix(self, slot: str | None) -> bool:
        """Whether rows of a batch may have this adapter while others have another."""
        return slot is None or slot in self._plain

    def mix(self, rows: list[str | None]) -> None:
        """Make each row of the next forward passes answer with its own slot; all must be held and fit to be mixed."""
        if self._peft is None:
            return
        self._switch_off()
        self._rows = self._rows or LoraRows(self._peft)
        self._rows.join(tuple(sorted((+self._held).keys() & self._plain)))
        self._rows.choose(rows)

    def activate(self, adapter: Adapter | None) -> None:
        """Make the model answer with this adapter, or as the base, in every row.

        Raises:
            BadInput: the adapter was made for another base.
        """
        slot = slot_of(adapter)
        if adapter is not None and slot is not None:
            self._ready(adapter, slot)
        self.use(slot)

    def use(self, slot: str | None) -> None:
        """The same with the slot of an adapter that is held."""
        if self._rows:
            self._rows.silence()
        if slot is None:
            self._switch_off()
        elif slot != self._active:
            self._peft.base_model.set_adapter(slot, inference_mode=True)
            if self._active is None:
                self._peft.base_model.enable_adapter_layers()
            self._active = slot

    def _switch_off(self) -> None:
        if self._active is not None:
            self._peft.base_model.disable_adapter_layers()
            self._active = None

    def _ready(self, adapter: Adapter, slot: str) -> None:
        if slot not in self._slots:
            self._load(adapter, slot)
        self._slots.move_to_end(slot)

    def _load(self, adapter: Adapter, slot: str) -> None:
        from peft import PeftConfig, PeftModel, set_peft_model_state_dict
        from safetensors.torch import load_file

        refuse_other_base(adapter, self._name, self._fingerprint)
        self._refuse_other_shapes(adapter)
        config = PeftConfig.from_pretrained(str(adapter.path))
        config.inference_mode = True
        weights = load_file(adapter.path / WEIGHTS)
        # not PeftModel.from_pretrained: on an offloaded base it would undo the dispatch and make another
        with PATCHED:
            if self._peft is None:
                self._peft = PeftModel(self._model, config, adapter_name=slot, low_cpu_mem_usage=True)
            else:
                self._peft.add_adapter(slot, config, low_cpu_mem_usage=True)
        set_peft_model_state_dict(self._peft, weights, adapter_name=slot, low_cpu_mem_usage=True)
        _place_beside_offloaded(self._peft, weights, slot)
        self._peft.eval()
        self._slots[slot] = adapter.name
        if is_plain_lora(self._peft, slot):
            self._plain.add(slot)
        for oldest in [other for other in self._slots if other != slot and not self._held[other]]:
            if len(self._slots) > MOST_LOADED:
                del self._slots[oldest]
                self._plain.discard(oldest)
                self._peft.delete_adapter(oldest)
        self._peft.base_model.disable_adapter_layers()  # what was injected just now is switched on
        self._active = None

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


def slot_of(adapter: Adapter | None) -> str | None:
    """The name of an adapter's slot, another one once it has been trained anew; None for the base."""
    return adapter and f"{adapter.name.replace('.', '_')}-{adapter.fingerprint}"


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
