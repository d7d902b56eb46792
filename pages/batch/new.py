"""A new batch: file, prompt, who answers, a look at the first rows, what it will take, and the button that starts it."""

from pathlib import Path

import streamlit as st

from engine.batch import prompts, tables
from engine.batch.estimate import Estimate, estimate
from engine.batch.spec import BatchSpec
from engine.errors import StudioError
from engine.jobs.batch import command_line, start_batch
from engine.models.catalog import resolve
from engine.models.request import Reply
from pages.batch.form import GO_TO, asked, batch_form, forget
from pages.batch.options import options
from pages.batch.preview import preview, tokens_of
from pages.batch.prompt import prompt
from pages.batch.source import first_rows, source
from pages.batch.trial import Trial
from pages.data import uploads
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.labels import duration
from pages.shared.text import harmless

_ESTIMATE = "batch.estimate"


def new_batch() -> None:
    """The form, and all that is seen before a start."""
    form = batch_form()
    hidden = {*form.defaults}
    try:
        file = source(form)
        if file is None:
            form.save()
            return
        with frame.errors_shown():
            columns = tables.columns(file)
            first_rows(file)
            left, right = st.columns(2, gap="large")
            with left:
                hidden = prompt(form, columns)
            with right:
                hidden |= options(form, columns)
            form.save()
            _ready(form, file)
    finally:
        forget(form, hidden)


def _ready(form: Form, file: Path) -> None:
    spec, problem, tried = None, None, None
    try:
        spec = asked(form, file)
        resolve(spec.model, paths=False)
        prompts.check(spec)
        tried = preview(spec)
    except StudioError as error:
        problem = error
    if spec and not problem:
        _takes(spec, tried)
    clicked = st.button(t("Run the whole file"), type="primary", icon=":material/play_arrow:", key="batch.start")
    if problem:
        show = st.error if clicked else st.info
        show(harmless(t(problem.sentence, **problem.values)), icon=":material/info:")
    elif spec and clicked:
        with frame.errors_shown():
            _start(form, spec)
    if spec and not problem:
        with st.expander(t("Command"), icon=":material/terminal:", key="batch.command"):
            st.caption(t("This command does the same, wherever the file is:"))
            st.code(command_line(spec), language=None, wrap_lines=True)


def _start(form: Form, spec: BatchSpec) -> None:
    run = start_batch(spec)
    # an uploaded file has moved to the run: the next prompt about it finds it there
    st.session_state[form.key("file")] = run.spec()["file"]
    form.save()
    uploads.forget("batch")
    st.session_state[GO_TO] = run.id
    st.rerun()


def _takes(spec: BatchSpec, tried: Trial | None) -> None:
    with st.expander(
        t("What it will take"), icon=":material/hourglass_empty:", key="batch.takes", on_change="rerun"
    ) as box:
        if not box.open:
            return
        found = _estimated(spec, tried.replies if tried else [])
        st.markdown(
            t(
                "{rows} rows; prompts of about {prompts} tokens, replies of at most {replies}.",
                rows=f"{found.rows:,}",
                prompts=f"{found.prompt_tokens:,}",
                replies=f"{found.reply_tokens:,}",
            )
        )
        if found.seconds is None:
            st.caption(t("Try the rows above, and you learn here how long the whole file takes."))
        else:
            st.markdown(
                t("About {time}, if the other replies are as long as those tried.", time=duration(found.seconds))
            )


def _estimated(spec: BatchSpec, replies: list[Reply]) -> Estimate:
    """Reckoned once for the same settings and replies: the file may be long."""
    known = spec.model_dump_json(), len(replies)
    if st.session_state.get(_ESTIMATE, (None,))[0] != known:
        with st.spinner(t("Looking through the file …")):
            st.session_state[_ESTIMATE] = known, estimate(spec, lambda messages: tokens_of(spec, messages), replies)
    return st.session_state[_ESTIMATE][1]
