"""What speaks for an adapter: its win rate by a reward and by people. For whoever decides; decides nothing itself."""

from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from engine.adapters.store import Adapter
from engine.blind import results
from engine.blind.sessions import all_sessions
from engine.statistics import WinRate


@dataclass(frozen=True)
class Figure:
    """One win rate, with what it is about."""

    win_rate: WinRate
    against: str | None
    """None for the base model."""
    judge: str | None = None
    """The reward; None for people."""
    votes: int = 0
    people: int = 0

    @property
    def better(self) -> bool:
        """Whether the whole interval lies above one half."""
        return self.win_rate.low > 0.5


@dataclass(frozen=True)
class Figures:
    """Both; None where there is none yet."""

    reward: Figure | None
    human: Figure | None

    @property
    def better(self) -> bool:
        """Whether both say that the adapter is better than what was there before."""
        return all(figure is not None and figure.better for figure in (self.reward, self.human))


class _Reported(BaseModel):
    """What a comparison leaves on an adapter's card; a card from elsewhere may hold anything."""

    against: str | None = None
    reward: str | None = None
    win_rate: WinRate | None = None


def figures(adapter: Adapter) -> Figures:
    """The reward's figure from the adapter's card; the people's from its newest blind session with a vote."""
    return Figures(_reward(adapter), _human(adapter))


def _reward(adapter: Adapter) -> Figure | None:
    try:
        reported = _Reported.model_validate(adapter.card.metrics.get("win_rate"))
    except ValidationError:
        return None
    return Figure(reported.win_rate, reported.against, reported.reward) if reported.win_rate else None


def _human(adapter: Adapter) -> Figure | None:
    for session in all_sessions(adapter.name, adapter.fingerprint):
        if rate := results.result(session.id):
            by = results.votes_by(session.id)
            return Figure(rate, session.against, votes=sum(by.values()), people=len(by))
    return None
