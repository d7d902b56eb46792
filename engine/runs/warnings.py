"""Warnings about a training on preferences: the known ways in which it goes wrong, told from its curves in plain language.

Each warning is one small function that compares the end of a run with its beginning. It knows nothing of models and
stops nothing: a person decides.
"""

import math
from dataclasses import dataclass, field
from statistics import mean, pstdev

from engine.runs.curves import Point

Points = dict[str, list[Point]]
"""Curves by name, as `engine.runs.curves.Curves.points`; what is missing warns of nothing."""

LEAST = 20
"""Points below which a curve of steps is too short for a beginning and an end."""
LEAST_SAMPLED = 4
"""The same for divergence and length, which DPO and KTO measure on their sample answers alone, every so many steps."""
PART = 0.1
"""The beginning and the end of a curve: the mean of this share of its points each."""
RISE = 1.0
"""Standard deviations of a curve by which its end must lie above its beginning to have risen. An even rise makes 3.1 of
them; noise around a level stays below 0.5 in two of three curves of a hundred points."""
MOST_KL = 10.0
"""Nats a reply. In Stiennon et al. 2020 (https://arxiv.org/abs/2009.01325, figure 5) people like replies the better up to
about this divergence, and less beyond, while the reward model's score goes on rising."""
KL_GROWTH, LEAST_KL = 3.0, 5.0
"""So many times the divergence half-way, once it is half of `MOST_KL`: an even rise only doubles it. Where over-optimisation
sets in depends on the reward model (Gao et al. 2022, https://arxiv.org/abs/2210.10760), and DPO knows it too (Rafailov et
al. 2024, https://arxiv.org/abs/2406.02900)."""
LENGTH_GROWTH = 1.5
"""Rewards often rise through length alone (Singhal et al. 2023, https://arxiv.org/abs/2310.03716)."""
CHOSEN_FALL = 0.2
"""Share of the log-probability of the chosen replies at the beginning. DPO widens margins at the price of both replies;
Pal et al. 2024 (https://arxiv.org/abs/2402.13228) show that this harms the model."""
FULL_ACCURACY, NO_LOSS = 0.99, 0.01
"""Nothing is left to learn: every pair is ranked right, and the loss is a seventieth of the ln 2 that it begins with."""
ENTROPY_LEFT = 0.3
"""Share of the beginning's entropy. A policy that samples the same reply every time learns nothing more (Cui et al. 2025,
https://arxiv.org/abs/2505.22617)."""
NO_SPREAD = 1e-4
"""Standard deviation of the rewards that stands for none; rewards of a useful size differ by 0.01 and more."""


@dataclass(frozen=True)
class Caution:
    """One warning: an English sentence with gaps, the key of its translation, and what fills them."""

    sentence: str
    values: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.sentence.format(**self.values)


def warnings(points: Points, method: str) -> list[Caution]:
    """All that should worry a person about a run so far.

    Args:
        points: the run's curves.
        method: `reward`, `dpo`, `kto` or `rloo`; of other runs nothing is known.
    """
    return [caution for check in _CHECKS.get(method, ()) if (caution := check(points))]


def reward_hacking(points: Points) -> Caution | None:
    """The reward rises while the policy runs away from where it began."""
    kl = _reply_kl(points)
    last = _ends(kl, LEAST_SAMPLED)[1]
    explodes = last > max(LEAST_KL, KL_GROWTH * _ends(kl[len(kl) // 2 :], LEAST_SAMPLED)[0])
    if not _gains(points) or not (explodes or last > MOST_KL):
        return None
    return Caution(
        "The reward rises while the model drifts far from where it began (KL {kl} nats a reply): it may have found a way "
        "to please the reward alone. Read the sample answers; a higher beta or a lower learning rate holds it back.",
        {"kl": f"{last:.1f}"},
    )


def growing_length(points: Points) -> Caution | None:
    """The reward rises, and with it the length."""
    first, last = _ends(points.get("length", []), LEAST_SAMPLED)
    if not _gains(points) or not last > LENGTH_GROWTH * first:
        return None
    return Caution(
        "Replies grow with the reward, from {first} to {last} tokens: it may be length that is rewarded. Compare the win "
        "rate at equal length, or reward shorter replies too.",
        {"first": f"{first:.0f}", "last": f"{last:.0f}"},
    )


def falling_chosen(points: Points) -> Caution | None:
    """The margin grows although the chosen replies become less likely."""
    first, last = _ends(points.get("logps_chosen", []))
    if not _rises(points.get("margin", [])) or not last < first - CHOSEN_FALL * abs(first):
        return None
    return Caution(
        "The chosen replies become less likely too, from {first} to {last} nats: the margin grows only because the "
        "rejected ones fall faster. Try a higher beta, a lower learning rate, or fewer steps.",
        {"first": f"{first:.0f}", "last": f"{last:.0f}"},
    )


def saturated_margin(points: Points) -> Caution | None:
    """Every pair is ranked right already, and training only makes the model surer of it."""
    accuracy, margin, loss = (points.get(name, []) for name in ("accuracy", "margin", "loss"))
    done = _ends(accuracy)[1] >= FULL_ACCURACY
    if not done or not (_rises(margin[len(margin) // 2 :]) or _ends(loss)[1] < NO_LOSS):
        return None
    return Caution(
        "Practically every training pair is ranked right by now: what follows only widens the margin on what is known. "
        "Fewer steps will do, or more varied pairs."
    )


def collapsing_entropy(points: Points) -> Caution | None:
    """The policy answers ever more alike."""
    first, last = _ends(points.get("entropy", []))
    if not last < ENTROPY_LEFT * first:
        return None
    return Caution(
        "The model answers ever more alike: its entropy fell from {first} to {last} nats a token. Raise the temperature "
        "or beta, or lower the learning rate.",
        {"first": f"{first:.2f}", "last": f"{last:.2f}"},
    )


def no_spread(points: Points) -> Caution | None:
    """All replies score the same."""
    if not _ends(points.get("reward_std", []))[1] < NO_SPREAD:
        return None
    return Caution(
        "All replies get the same reward, so there is nothing to learn from: raise the temperature, or choose a reward "
        "that tells replies apart."
    )


_OFF_TRACK = (reward_hacking, growing_length)
_CHECKS = {
    "reward": (saturated_margin,),
    "dpo": (*_OFF_TRACK, falling_chosen, saturated_margin),
    "kto": (*_OFF_TRACK, falling_chosen),
    "rloo": (*_OFF_TRACK, collapsing_entropy, no_spread),
}


def _ends(points: list[Point], least: int = LEAST) -> tuple[float, float]:
    """Mean of the beginning and of the end; not a number, which no comparison holds for, if the curve is too short."""
    if len(points) < least:
        return math.nan, math.nan
    part = max(1, int(len(points) * PART))
    values = [value for _, value in points]
    return mean(values[:part]), mean(values[-part:])


def _rises(points: list[Point]) -> bool:
    first, last = _ends(points)
    return last - first > RISE * pstdev([value for _, value in points] or [0.0])


def _gains(points: Points) -> bool:
    """Whether what is optimised rises: the reward, or the margin of implicit rewards where there is no other."""
    return _rises(points.get("reward") or points.get("margin", []))


def _reply_kl(points: Points) -> list[Point]:
    """Divergence in nats a reply: events have it by token, beside the length."""
    lengths = dict(points.get("length", []))
    return [(step, value * lengths[step]) for step, value in points.get("kl", []) if step in lengths]
