"""How a drawing comes along, and what came of it: large, to be judged, and with the ways on."""

from collections.abc import Callable

import streamlit as st

from engine.diffusion import gallery
from engine.diffusion.at_work import Work
from engine.diffusion.gallery import Picture
from engine.errors import DISK_FULL, StudioError, is_disk_full
from engine.feedback import pictures as judgements
from engine.feedback.schema import Winner
from pages.image.draw_picture import picture_card
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.labels import duration
from pages.shared.picture_host import works
from pages.shared.text import harmless

SEEN = "draw.seen"
"""The work that this session has seen going on: how it ended is said here, and not in the sessions after it."""
_TAKEN = "draw.taken"
"""The work whose pictures this session has taken over."""


def results(form: Form, example: Callable[[Form], None]) -> None:
    """The right side of the page.

    Args:
        form: what came of the last drawing is remembered in it.
        example: a callback that draws one.
    """
    work = works().of(frame.person())
    if work and not work.ended and not work.cancelled:
        st.session_state[SEEN] = work
        st.fragment(_live, run_every="0.7s")(work)
        return
    if work and work.ended:
        _take(form, work)
    if work and work is st.session_state.get(SEEN):
        _ending(work)
    shown = _kept(st.session_state[form.key("shown")])
    if shown:
        _pictures(shown)
    else:
        _empty(form, example)


def _live(work: Work) -> None:
    if work.ended or work.cancelled:
        st.rerun()
    progress = work.progress
    if progress is None:
        st.progress(0.0, t("Waiting for the model …"))
    else:
        left = work.seconds_left
        text = t("Step {step} of {steps}", step=progress.step, steps=progress.steps)
        if left is not None and left > 3:
            text += " · " + t("about {time} left", time=duration(left))
        st.progress(min(1.0, progress.step / max(1, progress.steps)), text)
    st.button(t("Cancel"), icon=":material/stop_circle:", key="draw.cancel", on_click=work.cancel)
    if progress and progress.previews:
        side = max(progress.previews[0].size)
        st.image(progress.previews[0], width=512 if side <= 512 else "stretch")


def _take(form: Form, work: Work) -> None:
    """Remember what a work made, once."""
    if st.session_state.get(_TAKEN) is work:
        return
    st.session_state[_TAKEN] = work
    if work.pictures:
        st.session_state[form.key("shown")] = [picture.id for picture in work.pictures]
        form.save()


def _ending(work: Work) -> None:
    error = work.error
    if isinstance(error, StudioError):
        st.error(harmless(t(error.sentence, **error.values)), icon=":material/error:")
    elif error and is_disk_full(error):
        st.error(t(DISK_FULL), icon=":material/error:")
    elif error:
        st.error(t("The drawing failed; the studio's log says why."), icon=":material/error:")
    elif not work.pictures:
        st.caption(t("Stopped."))


def _kept(ids: list[str]) -> list[Picture]:
    found = []
    for one in ids:
        try:
            found.append(gallery.get(one))
        except StudioError:  # deleted meanwhile
            continue
    return found


def _pictures(shown: list[Picture]) -> None:
    said = judgements.judgements_of([picture.id for picture in shown], frame.person())
    if len(shown) == 1:
        picture_card(shown[0], said.get(shown[0].id), large=True)
        return
    with st.grid(2, min_column_width=170):
        for picture in shown:
            with st.container():
                picture_card(picture, said.get(picture.id))
    if len(shown) == 2:
        _choice(*shown)


def _choice(a: Picture, b: Picture) -> None:
    answers: dict[Winner, str] = {
        "a": t("The left one is better"),
        "tie": t("Both alike"),
        "b": t("The right one is better"),
    }
    with st.container(horizontal=True, horizontal_alignment="center", key="draw.choice"):
        for winner, label in answers.items():
            st.button(label, key=f"draw.choice.{winner}.{a.id}", on_click=_choose, args=(a, b, winner))
    if st.session_state.get("draw.chosen") == (a.id, b.id):
        st.caption(f":material/check: {t('Saved, thank you')}")


def _choose(a: Picture, b: Picture, winner: Winner) -> None:
    with frame.errors_shown():
        judgements.compare(a, b, winner, "a", frame.person())
        st.session_state["draw.chosen"] = (a.id, b.id)


def _empty(form: Form, example: Callable[[Form], None]) -> None:
    with st.container(border=True, key="draw.empty"):
        st.subheader(t("Nothing drawn yet"))
        st.markdown(
            t(
                "Write what the picture shall show and press Draw. Or give a few words as an idea, and the chat model writes the prompt. "
                "Every picture is kept in the gallery with all that is needed to draw it again."
            )
        )
        st.button(
            t("Draw an example"), icon=":material/auto_awesome:", key="draw.example", on_click=example, args=(form,)
        )
