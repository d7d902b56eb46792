"""What an annotator has before them: the prompt, the output to write, and the keys that save, skip or draft.

What is typed is in the database a moment after the last keystroke; nothing of a task lies in the session alone.
"""

from zlib import crc32

import streamlit as st

from engine.labelling import desk
from engine.labelling.desk import Work
from engine.labelling.progress import progress
from engine.labelling.schema import Queue, Task
from pages.data.labelling_add import add_prompts
from pages.data.labelling_draft import draft_settings, draft_wanted, made_by, want_draft, write_draft
from pages.data.labelling_keys import keep_while_typing
from pages.shared.frame import errors_shown, person
from pages.shared.i18n import t
from pages.shared.text import harmless


def desk_panel(queue: Queue) -> Work | None:
    """The person's task in this queue.

    Returns:
        The task if a draft of it is wanted: `draft_panel` writes it, once the rest of the page is there.
    """
    work = desk.take(queue.id, person())
    if work is None:
        _nothing_left(queue)
        return None
    if work.assignment.comment:
        asks = {"name": work.assignment.reviewer, "comment": work.assignment.comment}
        st.warning(harmless(t("{name} asks you to change it: {comment}", **asks)), icon=":material/reply:")
    show_prompt(work.task, work.instruction, work.input)
    if draft_wanted(work):
        return work
    _editor(queue, work)
    return None


def draft_panel(queue: Queue, work: Work) -> None:
    """The draft as it is written, in the editor's place; the editor again if that fails."""
    with st.empty().container():  # st.empty takes away what the last run drew here
        write_draft(work)
    _editor(queue, desk.take(queue.id, person()) or work)


def _editor(queue: Queue, work: Work) -> None:
    with st.container():
        _reference(work)
        _output(work)
        _buttons(queue, work)
        _change_prompt(work)
        keep_while_typing(_key("output", work))


def show_prompt(task: Task, instruction: str, input: str) -> None:
    """What is asked, with what was said before."""
    if task.system.strip():
        st.caption(t("Instruction to the model"))
        st.text(task.system)
    for turn in task.before:
        with st.chat_message(turn.role, avatar=f":material/{'person' if turn.role == 'user' else 'smart_toy'}:"):
            st.markdown(harmless(turn.content))
    with st.container(border=True):
        st.markdown(harmless(instruction))
        if input.strip():
            with st.container(border=True):
                st.markdown(harmless(input))


def _reference(work: Work) -> None:
    if not work.task.reference:
        return
    with st.expander(t("An answer that is known already"), icon=":material/lightbulb:", key=_key("reference", work)):
        st.markdown(harmless(work.task.reference))
        if not work.assignment.output.strip():
            words = (work, work.task.reference)
            st.button(t("Start from it"), key=_key("use", work), on_click=_start_from, args=words)


def _output(work: Work) -> None:
    st.session_state.setdefault(_key("output", work), work.assignment.output)
    st.text_area(
        t("Output"),
        key=_key("output", work),
        placeholder=t("The reply you want"),
        height=180,
        on_change=_keep,
        args=(work,),
    )
    if work.assignment.draft_by:
        st.caption(t("Drafted by {model}: make it yours.", model=harmless(made_by(work.assignment))))


def _buttons(queue: Queue, work: Work) -> None:
    # Ctrl+Enter, with whatever else is held, is what makes a text area hand over its words before the button is pressed
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            t("Save & next"),
            type="primary",
            icon=":material/check:",
            key=_key("save", work),
            shortcut="Ctrl+Enter",
            on_click=_save,
            args=(work,),
        )
        st.button(
            t("Skip"),
            icon=":material/skip_next:",
            key=_key("skip", work),
            shortcut="Ctrl+Shift+Enter",
            help=t("Somebody else gets it; it does not come back to you unless you ask for it."),
            on_click=_skip,
            args=(work,),
        )
        st.button(
            t("Draft by the model"),
            icon=":material/smart_toy:",
            key=_key("draft", work),
            shortcut="Ctrl+Alt+Enter",
            help=t("The model answers, and you edit. What you have written stays above its words."),
            on_click=_draft,
            args=(work,),
        )
        draft_settings()
        _back_button(queue)


def _back_button(queue: Queue) -> None:
    if desk.can_take_back(queue.id, person()):
        st.button(
            t("Take the last one back"),
            icon=":material/undo:",
            type="tertiary",
            key="labelling.back",
            on_click=_take_back,
            args=(queue,),
        )


def _change_prompt(work: Work) -> None:
    fields = {"instruction": (t("Instruction"), work.instruction), "input": (t("Input (optional)"), work.input)}
    with st.expander(t("Change the prompt"), icon=":material/edit:", key=_key("prompt", work)):
        for field, (label, value) in fields.items():
            st.session_state.setdefault(_key(field, work), value)
            st.text_area(label, key=_key(field, work), height=90, on_change=_keep, args=(work,))


def _nothing_left(queue: Queue) -> None:
    with st.container(border=True, key="labelling.nothing"):
        if not progress(queue).tasks:
            st.subheader(t("No prompts yet"))
            st.markdown(t("Type them, or take them from a file, from chats or from a dataset."))
            if st.button(t("Add prompts"), type="primary", icon=":material/playlist_add:", key="labelling.add.first"):
                add_prompts(queue)
            return
        st.subheader(t("Nothing is left for you here"))
        st.markdown(t("All prompts are done, with somebody else, or skipped by you."))
        with st.container(horizontal=True):
            if skipped := desk.count_skipped(queue.id, person()):
                st.button(
                    t("Take up again what I skipped ({n})", n=skipped),
                    icon=":material/replay:",
                    key="labelling.reopen.mine",
                    on_click=desk.reopen,
                    args=(queue.id, person()),
                )
            _back_button(queue)


def _key(field: str, work: Work) -> str:
    """Keys name the assignment, so that what is typed for one task never reaches the next, and the draft in it."""
    return f"labelling.{field}.{work.assignment.id}.{crc32((work.assignment.draft or '').encode())}"


def _typed(work: Work) -> tuple[str, str, str]:
    output, instruction, input = (st.session_state[_key(field, work)] for field in ("output", "instruction", "input"))
    return output, instruction, input


def _keep(work: Work) -> None:
    with errors_shown():
        desk.keep(work.assignment.id, person(), *_typed(work))


def _save(work: Work) -> None:
    with errors_shown():
        desk.save(work.assignment.id, person(), *_typed(work))


def _skip(work: Work) -> None:
    _keep(work)
    with errors_shown():
        desk.skip(work.assignment.id, person())


def _draft(work: Work) -> None:
    _keep(work)
    want_draft(work)


def _start_from(work: Work, words: str) -> None:
    st.session_state[_key("output", work)] = words
    _keep(work)


def _take_back(queue: Queue) -> None:
    with errors_shown():
        desk.take_back(queue.id, person())
