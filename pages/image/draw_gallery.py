"""The gallery: every picture that was drawn, newest first, found by its words."""

import streamlit as st

from engine.diffusion import gallery
from engine.diffusion.gallery import Picture
from engine.errors import BadInput
from engine.feedback import pictures as judgements
from pages.image.draw_picture import picture_dialog
from pages.image.draw_state import VIEW
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import literal

_AT_ONCE = 24
_PAGE = "gallery.page"


def gallery_view() -> None:
    """The view."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            t("Search"),
            key="gallery.search",
            icon=":material/search:",
            placeholder=t("Words of the prompt, a model, a LoRA"),
            live=True,
        )
        everyone = st.toggle(t("Everyone's"), key="gallery.everyone")
        starred = st.toggle(t("Favourites"), key="gallery.favourites")
    whose = None if everyone else frame.person()
    total = gallery.count(words, whose, favourites=starred)
    if not total:
        _nothing(filtered=starred or bool(words.strip()))
        return
    pages = -(-total // _AT_ONCE)
    page = st.session_state[_PAGE] = min(st.session_state.get(_PAGE, 1), pages)
    found = gallery.find(words, whose, _AT_ONCE, (page - 1) * _AT_ONCE, favourites=starred)
    with st.grid(6, min_column_width=140):
        for picture in found:
            with st.container(key=f"gallery.{picture.id}"):
                _thumbnail(picture)
    if pages > 1:
        st.pagination(pages, key=_PAGE)
    st.caption(t("{n} pictures", n=total) if total != 1 else t("One picture"))


def _thumbnail(picture: Picture) -> None:
    try:
        st.image(str(gallery.thumbnail(picture)), width="stretch", alt=picture.recipe.prompt[:200])
    except BadInput:
        st.caption(t("Its file is gone."))
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        _star(picture)
        label = literal(picture.recipe.prompt, 28) or "–"
        opened = st.button(label, key=f"gallery.open.{picture.id}", type="tertiary", width=108)
    if opened:
        picture_dialog(picture, judgements.judgement_of(picture, frame.person()))


def _star(picture: Picture) -> None:
    st.button(
        "★" if picture.favourite else "☆",
        key=f"gallery.star.{picture.id}",
        type="tertiary",
        disabled=picture.person != frame.person(),
        help=t("No favourite any more") if picture.favourite else t("A favourite"),
        on_click=_set_star,
        args=(picture,),
    )


def _set_star(picture: Picture) -> None:
    with frame.errors_shown():
        gallery.set_favourite(picture.id, not picture.favourite)


def _nothing(filtered: bool) -> None:
    if filtered:
        st.caption(t("No picture matches."))
        return
    with st.container(border=True):
        st.subheader(t("Nothing drawn yet"))
        st.caption(t("Every picture that is drawn comes here, with all that is needed to draw it again."))
        st.button(t("Draw one"), icon=":material/brush:", key="gallery.draw", on_click=_to_draw)


def _to_draw() -> None:
    st.session_state[VIEW] = "draw"
