"""What is said about a run: names, progress, hints and endings, in the reader's language. Draws nothing."""

from engine.runs import Run, Status
from engine.runs.run import ENDED
from pages.shared.i18n import t
from pages.shared.labels import duration, literal

GO_ON = ("import", "prepare", "ingest", "batch")
"""Runs that train nothing and that a resume takes up where they were; the others begin anew, and had changed nothing."""


def state_name(state: str) -> str:
    """A state in the reader's language."""
    return {
        "queued": t("queued"),
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
        "reward": t("Reward model"),
        "dpo": "DPO",
        "kto": "KTO",
        "rloo": "RLOO",
        "dreambooth": t("Image LoRA"),
        "evaluate": t("Evaluation"),
        "winrate": t("Comparison"),
        "import": t("Import"),
        "clean": t("Cleaning"),
        "prepare": t("Preparation"),
        "export": t("Export"),
        "ingest": t("Adding documents"),
        "reindex": t("Indexing anew"),
        "batch": t("Batch"),
    }.get(kind, kind)


def how_far(status: Status) -> str:
    """What is done of what there is, in the run's own unit."""
    done, every = status.step, status.max_steps
    if status.unit == "rows":
        return t("{n} of {all} rows", n=f"{done:,}", all=f"{every:,}")
    if status.unit == "passages":
        return t("{n} of {all} passages", n=f"{done:,}", all=f"{every:,}")
    if status.unit == "bytes":
        return t("{n} of {all} MB", n=f"{done / 1e6:,.1f}", all=f"{every / 1e6:,.1f}")
    return t("step {step} of {all}", step=done, all=every)


def title(run: Run, status: Status) -> str:
    """What a run is called, as Markdown."""
    if status.adapter:
        return literal(status.adapter)
    return f"{kind_name(run.kind)} · {literal(about(run, status))}"


def about(run: Run, status: Status) -> str:
    """The name of what a run makes or uses."""
    return status.adapter or status.subject or run.spec().get("adapter") or run.id


def share(status: Status) -> float:
    """How much is done, 0 to 1."""
    return min(1.0, status.step / status.max_steps) if status.max_steps else 0.0


def progress(status: Status) -> str:
    """How far it is, in one line."""
    if not status.adapter and status.state == "finished":
        return t("done")
    if not status.max_steps:
        return _before(status)
    words = [how_far(status)]
    if status.loss is not None:
        words.append(t("loss {loss}", loss=f"{status.loss:.3f}"))
    if status.state == "running" and status.step >= status.max_steps:
        words.append(t("saving what was learnt …") if status.adapter else t("making it whole …"))
    elif status.state == "running" and status.seconds_left is not None:
        words.append(t("about {time} left", time=duration(status.seconds_left)))
    return " · ".join(words)


def stop_hint(run: Run, status: Status) -> str:
    """What a stop leaves behind."""
    if status.adapter:
        return t("It finishes its step and saves a checkpoint.")
    return t("What is done so far is kept for a resume.") if run.kind in GO_ON else t("Nothing is changed.")


def resume_hint(run: Run, status: Status) -> str:
    """Where a resume begins."""
    if status.adapter:
        return t("Goes on from the last whole checkpoint.")
    return t("Goes on where it was.") if run.kind in GO_ON else t("Begins anew: nothing was changed.")


def lost(run: Run, status: Status) -> str:
    """What it means that a run is lost."""
    if status.adapter:
        return t(
            "The process ended without a word: it was killed, or the machine went down. Resume goes on from the last whole checkpoint."
        )
    if run.kind in GO_ON:
        return t("The process was killed, or the machine went down. Resume goes on where it was.")
    return t("The process was killed, or the machine went down. Nothing was changed; resume begins anew.")


def turn(event: dict) -> str | None:
    """What is worth saying of a resume or a change of settings."""
    if event["event"] == "changed":
        changes = ", ".join(f"{name} {old} → {new}" for name, (old, new) in event["values"].items())
        return t("Changed at step {step}: {changes}.", step=event["step"], changes=literal(changes))
    if event.get("passed_over"):
        steps = ", ".join(map(str, event["passed_over"]))
        return t(
            "Resumed from step {step}: the checkpoint of step {steps} was not whole and was passed over.",
            step=event["step"],
            steps=steps,
        )
    return None


def reason(status: Status) -> str:
    """Why a run failed."""
    if not status.message:
        return t("It failed; the log says where.")
    # a gap may hold a reason of the readers, which has its translation too
    return t(status.message, **{name: t(value) for name, value in status.message_values.items()})


def result(run: Run, values: dict) -> str:
    """What a finished run about data or a knowledge base did, in a sentence."""
    if run.kind == "import":
        return t("Rows: {rows}; lines that could not be read: {broken}.", **_counts(values, "rows", "broken"))
    if run.kind == "clean":
        return t("Rows kept: {rows_kept} of {rows_in}.", **_counts(values, "rows_kept", "rows_in"))
    if run.kind == "prepare":
        return t(
            "Rows to train on: {train_rows}; kept aside: {eval_rows}.", **_counts(values, "train_rows", "eval_rows")
        )
    if run.kind == "ingest":
        return t(
            "Documents added: {added}; replaced: {replaced}; unchanged: {unchanged}; refused: {refused}.",
            **_counts({**values, "refused": len(values["refused"])}, "added", "replaced", "unchanged", "refused"),
        )
    if run.kind == "reindex":
        return t("Passages indexed: {passages}.", **_counts(values, "passages"))
    if run.kind == "batch":
        return t("Rows with a reply: {done} of {rows}; failed: {failed}.", **_counts(values, "done", "rows", "failed"))
    return t("Rows written: {rows}, to the file:", **_counts(values, "rows"))


def refused(values: dict) -> list[str]:
    """Why files were not taken into a knowledge base, and what else is to be said of them, each in a sentence."""
    notes = [*values.get("refused", []), *values.get("warnings", [])]
    return [t(note["sentence"], **{name: t(value) for name, value in note["values"].items()}) for note in notes]


def _before(status: Status) -> str:
    """In place of numbers, while there are none."""
    if status.place is not None:
        return t("waiting for its devices …")
    if not status.adapter:
        begun = t("before the first passage") if status.unit == "passages" else t("before the first row")
        return t("getting ready …") if status.state not in ENDED else begun
    return t("getting the data and the model ready …") if status.state not in ENDED else t("before the first step")


def _counts(values: dict, *names: str) -> dict[str, str]:
    return {name: f"{values[name]:,}" for name in names}
