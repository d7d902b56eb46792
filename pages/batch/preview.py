"""The first rows as the model will read them, its marks included, with their tokens; and replies to them, if they are tried."""

import streamlit as st

from engine.batch import prompts
from engine.batch.prompts import Messages, Previewed
from engine.batch.spec import BatchSpec
from engine.data.tokenise import render
from engine.models.catalog import resolve
from pages.batch import trial
from pages.batch.trial import Trial
from pages.data.preview import tokenizer_of
from pages.shared.i18n import t
from pages.shared.text import harmless


def preview(spec: BatchSpec) -> Trial | None:
    """Draw it.

    Returns:
        What was tried with these settings.

    Raises:
        BadInput: the rows cannot be shown, with what to do.
    """
    rows = prompts.preview(spec.file, spec)
    tried = trial.trial_of(spec, rows)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(t("As the model reads it"), width="stretch", anchor=False)
        askable = any(row.problem is None for row in rows)
        label = t("Try these three") if len(rows) == 3 else t("Try these rows")
        st.button(
            label,
            icon=":material/science:",
            key="batch.try",
            disabled=not askable,
            on_click=trial.start,
            args=(spec, rows),
            help=t("Real replies to these rows, with all settings as they are, before the whole file is asked."),
        )
    going_on = bool(tried and not tried.ended)
    st.fragment(_rows, run_every=trial.EVERY if going_on else None)(spec, rows, tried, going_on)
    return tried


def tokens_of(spec: BatchSpec, messages: Messages) -> int:
    """How long a prompt is for the model of a spec."""
    seen = tokenizer_of(resolve(spec.model, paths=False).name)
    return len(seen(render(messages, seen, add_generation_prompt=True), add_special_tokens=False)["input_ids"])


def _rows(spec: BatchSpec, rows: list[Previewed], tried: Trial | None, going_on: bool) -> None:
    with st.grid(max(1, len(rows)), min_column_width=230):
        for row in rows:
            with st.container(border=True, gap="small", height="stretch", key=f"batch.preview.{row.row}"):
                _row(spec, row)
                if tried:
                    trial.shown(tried, row.row)
    if tried and going_on:
        if tried.ended:
            st.rerun()  # the whole page: looking again and again ends, and what it will take is reckoned
        st.button(t("Stop"), icon=":material/stop_circle:", key="batch.try.stop", on_click=tried.cancel)


def _row(spec: BatchSpec, row: Previewed) -> None:
    if row.problem:
        st.caption(t("Row {n}", n=row.row))
        st.warning(harmless(t(row.problem.sentence, **row.problem.values)), icon=":material/warning:")
        return
    seen = tokenizer_of(resolve(spec.model, paths=False).name)
    tokens = tokens_of(spec, row.messages)
    st.caption(f"{t('Row {n}', n=row.row)} · {t('{n} tokens', n=f'{tokens:,}')}")
    text = render(row.messages, seen, add_generation_prompt=True)
    st.code(text, language=None, wrap_lines=True, height=300 if len(text) > 400 else "content")
