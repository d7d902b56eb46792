"""One run, live: how far it is, its charts, its log, and the buttons that stop it, resume it or use what it made.

Looks at the run's directory every two seconds until the run has ended; what it shows is what any other process would see.
"""

import streamlit as st

from engine.jobs import local
from engine.runs import Run, Status
from engine.runs.run import ENDED
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import duration, literal, when
from pages.shared.run_charts import run_charts
from pages.shared.text import harmless

EVERY = "2s"


def run_panel(run: Run) -> None:
    """Everything about one run."""
    _live(_panel, run)


def run_summary(run: Run) -> None:
    """One row about a run, for a page that is about something else."""
    _live(_summary, run)


def state_name(state: str) -> str:
    """A state in the reader's language."""
    return {
        "queued": t("starting"),
        "running": t("running"),
        "stopping": t("stopping"),
        "stopped": t("stopped"),
        "finished": t("finished"),
        "failed": t("failed"),
        "lost": t("lost"),
    }[state]


def kind_name(kind: str) -> str:
    """What a kind of job is called."""
    return {"sft": t("LoRA training")}.get(kind, kind)


def _live(draw, run: Run) -> None:
    ended = run.status().state in ENDED
    st.fragment(draw, run_every=None if ended else EVERY)(run, ended)


def _panel(run: Run, ended: bool) -> None:
    status = run.status()
    if not ended and status.state in ENDED:
        st.rerun()  # the whole page: the list shows the ending, and looking every two seconds ends
    with frame.errors_shown():
        _head(run, status)
        _progress(status)
        _ending(status)
        events = run.events()
        _numbers(status, events)
        run_charts(events, f"run.{run.id}")
        _papers(run)


def _summary(run: Run, ended: bool) -> None:
    status = run.status()
    if not ended and status.state in ENDED:
        st.rerun()
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"summary.{run.id}"):
        _badge(status)
        st.markdown(f"**{literal(status.adapter or run.id)}**", width="content")
        if status.state in ENDED:
            st.caption(f"{_how_far(status)} · {when(status.ended or status.updated or status.created)}")
        else:
            st.progress(_share(status), _how_far(status))
        if st.button(t("Open"), type="tertiary", icon=":material/monitoring:", key=f"summary.{run.id}.look"):
            st.switch_page("pages/train/runs.py", query_params={"run": run.id})


def _head(run: Run, status: Status) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(literal(status.adapter or run.id), width="content", anchor=False)
        _badge(status)
        st.space("stretch")
        if status.state in ("queued", "running"):
            st.button(
                t("Stop"),
                icon=":material/stop:",
                key="run.stop",
                help=t("It finishes its step and saves a checkpoint."),
                on_click=local.stop_in_background,
                args=(run,),
            )
        if status.state in ("stopped", "failed", "lost") and st.button(
            t("Resume"),
            icon=":material/play_arrow:",
            key="run.resume",
            help=t("Goes on from the last whole checkpoint."),
        ):
            local.resume(run)
            st.rerun()
        if (
            status.state == "finished"
            and status.adapter
            and st.button(t("Chat with this adapter"), type="primary", icon=":material/forum:", key="run.chat")
        ):
            st.session_state["chat.adapter"] = status.adapter
            st.switch_page("pages/chat/chat.py")


def _badge(status: Status) -> None:
    color, icon = {
        "queued": ("gray", "hourglass_top"),
        "running": ("blue", "sprint"),
        "stopping": ("orange", "hourglass_bottom"),
        "stopped": ("orange", "pause"),
        "finished": ("green", "check"),
        "failed": ("red", "close"),
        "lost": ("red", "question_mark"),
    }[status.state]
    st.badge(state_name(status.state), icon=f":material/{icon}:", color=color)  # pyright: ignore[reportArgumentType]


def _progress(status: Status) -> None:
    if status.state == "finished":
        return
    st.progress(_share(status), _how_far(status))


def _share(status: Status) -> float:
    return min(1.0, status.step / status.max_steps) if status.max_steps else 0.0


def _how_far(status: Status) -> str:
    if not status.max_steps:
        return t("getting the data and the model ready …") if status.state not in ENDED else t("before the first step")
    words = [t("step {step} of {all}", step=status.step, all=status.max_steps)]
    if status.loss is not None:
        words.append(t("loss {loss}", loss=f"{status.loss:.3f}"))
    if status.state == "running" and status.step >= status.max_steps:
        words.append(t("saving what was learnt …"))
    elif status.state == "running" and status.seconds_left is not None:
        words.append(t("about {time} left", time=duration(status.seconds_left)))
    return " · ".join(words)


def _ending(status: Status) -> None:
    if status.state == "failed":
        st.error(harmless(_reason(status)), icon=":material/error:")
    elif status.state == "lost":
        st.warning(
            t(
                "The process ended without a word: it was killed, or the machine went down. Resume goes on from the last whole checkpoint."
            ),
            icon=":material/warning:",
        )
    elif status.state == "stopping":
        st.caption(t("It finishes its step and saves; then it can be resumed at any time."))


def _reason(status: Status) -> str:
    return t(status.message, **status.message_values) if status.message else t("It failed; the log says where.")


def _numbers(status: Status, events: list[dict]) -> None:
    if not events:
        return
    last = next((event for event in reversed(events) if "loss" in event), {})
    measured = next((event["eval_loss"] for event in reversed(events) if "eval_loss" in event), None)
    numbers = {
        t("Loss"): f"{status.loss:.4f}" if status.loss is not None else "–",
        t("Evaluation loss"): f"{measured:.4f}" if measured is not None else "–",
        t("Tokens a second"): f"{last['tokens_per_second']:,.0f}" if last.get("tokens_per_second") else "–",
        t("Memory"): f"{last['memory'] / 2**30:.1f} GiB" if last.get("memory") else "–",
    }
    with st.container(horizontal=True, gap="large"):
        for label, value in numbers.items():
            st.metric(label, value, width="content")


def _papers(run: Run) -> None:
    with st.expander(t("Log"), icon=":material/article:", key=f"run.{run.id}.log", on_change="rerun") as box:
        if box.open:
            st.code(run.log_tail(200) or t("Nothing yet."), language=None, height=320)
    with st.expander(t("Command"), icon=":material/terminal:", key=f"run.{run.id}.command"):
        st.code(run.command(), language=None, wrap_lines=True)
        st.caption(t("The run's files lie in {path}.", path=f"`{run.path}`"))
