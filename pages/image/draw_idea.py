"""An idea in a few words, and the chat model that makes a prompt of it; what it did is shown, and can be undone."""

from typing import Any

import streamlit as st

from engine.chat.turns import Speaker
from engine.diffusion.prompt_tokens import PromptTokens, prompt_tokens
from engine.diffusion.prompt_writing import Why, triggers_of, write_prompt
from pages.image.draw_state import model_source, written
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.shared.speaker_picker import speaker_picker

_MAPPING = {"auto": None, "always": True, "never": False}


def idea_box(form: Form) -> None:
    """Idea, button, and what became of the last one. Comes before the prompt, which it fills."""
    with st.container(border=True, key="draw.idea.box"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            idea = st.text_input(
                t("Idea"),
                key=form.key("idea"),
                placeholder=t("In a few words, English or Chinese"),
                on_change=form.save,
                width=260,
            )
            clicked = st.button(t("Write a prompt"), icon=":material/stylus_note:", key="draw.write")
            with st.popover(" ", icon=":material/tune:", type="tertiary", help=t("Who writes the prompt")):
                speaker, maps = _writer(form)
        if clicked:
            with frame.errors_shown(), st.spinner(t("The chat model writes …")):
                _write(form, idea, speaker, maps)
        _told(form)


def tokens_of(form: Form) -> PromptTokens:
    """The counter of the chosen picture model."""
    source = model_source(st.session_state[form.key("model")])
    return prompt_tokens(source) if source else PromptTokens()


def _writer(form: Form) -> tuple[Speaker, bool | None]:
    saved: dict[str, Any] = st.session_state[form.key("writer")]
    before = Speaker.model_validate(saved["speaker"]) if "speaker" in saved else Speaker.usual()
    speaker = speaker_picker("draw.writer.speaker", before, t("Chat model"))
    labels = {"auto": t("if the model knows no Chinese"), "always": t("always"), "never": t("never")}
    st.session_state.setdefault("draw.writer.maps", saved.get("maps", "auto"))
    maps = st.selectbox(
        t("Map Chinese words to English first"),
        list(labels),
        key="draw.writer.maps",
        format_func=labels.__getitem__,
        help=t(
            "Word by word, through the names of emoji. A model that knows Chinese understands more of the idea itself."
        ),
    )
    st.session_state[form.key("writer")] = {"speaker": speaker.model_dump(), "maps": maps}
    return speaker, _MAPPING[maps]


def _write(form: Form, idea: str, speaker: Speaker, maps: bool | None) -> None:
    source = model_source(st.session_state[form.key("model")])
    wrote = write_prompt(
        idea,
        speaker,
        captions=source is not None and source.kind == "starter",
        triggers=triggers_of([one["name"] for one in st.session_state[form.key("adapters")]]),
        tokens=tokens_of(form),
        map_words=maps,
    )
    before = st.session_state[form.key("before")]
    st.session_state[form.key("before")] = [*before[-19:], st.session_state[form.key("prompt")]]
    st.session_state[form.key("prompt")] = wrote.prompt
    kept = ("prompt", "idea", "mapping", "unknown", "seed", "model", "why", "added_triggers", "drawable")
    st.session_state[form.key("written")] = {name: getattr(wrote, name) for name in kept}


def _told(form: Form) -> None:
    """What became of the words, what the model did, and the way back, which stays when the prompt is changed by hand."""
    last: dict[str, Any] | None = st.session_state[form.key("written")]
    if last is None or "why" not in last:
        return
    if wrote := written(form):
        _facts(wrote)
    with st.container(horizontal=True, vertical_alignment="center"):
        if wrote:
            st.caption(
                t("Written by {model}, seed {seed}", model=literal(wrote["model"]), seed=wrote["seed"]), width="content"
            )
        st.button(
            t("Undo"),
            icon=":material/undo:",
            type="tertiary",
            key="draw.undo",
            disabled=not st.session_state[form.key("before")],
            on_click=_undo,
            args=(form,),
        )


def _facts(wrote: dict[str, Any]) -> None:
    if wrote["mapping"] or wrote["unknown"]:
        pairs = [f"{literal(chinese)} → {literal(english)}" for chinese, english in wrote["mapping"]]
        st.caption(" · ".join(pairs) or t("No word of it is known."))
        if wrote["unknown"]:
            words = " · ".join(literal(word) for word in wrote["unknown"])
            st.caption(t("Not known and left out: {words}", words=words))
    if wrote["why"]:
        st.caption(f":material/info: {_reason(wrote['why'])}")
    if wrote["added_triggers"]:
        st.caption(t("Added: {words}", words=literal(", ".join(wrote["added_triggers"]))))
    if not wrote["drawable"]:
        st.caption(
            f":material/info: {t('The starter picture model has learnt none of this. It draws emoji: animals, food, plants, things.')}"
        )


def _reason(why: Why) -> str:
    reasons = {
        "failed": t("The chat model failed, so your idea was taken as it is."),
        "no_prompt": t("What the chat model wrote is no prompt, so your idea was taken as it is."),
        "left_out": t("The chat model left out what your idea is about, so your idea was taken as it is."),
        "added": t("The chat model added other things, so your idea was taken as it is."),
    }
    return reasons[why]


def _undo(form: Form) -> None:
    before = st.session_state[form.key("before")]
    st.session_state[form.key("prompt")] = before[-1] if before else ""
    st.session_state[form.key("before")] = before[:-1]
    st.session_state[form.key("written")] = None
    form.save()
