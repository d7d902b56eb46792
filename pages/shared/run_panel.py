"""One run, live: how far it is, its charts, its log, and the buttons that stop it, resume it or use what it made.

Looks at the run's directory every two seconds until the run has ended; what it shows is what any other process would see.
"""

import streamlit as st

from engine.drafts import save_draft
from engine.files import read_tail
from engine.jobs import local
from engine.jobs.evaluation import WIN_RATE
from engine.knowledge.specs import SPECS as KNOWLEDGE
from engine.runs import Run, Status
from engine.runs.curves import Curves, read_curves
from engine.runs.logs import rank_logs, whole_tail
from engine.runs.notes import read_notes
from engine.runs.run import ENDED
from engine.runs.turns import turns
from engine.training.launch.command import shown
from engine.training.rlhf_specs import SPECS
from pages.image.library_ways import draw_with
from pages.shared import frame, run_words
from pages.shared.i18n import t
from pages.shared.labels import literal, when
from pages.shared.queue_place import queue_place
from pages.shared.run_charts import pace, rounded, run_charts
from pages.shared.run_notes import run_notes
from pages.shared.run_samples import run_pictures, run_samples
from pages.shared.text import harmless
from pages.train.evaluation import evaluate_button, evaluation_panel
from pages.train.win_rate import win_rate_panel

EVERY = "2s"
PROVEN = (*SPECS, WIN_RATE)
_FORMS = {"sft": ("lora", "pages/train/lora.py"), "dreambooth": ("dreambooth", "pages/image/lora.py")}
"""Which form and page take a run's settings over, by its kind."""
OPEN = "datasets.open"  # the dataset that the Datasets page shows next
OPEN_BASE = "knowledge.open"  # the knowledge base that its page shows next


def run_panel(run: Run) -> None:
    """Everything about one run."""
    _live(_panel, run)
    run_notes(run)


def run_summary(run: Run) -> None:
    """One row about a run, for a page that is about something else."""
    _live(_summary, run)


def run_ending(run: Run, status: Status) -> None:
    """Why a run ended otherwise than well, as a box."""
    if status.state == "failed":
        st.error(harmless(run_words.reason(status)), icon=":material/error:")
    elif status.state == "lost":
        st.warning(run_words.lost(run, status), icon=":material/warning:")
    elif status.state == "stopping" and status.adapter:
        st.caption(t("It finishes its step and saves; then it can be resumed at any time."))


def _live(draw, run: Run) -> None:
    ended = run.status().state in ENDED
    st.fragment(draw, run_every=None if ended else EVERY)(run, ended)


def _panel(run: Run, ended: bool) -> None:
    status = run.status()
    if not ended and status.state in ENDED:
        st.rerun()  # the whole page: the list shows the ending, and looking every two seconds ends
    with frame.errors_shown():
        _head(run, status)
        if status.state != "finished":
            st.progress(run_words.share(status), run_words.progress(status))
        run_ending(run, status)
        if status.place is not None:
            queue_place(run)
        if status.subject:
            _result(run, status)
        elif run.kind == "evaluate":
            evaluation_panel(run)
        elif run.kind == WIN_RATE:
            win_rate_panel(run)
        else:
            _turns(run)
            curves = read_curves(run)
            _numbers(status, curves)
            run_charts(curves, run.kind, f"run.{run.id}")
            run_samples(run)
            run_pictures(run)
        run_papers(run)


def _summary(run: Run, ended: bool) -> None:
    status = run.status()
    if not ended and status.state in ENDED:
        st.rerun()
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"summary.{run.id}"):
        badge(status)
        st.markdown(f"**{run_words.title(run, status)}**", width="content")
        if status.state in ENDED:
            st.caption(f"{run_words.progress(status)} · {when(status.ended or status.updated or status.created)}")
        else:
            st.progress(run_words.share(status), run_words.progress(status))
        if status.subject:
            _stop(run, status, f"summary.{run.id}.stop")
        if st.button(t("Open"), type="tertiary", icon=":material/monitoring:", key=f"summary.{run.id}.look"):
            page = "pages/batch/batch.py" if run.kind == "batch" else "pages/train/runs.py"
            st.switch_page(page, query_params={"run": run.id})


def _head(run: Run, status: Status) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(run_words.title(run, status), width="content", anchor=False)
        badge(status)
        for tag in read_notes(run).tags:
            st.badge(literal(tag), icon=":material/label:", color="gray")
        st.space("stretch")
        _stop(run, status, "run.stop")
        if run.kind in _FORMS:
            _clone(run)
        if status.state in ("stopped", "failed", "lost") and st.button(
            t("Resume"), icon=":material/play_arrow:", key="run.resume", help=run_words.resume_hint(run, status)
        ):
            local.resume(run)
            st.rerun()
        if run.kind == "batch":
            _open_batch(run)
        elif status.state == "finished":
            _use(run, status)


def _stop(run: Run, status: Status, key: str) -> None:
    if status.state in ("queued", "running"):
        hint = run_words.stop_hint(run, status)
        st.button(t("Stop"), icon=":material/stop:", key=key, help=hint, on_click=local.stop_in_background, args=(run,))


def _clone(run: Run) -> None:
    """The run's settings for the next one. The form takes what it knows of them, and gives the adapter a free name."""
    form, page = _FORMS[run.kind]
    hint = t("Fills the training form with them; you change what you like, and start.")
    if st.button(t("Use these settings"), icon=":material/content_copy:", key="run.clone", help=hint):
        spec = run.spec()
        prompts = "\n".join(spec.get("sample_prompts") or [])  # the form has one a line
        save_draft(frame.person(), form, {**spec, "adapter": "", "sample_prompts": prompts})
        st.switch_page(page)


def _use(run: Run, status: Status) -> None:
    """The way to what a finished run made."""
    if run.kind in PROVEN and st.button(t("See the proof"), icon=":material/fact_check:", key="run.proof"):
        st.session_state["rlhf.step"] = t("3 · Proof")
        adapter = status.adapter or run.spec()["adapter"]
        st.switch_page("pages/train/rlhf.py", query_params={"adapter": adapter})
    if run.kind == "dreambooth" and status.adapter:
        if st.button(t("Draw with it"), type="primary", icon=":material/brush:", key="run.draw"):
            draw_with(status.adapter)
        return
    if run.kind == "reward":
        return
    if status.adapter and st.button(
        t("Chat with this adapter"), type="primary", icon=":material/forum:", key="run.chat"
    ):
        st.session_state["chat.adapter"] = status.adapter
        st.switch_page("pages/chat/chat.py")
    if status.adapter:
        evaluate_button(status.adapter)
    if run.kind in KNOWLEDGE:
        _open_base(run)
    elif status.subject and st.button(
        t("Open the dataset"), type="primary", icon=":material/dataset:", key="run.dataset"
    ):
        st.session_state[OPEN] = status.subject
        st.switch_page("pages/data/datasets.py")


def _open_base(run: Run) -> None:
    if st.button(t("Open the knowledge base"), type="primary", icon=":material/menu_book:", key="run.base"):
        st.session_state[OPEN_BASE] = run.spec()["base"]
        st.switch_page("pages/chat/knowledge.py")


def _open_batch(run: Run) -> None:
    if st.button(t("Open the replies"), type="primary", icon=":material/table:", key="run.batch"):
        st.switch_page("pages/batch/batch.py", query_params={"run": run.id})


def badge(status: Status) -> None:
    """The state of a run, in its colour."""
    color, icon = {
        "queued": ("gray", "hourglass_top"),
        "running": ("blue", "sprint"),
        "stopping": ("orange", "hourglass_bottom"),
        "stopped": ("orange", "pause"),
        "finished": ("green", "check"),
        "failed": ("red", "close"),
        "lost": ("red", "question_mark"),
    }[status.state]
    name = run_words.state_name(status.state)
    st.badge(name, icon=f":material/{icon}:", color=color)  # pyright: ignore[reportArgumentType]


def _result(run: Run, status: Status) -> None:
    """What a run about data or a knowledge base did."""
    if not status.result:
        return
    st.markdown(run_words.result(run, status.result))
    for sentence in run_words.refused(status.result):
        st.caption(harmless(sentence))
    if run.kind == "export":
        st.code(status.result["file"], language=None)


def _turns(run: Run) -> None:
    for event in turns(run):
        if words := run_words.turn(event):
            st.caption(words)


def _numbers(status: Status, curves: Curves) -> None:
    if not any(curves.points.values()):
        return
    measured, memory = curves.last("eval_loss"), curves.last("memory")
    counted, speeds = pace(curves.points)
    numbers = {
        t("Loss"): f"{status.loss:.4f}" if status.loss is not None else "–",
        t("Evaluation loss"): f"{measured:.4f}" if measured is not None else "–",
        counted: f"{rounded(speeds[-1][1]):,}" if speeds else "–",
        t("Memory"): f"{memory / 2**30:.1f} GiB" if memory else "–",
    }
    if status.world_size > 1:
        numbers[t("Processes")] = str(status.world_size) + (
            f" · {status.sharding}" if status.sharding != "none" else ""
        )
    with st.container(horizontal=True, gap="large"):
        for label, value in numbers.items():
            st.metric(label, value, width="content")


def run_papers(run: Run) -> None:
    """What it printed, and the command that does the same."""
    with st.expander(t("Log"), icon=":material/article:", key=f"run.{run.id}.log", on_change="rerun") as box:
        if box.open:
            _log(run)
    with st.expander(t("Command"), icon=":material/terminal:", key=f"run.{run.id}.command"):
        st.code(run.command(), language=None, wrap_lines=True)
        if launched := shown(run):
            st.caption(t("Its processes were started by:"))
            st.code(launched, language=None, wrap_lines=True)
            for file in sorted((run.path / "configs").glob("*")):
                st.caption(literal(file.name))
                st.code(file.read_text(encoding="utf-8"), language="json" if file.suffix == ".json" else "yaml")
        st.caption(t("The run's files lie in {path}.", path=f"`{run.path}`"))


def _log(run: Run) -> None:
    ranks = rank_logs(run)
    rank = None
    if ranks:
        rank = st.selectbox(
            t("Process"),
            [None, *ranks],
            format_func=lambda rank: t("all") if rank is None else t("process {n}", n=rank),
            key=f"run.{run.id}.rank",
            width=240,
        )
    words = whole_tail(run) if rank is None else read_tail(ranks[rank])
    st.code(words or t("Nothing yet."), language=None, height=320)
