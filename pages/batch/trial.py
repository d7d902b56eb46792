"""Real replies to the first rows, before the whole file is asked: the same messages, adapters and settings."""

from dataclasses import dataclass

import streamlit as st

from engine.batch.generation import seed_of
from engine.batch.prompts import Previewed
from engine.batch.replies import JsonRule
from engine.batch.spec import BatchSpec
from engine.errors import StudioError
from engine.models.request import Reply, ReplyStream
from pages.shared import frame
from pages.shared.host import studio_host
from pages.shared.i18n import t
from pages.shared.text import harmless

_TRIAL = "batch.trial"
EVERY = "0.7s"


@dataclass(frozen=True)
class Trial:
    """Replies on their way or there; those of a row by their columns."""

    spec: BatchSpec
    asked: list[Previewed]
    streams: dict[int, dict[str, ReplyStream]]

    @property
    def ended(self) -> bool:
        """Whether all have come."""
        return all(stream.ended for side in self.streams.values() for stream in side.values())

    @property
    def replies(self) -> list[Reply]:
        """Those that came whole."""
        return [stream.wait() for side in self.streams.values() for stream in side.values() if _is_whole(stream)]

    def cancel(self) -> None:
        """End those on their way."""
        for side in self.streams.values():
            for stream in side.values():
                stream.cancel()


def start(spec: BatchSpec, rows: list[Previewed]) -> None:
    """Ask the rows; for a callback."""
    if before := st.session_state.get(_TRIAL):
        before.cancel()
    with frame.errors_shown():
        asked = [row for row in rows if row.problem is None]
        streams = {row.row: {name: _ask(spec, row, adapter) for name, adapter in spec.sides.items()} for row in asked}
        st.session_state[_TRIAL] = Trial(spec, rows, streams)


def trial_of(spec: BatchSpec, rows: list[Previewed]) -> Trial | None:
    """What was tried last, if it was tried with these very settings."""
    trial: Trial | None = st.session_state.get(_TRIAL)
    return trial if trial and trial.asked == rows and _same(trial.spec, spec) else None


def shown(trial: Trial, row: int) -> None:
    """The replies to one row, letter for letter, as far as they have come."""
    for name, stream in trial.streams.get(row, {}).items():
        title = t("Reply") if name == "reply" else t("Reply of the second adapter")
        with st.container(gap=None, key=f"batch.tried.{row}.{name}"):
            st.caption(f":material/smart_toy: {title}")
            with frame.errors_shown():
                if stream.ended:
                    st.text(stream.wait().text or "–", width="stretch")
                    _verdict(trial.spec, stream.wait())
                else:
                    st.text(stream.text or t("Waiting for the model …"), width="stretch")


def _verdict(spec: BatchSpec, reply: Reply) -> None:
    if reply.finish_reason == "length":
        st.caption(f":orange[{t('Cut at {n} tokens: raise the longest reply.', n=reply.tokens)}]")
    if spec.wants_json:
        try:
            JsonRule(spec).json_of(reply.text)
        except StudioError as error:
            st.caption(f":orange[{harmless(t(error.sentence, **error.values))}]")


def _ask(spec: BatchSpec, row: Previewed, adapter: str | None) -> ReplyStream:
    sampling = spec.sampling.model_copy(update={"seed": seed_of(spec.seed, row.row, 0)})  # as in the run
    return studio_host().generate(row.messages, sampling, spec.model, adapter)


def _is_whole(stream: ReplyStream) -> bool:
    try:
        return stream.ended and bool(stream.wait())
    except Exception:  # why is shown beside its row
        return False


def _same(a: BatchSpec, b: BatchSpec) -> bool:
    aside = {"reference", "judge", "batch_size", "uploads"}
    return a.model_dump(exclude=aside) == b.model_dump(exclude=aside)
