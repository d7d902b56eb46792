"""What people think of pictures: which models and LoRAs they like, and every judgement with its picture, newest first."""

import json
from dataclasses import replace
from typing import Any

import streamlit as st

from engine.diffusion import gallery
from engine.errors import BadInput
from engine.feedback import pictures
from engine.feedback.picture_figures import PictureFigures, Standing, figures
from engine.feedback.pictures import PictureJudgement
from engine.feedback.store import FeedbackFilter
from pages.chat.feedback_labels import outcomes
from pages.shared.i18n import t
from pages.shared.labels import literal, when

_PER_PAGE = 20
_SHOWN = 128
"""The width of a picture in the list, in pixels."""


def show(filters: FeedbackFilter) -> None:
    """Figures, the file to download, and one page of the list."""
    found = pictures.count(filters)
    if not found:
        st.info(t("No judgement matches this filter."), icon=":material/filter_alt:")
        return
    counted = _figures(filters, found)
    models, loras = st.columns(2, gap="medium")
    with models:
        _table(t("Model"), counted.models, "feedback.pictures.models")
    with loras:
        named = {name or t("none"): standing for name, standing in counted.loras.items()}
        _table("LoRA", named, "feedback.pictures.loras")
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        pages = -(-found // _PER_PAGE)
        key = f"feedback.pictures.page.{hash(filters)}"
        first = (min(st.session_state.get(key, 1), pages) - 1) * _PER_PAGE
        st.markdown(t("{first}–{last} of **{all}**", first=first + 1, last=min(first + _PER_PAGE, found), all=found))
        st.download_button(
            t("Download with recipes"),
            lambda: _lines(filters),
            file_name="feedback-pictures.jsonl",
            mime="application/jsonl",
            icon=":material/download:",
            key="feedback.pictures.export",
            on_click="ignore",
        )
    for row in pictures.find(replace(filters, limit=_PER_PAGE, offset=first)):
        _card(row)
    if pages > 1:
        with st.container(horizontal_alignment="center", key="feedback.pictures.pages"):
            st.pagination(pages, key=key, persist_state="session")


@st.cache_data(ttl=30, max_entries=20, show_spinner=False)
def _figures(filters: FeedbackFilter, found: int) -> PictureFigures:
    """Kept for half a minute, and counted anew when `found`, the number of rows, changes."""
    return figures(pictures.find(filters))


def _table(title: str, standings: dict[str, Standing], key: str) -> None:
    good, number, wins = t("Good"), t("Verdicts"), t("Comparisons won")
    st.dataframe(
        {
            title: list(standings),
            number: [each.good + each.bad for each in standings.values()],
            good: [None if each.good_share is None else 100 * each.good_share for each in standings.values()],
            wins: [_won(each) for each in standings.values()],
        },
        column_config={
            number: st.column_config.NumberColumn(width="small"),
            good: st.column_config.ProgressColumn(
                format="%.0f%%", min_value=0, max_value=100, help=t("Of the verdicts, how many are good.")
            ),
            wins: st.column_config.TextColumn(
                help=t(
                    "Of comparisons with pictures made otherwise; in brackets, where the true share lies with 95 % confidence."
                )
            ),
        },
        hide_index=True,
        height="content" if len(standings) <= 10 else 388,
        key=key,
    )


def _won(standing: Standing) -> str:
    rate = standing.win_rate
    return f"{rate.rate:.0%} ({rate.low:.0%}–{rate.high:.0%}), n = {rate.total}" if rate else ""


def _card(row: PictureJudgement) -> None:
    with st.container(border=True, gap="xsmall", key=f"feedback.picture.{row.id}"):
        st.markdown(_badge(row))
        sides = [(row.picture, row.recipe, row.winner == "a")]
        if row.picture_b and row.recipe_b:
            sides.append((row.picture_b, row.recipe_b, row.winner == "b"))
        for column, (picture, recipe, chosen) in zip(st.columns(len(sides)), sides, strict=True):
            with column:
                _side(picture, recipe, chosen)
        st.caption(f"**{literal(row.annotator, 60)}** · {when(row.created.timestamp())}")


def _side(picture: str, recipe: dict[str, Any], chosen: bool) -> None:
    try:
        st.image(str(gallery.thumbnail(gallery.get(picture))), width=_SHOWN)
    except BadInput:
        st.caption(t("This picture is not in the gallery any more."))
    st.markdown(literal(str(recipe.get("prompt", "")), 280) or t("(no prompt)"))
    makers = [literal(str(recipe.get("model", "?")), 60)]
    makers += [f"{literal(str(lora['name']), 60)} {lora['weight']:g}" for lora in recipe.get("loras", [])]
    mark = f" :green-badge[:material/check: {t('Chosen')}]" if chosen else ""
    st.markdown(f":small[{' · '.join(makers)}]{mark}")


def _badge(row: PictureJudgement) -> str:
    if row.kind == "comparison":
        return f":blue-badge[:material/compare_arrows: {outcomes()[row.winner]}]"
    if row.verdict == "good":
        return f":green-badge[:material/thumb_up: {t('Good')}]"
    return f":red-badge[:material/thumb_down: {t('Bad')}]"


def _lines(filters: FeedbackFilter) -> str:
    rows = pictures.to_jsonl(reversed(pictures.find(filters)))
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
