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
OPEN = "datasets.open"  # the dataset that the Datasets page shows next
GO_ON = ("import", "prepare")
"""Runs about data that a resume takes up where they were; the others begin anew, and had changed nothing."""


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
    return {
        "sft": t("LoRA training"),
        "import": t("Import"),
        "clean": t("Cleaning"),
        "prepare": t("Preparation"),
        "export": t("Export"),
    }.get(kind, kind)


def how_far(status: Status) -> str:
    """What is done of what there is, in the run's own unit."""
    done, every = status.step, status.max_steps
    if status.unit == "rows":
        return t("{n} of {all} rows", n=f"{done:,}", all=f"{every:,}")
    if status.unit == "bytes":
        return t("{n} of {all} MB", n=f"{done / 1e6:,.1f}", all=f"{every / 1e6:,.1f}")
    return t("step {step} of {all}", step=done, all=every)


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
        run_ending(run, status)
        if status.subject:
            _result(run, status)
        else:
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
        st.markdown(f"**{_title(run, status)}**", width="content")
        if status.state in ENDED:
            st.caption(f"{_words(status)} · {when(status.ended or status.updated or status.created)}")
        else:
            st.progress(_share(status), _words(status))
        if status.subject:
            _stop(run, status, f"summary.{run.id}.stop")
        if st.button(t("Open"), type="tertiary", icon=":material/monitoring:", key=f"summary.{run.id}.look"):
            st.switch_page("pages/train/runs.py", query_params={"run": run.id})


def _title(run: Run, status: Status) -> str:
    if status.subject:
        return f"{kind_name(run.kind)} · {literal(status.subject)}"
    return literal(status.adapter or run.id)


def _head(run: Run, status: Status) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(_title(run, status), width="content", anchor=False)
        _badge(status)
        st.space("stretch")
        _stop(run, status, "run.stop")
        if status.state in ("stopped", "failed", "lost") and st.button(
            t("Resume"), icon=":material/play_arrow:", key="run.resume", help=_resume_hint(run, status)
        ):
            local.resume(run)
            st.rerun()
        if status.state == "finished":
            _use(run, status)


def _stop(run: Run, status: Status, key: str) -> None:
    if status.state not in ("queued", "running"):
        return
    if not status.subject:
        hint = t("It finishes its step and saves a checkpoint.")
    elif run.kind in GO_ON:
        hint = t("What is done so far is kept for a resume.")
    else:
        hint = t("The dataset stays as it is.")
    st.button(t("Stop"), icon=":material/stop:", key=key, help=hint, on_click=local.stop_in_background, args=(run,))


def _resume_hint(run: Run, status: Status) -> str:
    if not status.subject:
        return t("Goes on from the last whole checkpoint.")
    return t("Goes on where it was.") if run.kind in GO_ON else t("Begins anew: nothing was changed.")


def _use(run: Run, status: Status) -> None:
    """The way to what a finished run made."""
    if status.adapter and st.button(
        t("Chat with this adapter"), type="primary", icon=":material/forum:", key="run.chat"
    ):
        st.session_state["chat.adapter"] = status.adapter
        st.switch_page("pages/chat/chat.py")
    if status.subject and st.button(
        t("Open the dataset"), type="primary", icon=":material/dataset:", key="run.dataset"
    ):
        st.session_state[OPEN] = status.subject
        st.switch_page("pages/data/datasets.py")


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
    st.progress(_share(status), _words(status))


def _share(status: Status) -> float:
    return min(1.0, status.step / status.max_steps) if status.max_steps else 0.0


def _words(status: Status) -> str:
    if status.subject and status.state == "finished":
        return t("done")
    if not status.max_steps:
        return _before(status)
    words = [how_far(status)]
    if status.loss is not None:
        words.append(t("loss {loss}", loss=f"{status.loss:.3f}"))
    if status.state == "running" and status.step >= status.max_steps:
        words.append(t("making it whole …") if status.subject else t("saving what was learnt …"))
    elif status.state == "running" and status.seconds_left is not None:
        words.append(t("about {time} left", time=duration(status.seconds_left)))
    return " · ".join(words)


def _before(status: Status) -> str:
    """In place of numbers, while there are none."""
    if status.subject:
        return t("getting ready …") if status.state not in ENDED else t("before the first row")
    return t("getting the data and the model ready …") if status.state not in ENDED else t("before the first step")


def run_ending(run: Run, status: Status) -> None:
    """Why a run ended otherwise than well, as a box."""
    if status.state == "failed":
        st.error(harmless(_reason(status)), icon=":material/error:")
    elif status.state == "lost":
        st.warning(_lost(run, status), icon=":material/warning:")
    elif status.state == "stopping" and not status.subject:
        st.caption(t("It finishes its step and saves; then it can be resumed at any time."))


def _lost(run: Run, status: Status) -> str:
    if not status.subject:
        return t(
            "The process ended without a word: it was killed, or the machine went down. Resume goes on from the last whole checkpoint."
        )
    if run.kind in GO_ON:
        return t("The process was killed, or the machine went down. Resume goes on where it was.")
    return t("The process was killed, or the machine went down. Nothing was changed; resume begins anew.")


def _result(run: Run, status: Status) -> None:
    """What a finished run about data did, in a sentence."""
    result = status.result
    if not result:
        return
    if run.kind == "import":
        st.markdown(t("Rows: {rows}; lines that could not be read: {broken}.", **_counts(result, "rows", "broken")))
    elif run.kind == "clean":
        st.markdown(t("Rows kept: {rows_kept} of {rows_in}.", **_counts(result, "rows_kept", "rows_in")))
    elif run.kind == "prepare":
        st.markdown(
            t("Rows to train on: {train_rows}; kept aside: {eval_rows}.", **_counts(result, "train_rows", "eval_rows"))
        )
    else:
        st.markdown(t("Rows written: {rows}, to the file:", **_counts(result, "rows")))
        st.code(result["file"], language=None)


def _counts(result: dict, *names: str) -> dict[str, str]:
    return {name: f"{result[name]:,}" for name in names}


def _reason(status: Status) -> str:
    if not status.message:
        return t("It failed; the log says where.")
    # a gap may hold a reason of the readers, which has its translation too
    return t(status.message, **{name: t(value) for name, value in status.message_values.items()})


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
