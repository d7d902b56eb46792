"""Whether a model may decode many requests on one cache, and how much that cache takes: tried out on the loaded model, with
six tokens. Its family's name is not asked for.
"""

import logging
from typing import TYPE_CHECKING, Any

from engine.devices import devices
from engine.models.loader import device_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CACHE_SHARE = 0.5
"""Of the memory that is free once the model is loaded, what keys and values may take; prompts and growing need the rest."""

_log = logging.getLogger(__name__)


def tokens_that_fit(model: "PreTrainedModel") -> int | None:
    """How many tokens of all requests together the shared cache may hold; None if the model cannot share one."""
    try:
        return _tokens_that_fit(model) if _is_plain(model) and _same_in_company(model) else None
    except Exception as error:  # whatever a model's own code does with what it was not made for
        _log.info("one request at a time: %s", error)
        return None


def _is_plain(model: "PreTrainedModel") -> bool:
    """Whether every token attends to all before it, by positions that company does not change."""
    from transformers.cache_utils import DynamicCache, DynamicLayer

    config: Any = model.config.get_text_config()
    # these kinds of rotary embedding look at the longest row, and would change the others
    rope = str(getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or "")
    if "dynamic" in rope or "longrope" in rope:
        return False
    layers = DynamicCache(config=model.config).layers
    return config._attn_implementation in ("sdpa", "eager") and all(type(layer) is DynamicLayer for layer in layers)


def _same_in_company(model: "PreTrainedModel") -> bool:
    """Whether the third token of a row comes out the same beside a longer row as alone."""
    import torch
    from transformers import DynamicCache

    from engine.models.row_cache import RowCache

    device = device_of(model)
    short, long, following = [5, 6, 7], [8, 9, 10, 11, 12], [13, 14]
    with torch.inference_mode():
        alone = model(input_ids=torch.tensor([[*short, 13]], device=device), use_cache=False).logits[0, -1]
        prompts: Any = DynamicCache(config=model.config)
        padded = torch.tensor([[*short, 0, 0], long], device=device)
        prompts = model(input_ids=padded, past_key_values=prompts, use_cache=True).past_key_values
        cache = RowCache()
        cache.add(prompts, [len(short), len(long)])
        places, mask = cache.begin(device)
        company = model(
            input_ids=torch.tensor(following, device=device)[:, None],
            position_ids=places,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
        ).logits[0, -1]
    tolerance = 1e-3 if alone.dtype == torch.float32 else 5e-2
    return bool((company - alone).abs().max() <= tolerance * alone.abs().max())


def _tokens_that_fit(model: "PreTrainedModel") -> int:
    import torch
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    with torch.inference_mode():
        model(input_ids=torch.tensor([[5]], device=device_of(model)), past_key_values=cache, use_cache=True)
    each: dict[str, int] = {}
    layers: Any = cache  # it is typed as if one could be empty
    for keys, values, _ in layers:
        each[str(keys.device)] = each.get(str(keys.device), 0) + keys.nbytes + values.nbytes
    return min(int(CACHE_SHARE * _free(device) / size) for device, size in each.items())


def _free(device: str) -> int:
    import torch

    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(device)[0]
    return devices()[-1].free
