"""Which model and which LoRA people like pictures of: shares with their uncertainty. Withdrawn people are left out.

A LoRA counts with whatever weight it had. What was judged is told by its recipe, so pictures that are gone count too.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from engine.feedback.pictures import PictureJudgement
from engine.feedback.withdrawn import withdrawn
from engine.statistics import WinRate, wilson, win_rate

_OUTCOMES = {"a": 1.0, "tie": 0.5, "both_bad": 0.5, "b": 0.0}


@dataclass
class Standing:
    """What people think of the pictures of one model, or of one LoRA."""

    good: int = 0
    bad: int = 0
    outcomes: list[float] = field(default_factory=list)
    """Of comparisons with pictures made otherwise: 1 for a win, 0.5 for a tie, 0 for a loss."""

    @property
    def good_share(self) -> float | None:
        """Good among all verdicts, 0 to 1; None without any."""
        judged = self.good + self.bad
        return self.good / judged if judged else None

    @property
    def good_interval(self) -> tuple[float, float]:
        """Between which values the share truly lies, with 95 % confidence."""
        return wilson(self.good, self.good + self.bad)

    @property
    def win_rate(self) -> WinRate | None:
        """Against pictures made otherwise; None without a comparison with such."""
        return win_rate(self.outcomes)


@dataclass(frozen=True)
class PictureFigures:
    """The judgements of pictures, counted."""

    rows: int
    good: int
    bad: int
    comparisons: int
    models: dict[str, Standing]
    loras: dict[str, Standing]
    """"" is for pictures without any."""

    @property
    def good_share(self) -> float | None:
        """Good among all verdicts, 0 to 1; None without any."""
        return Standing(self.good, self.bad).good_share


def figures(rows: Iterable[PictureJudgement]) -> PictureFigures:
    """Count judgements by model and by LoRA; the best liked come first."""
    gone = withdrawn()
    counted = [row for row in rows if row.annotator not in gone]
    return PictureFigures(
        rows=len(counted),
        good=sum(row.verdict == "good" for row in counted),
        bad=sum(row.verdict == "bad" for row in counted),
        comparisons=sum(row.kind == "comparison" for row in counted),
        models=_standings(counted, lambda recipe: {str(recipe.get("model", ""))}),
        loras=_standings(counted, lambda recipe: {str(lora["name"]) for lora in recipe.get("loras", [])} or {""}),
    )


def _standings(rows: list[PictureJudgement], names: Callable[[dict], set[str]]) -> dict[str, Standing]:
    found: dict[str, Standing] = {}
    for row in rows:
        if row.verdict:
            for name in names(row.recipe):
                standing = found.setdefault(name, Standing())
                standing.good += row.verdict == "good"
                standing.bad += row.verdict == "bad"
        for name, outcome in _outcomes(row, names):
            found.setdefault(name, Standing()).outcomes.append(outcome)
    return dict(sorted(found.items(), key=lambda item: -(item[1].good_share or 0)))


def _outcomes(row: PictureJudgement, names: Callable[[dict], set[str]]) -> Iterator[tuple[str, float]]:
    """Of each name that only one side has, how that side fared."""
    if row.winner and row.recipe_b:
        won, (a, b) = _OUTCOMES[row.winner], (names(row.recipe), names(row.recipe_b))
        yield from ((name, won) for name in sorted(a - b))
        yield from ((name, 1 - won) for name in sorted(b - a))
