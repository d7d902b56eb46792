"""What the form of a batch holds, the spec that it stands for, and the ways to fill it. Draws nothing.

The form is a draft on disk, its file is one on disk too: a reload, a page change or a restart loses neither.
"""

from pathlib import Path
from typing import Any

import streamlit as st

from engine.batch import sample
from engine.batch.spec import BASE, BatchOptions, BatchSpec
from engine.fields import parse
from engine.models.request import Sampling
from engine.settings import settings
from pages.shared.drafts import Form

VIEW = "batch.view"
GO_TO = "batch.go_to"
"""What the next run of the page shows: a run's id, or `new`."""
_PENDING = "batch.pending"
"""What the next run of the page puts in the form before its widgets are drawn."""
_SAMPLING = ("max_new_tokens", "temperature", "top_p", "top_k", "repetition_penalty", "seed")
LARGEST_SEED = 2**32 - 1


def batch_form() -> Form:
    """The form, with what was in it last time."""
    form = Form("batch", _values(BatchOptions(), ""))
    pending = st.session_state.pop(_PENDING, None)
    if pending:
        for key in [key for key in st.session_state if str(key).startswith(("batch.speaker.", "batch.sampling."))]:
            del st.session_state[key]
        for field, value in pending.items():
            st.session_state[form.key(field)] = value
    return form


def forget(form: Form, fields: set[str]) -> None:
    """At the end of a run: what has no widget now comes from the draft in the next run.

    Otherwise the session would keep what such a field held before its widget was drawn, and bring that back in place of
    what was typed, once the widget is gone with the page.
    """
    for field in fields:
        st.session_state.pop(form.key(field), None)


def take_sample() -> None:
    """For a callback: the sample file and what to ask about it."""
    options = BatchOptions(prompt_template=sample.TEMPLATE, reference=sample.REFERENCE, max_new_tokens=sample.LONGEST)
    st.session_state[_PENDING] = _values(options, str(sample.FILE))


def take_spec(spec: BatchSpec) -> None:
    """For a callback: the settings of a batch that was started before."""
    st.session_state[_PENDING] = _values(spec, str(spec.file))


def file_of(form: Form) -> Path | None:
    """The chosen file, if it is (still) there."""
    name = st.session_state[form.key("file")]
    return Path(name) if name and Path(name).is_file() else None


def asked(form: Form, file: Path) -> BatchSpec:
    """What the form asks for.

    Raises:
        BadInput: a value cannot be.
    """
    values = form.values()
    by_template = values["way"] == "template"
    return parse(
        BatchSpec,
        {
            **{name: values["sampling"][name] for name in _SAMPLING},
            "file": file,
            "uploads": _uploads(file),
            "prompt_template": values["prompt_template"] if by_template else None,
            "system": values["system"].strip() or None,
            "messages_column": None if by_template else values["messages_column"],
            **{name: values[name] for name in ("model", "adapter", "json_mode", "json_retries", "reference", "judge")},
            "adapter_b": values["adapter_b"] if values["compare"] else None,
            "json_schema": (values["json_schema"].strip() or None) if values["json_mode"] else None,
            "stop": [line for line in values["stop"].splitlines() if line],
            "batch_size": values["batch_size"] or "auto",
        },
    )


def sampling_of(form: Form) -> Sampling:
    """How tokens are chosen, as the controls show it."""
    return Sampling.model_validate(st.session_state[form.key("sampling")])


def _values(options: BatchOptions, file: str) -> dict[str, Any]:
    """The fields of the form that stand for some options."""
    return {
        "file": file,
        "way": "messages" if options.messages_column else "template",
        "prompt_template": options.prompt_template or "",
        "system": options.system or "",
        "compare": options.adapter_b is not None,
        "adapter_b": options.adapter_b or BASE,
        "json_mode": options.json_mode or options.json_schema is not None,
        "json_schema": options.json_schema or "",
        "stop": "\n".join(options.stop),
        "batch_size": None if options.batch_size == "auto" else options.batch_size,
        "sampling": {name: getattr(options, name) for name in _SAMPLING},
        **{
            name: getattr(options, name)
            for name in ("messages_column", "model", "adapter", "json_retries", "reference", "judge")
        },
    }


def _uploads(file: Path) -> Path | None:
    """The folder of an uploaded file: its copy was made for one batch alone."""
    root = settings().var / "uploads"
    return root / file.relative_to(root).parts[0] if file.is_relative_to(root) else None
