"""Who answers and how: model, adapter and a second one to compare with; folded, sampling, JSON and scores."""

import streamlit as st

from engine.adapters.store import list_adapters
from engine.batch.spec import BASE
from engine.chat.turns import Speaker
from pages.batch.form import LARGEST_SEED, sampling_of
from pages.batch.prompt import column
from pages.chat.settings_bar import sampling_controls
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.speaker_picker import speaker_picker


def options(form: Form, columns: list[str]) -> set[str]:
    """The fields.

    Args:
        form: the form.
        columns: of the chosen file.

    Returns:
        Those that are not drawn.
    """
    hidden = _speakers(form)
    with st.expander(t("Sampling"), icon=":material/tune:", key="batch.sampling.box"):
        _sampling(form)
    with st.expander(t("Replies as JSON"), icon=":material/data_object:", key="batch.json.box"):
        _json(form)
    with st.expander(t("Scores"), icon=":material/fact_check:", key="batch.scores.box"):
        _scores(form, columns)
    return hidden


def _speakers(form: Form) -> set[str]:
    values = st.session_state
    saved = Speaker(model=values[form.key("model")], adapter=values[form.key("adapter")])
    speaker = speaker_picker("batch.speaker", saved, t("Model"), servers=False)
    values[form.key("model")], values[form.key("adapter")] = speaker.model, speaker.adapter
    adapters = [adapter.name for adapter in list_adapters("chat")]
    if not adapters:
        values[form.key("compare")] = False
        return {"compare", "adapter_b"}
    switch, second = st.columns(2, vertical_alignment="bottom")
    switch.toggle(
        t("Compare with a second adapter"),
        key=form.key("compare"),
        help=t("It answers the same rows, in a column of its own. Takes twice as long."),
    )
    if not values[form.key("compare")]:
        return {"adapter_b"}
    if values[form.key("adapter_b")] not in adapters:
        values[form.key("adapter_b")] = BASE
    second.selectbox(
        t("Second adapter"),
        [BASE, *adapters],
        format_func=lambda name: t("none: the base model") if name == BASE else name,
        key=form.key("adapter_b"),
    )
    return set()


def _sampling(form: Form) -> None:
    with st.grid(2, min_column_width=160):
        chosen = sampling_controls("batch.sampling", sampling_of(form))
    chosen["seed"] = min(chosen["seed"] or 0, LARGEST_SEED)
    st.session_state[form.key("sampling")] = chosen
    stop, size = st.columns(2)
    stop.text_area(
        t("Texts that end a reply"),
        key=form.key("stop"),
        height=80,
        placeholder=t("one a line"),
        help=t("The reply ends before the first of them. Useful where a model does not know when to stop."),
    )
    size.number_input(
        t("Rows at once"),
        1,
        1024,
        key=form.key("batch_size"),
        placeholder=t("automatic"),
        help=t("More keep the model busier and take more memory; the replies stay the same."),
    )


def _json(form: Form) -> None:
    st.toggle(
        t("Every reply must be JSON"),
        key=form.key("json_mode"),
        help=t("Only the JSON of a reply is kept. A reply without any is asked for again; then the row has failed."),
    )
    on = st.session_state[form.key("json_mode")]
    st.text_area(
        t("JSON schema"),
        key=form.key("json_schema"),
        height=120,
        disabled=not on,
        placeholder='{"type": "object", "required": ["mood"], "properties": {"mood": {"enum": ["happy", "unhappy"]}}}',
        help=t("What each reply must follow. Empty takes any JSON."),
    )
    st.number_input(
        t("Times a row is asked again"),
        0,
        20,
        key=form.key("json_retries"),
        disabled=not on,
        help=t(
            "Each time with another seed; at temperature 0 the new replies are drawn at 0.7, or they would be the same."
        ),
    )


def _scores(form: Form, columns: list[str]) -> None:
    column(
        form,
        "reference",
        columns,
        t("Column with right answers"),
        t("none"),
        t("Replies are scored against it: exact match, BLEU and ROUGE, with Chinese cut into words."),
    )
    judges = [adapter.name for adapter in list_adapters("reward")]
    if st.session_state[form.key("judge")] not in judges:
        st.session_state[form.key("judge")] = None
    st.selectbox(
        t("Reward model as a judge"),
        judges,
        index=None,
        key=form.key("judge"),
        placeholder=t("none"),
        disabled=not judges,
        help=t("A reward model that you trained under RLHF gives each reply a number: higher is better."),
    )
