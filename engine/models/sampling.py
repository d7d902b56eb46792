"""The next token of many requests at once, from the model's logits: penalty, temperature, top-k, top-p, then one draw each.

transformers' processors sort the whole vocabulary for every row, which takes longer than the model does; here the likeliest
few are looked at first, and only a row that they are not enough for is sorted. What may be drawn is the same. Each draw is
one number of the request's own generator, so company changes nothing.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from engine.models.generation import Generation

CANDIDATES = 256
"""Tokens that are looked at before the whole vocabulary is sorted."""


def choose(logits: "torch.Tensor", rows: "list[Generation]") -> list[int]:
    """The next token of each request.

    Args:
        logits: one row a request, the vocabulary's width.
        rows: the requests.
    """
    logits = _penalised(logits, rows)
    chosen = logits.argmax(-1).tolist()
    drawn = [place for place, row in enumerate(rows) if row.sampling.temperature > 0]
    if drawn:
        tokens = _draw(logits[drawn].float(), [rows[place] for place in drawn])
        for place, token in zip(drawn, tokens, strict=True):
            chosen[place] = token
    return chosen


def _penalised(logits: "torch.Tensor", rows: "list[Generation]") -> "torch.Tensor":
    import torch

    penalised = [place for place, row in enumerate(rows) if row.sampling.repetition_penalty != 1.0]
    if not penalised:
        return logits
    logits = logits.float().clone()
    for place in penalised:
        penalty = rows[place].sampling.repetition_penalty
        seen = torch.tensor(list(set(rows[place].ids)), device=logits.device)
        scores = logits[place, seen]
        logits[place, seen] = torch.where(scores < 0, scores * penalty, scores / penalty)
    return logits


def _draw(logits: "torch.Tensor", rows: "list[Generation]") -> list[int]:
    import torch

    temperatures = logits.new_tensor([row.sampling.temperature for row in rows])
    scores = logits / temperatures[:, None]
    total = scores.logsumexp(-1, keepdim=True)
    uniforms = torch.cat([torch.rand(1, generator=row.generator, dtype=torch.double) for row in rows])
    # by which order of the tokens a row is drawn: the vocabulary's, the likeliest few, or all of them sorted
    values, order = scores.topk(min(CANDIDATES, scores.shape[1]))
    reached = (values - total).exp().sum(-1).tolist()
    plans: dict[str, list[int]] = {"all": [], "few": [], "sorted": []}
    for place, (row, mass) in enumerate(zip(rows, reached, strict=True)):
        plans[_plan(row, mass, values.shape[1])].append(place)
    tokens = [0] * len(rows)
    for plan, places in plans.items():
        if not places:
            continue
        chosen, mine = [rows[place] for place in places], uniforms[places]
        if plan == "few":
            picked = order[places].gather(1, _pick(values[places], total[places], chosen, mine))
        elif plan == "sorted":
            down, by = scores[places].sort(-1, descending=True)
            picked = by.gather(1, _pick(down, total[places], chosen, mine))
        else:
            picked = _invert((scores[places] - total[places]).exp().double(), mine)
        for place, token in zip(places, picked[:, 0].tolist(), strict=True):
            tokens[place] = token
    return tokens


def _plan(row: "Generation", mass: float, candidates: int) -> str:
    sampling = row.sampling
    if sampling.top_k:
        return "few" if sampling.top_k <= candidates else "sorted"
    if sampling.top_p == 1:
        return "all"
    return "few" if mass > sampling.top_p else "sorted"


def _pick(
    values: "torch.Tensor", total: "torch.Tensor", rows: "list[Generation]", uniforms: "torch.Tensor"
) -> "torch.Tensor":
    """A place in each row of scores in falling order, `[rows, 1]`."""
    import torch

    width = values.shape[1]
    likely = (values - total).exp().double()
    most = torch.tensor([row.sampling.top_k or width for row in rows], device=values.device)
    likely[torch.arange(width, device=values.device) >= most[:, None]] = 0
    limited = torch.tensor([bool(row.sampling.top_k) for row in rows], device=values.device)[:, None]
    likely = torch.where(limited, likely / likely.sum(-1, keepdim=True), likely)
    shares = likely.new_tensor([row.sampling.top_p for row in rows])[:, None]
    before = likely.cumsum(-1) - likely
    likely[(before >= shares) & (shares < 1)] = 0  # a token stays as long as those before it are not enough
    return _invert(likely, uniforms)


def _invert(weights: "torch.Tensor", uniforms: "torch.Tensor") -> "torch.Tensor":
    """The place at which the running sum of a row's weights passes its share of the whole."""
    import torch

    sums = weights.cumsum(-1)
    targets = uniforms.to(sums.device)[:, None] * sums[:, -1:]
    places = torch.searchsorted(sums, targets, right=True)
    last = (sums < sums[:, -1:]).sum(-1, keepdim=True)  # of those that have any weight
    return places.minimum(last)
