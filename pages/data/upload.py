"""Files become a dataset: uploaded ones, those in the folder the studio's owner opened for it, or a dataset of the hub.

The import itself is a run in the background.
"""

from pathlib import Path

import streamlit as st

from engine.data import registry
from engine.data.readers import FORMATS
from engine.data.specs import ImportSpec
from engine.settings import settings
from pages.data import at_work, uploads
from pages.data.recognise import recognise
from pages.data.sample import NAME, sample_button
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t

ENDINGS = ["jsonl", "ndjson", "json", "csv", "tsv", "parquet", "txt", "gz", "zst"]
_TURN = "datasets.files:turn"


def from_files() -> None:
    """The tab."""
    form = Form("datasets.files", {"name": "", "format": "auto", "hub": ""})
    files, uploaded = _files(form)
    default = uploads.plain(_stem(files[0])).strip("._- ") if files else ""
    name, format = _name_and_format(form, default)
    form.save()
    _formats()
    columns: dict[str, str] | None = None
    if files:
        with frame.errors_shown():
            columns = {} if files[0].startswith("hub:") else recognise(Path(files[0]), format)
    if st.button(t("Import"), type="primary", disabled=columns is None, key="datasets.files.import"):
        with frame.errors_shown():
            copies = uploads.folder() if uploaded else None
            spec = ImportSpec(files=files, name=name or default, format=format, columns=columns or {}, uploads=copies)
            at_work.begin(spec)
            uploads.forget()
            form.clear()
            st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1  # an empty uploader for the next files
            st.rerun()
    if NAME not in {card.name for card in registry.list_datasets()}:
        st.divider()
        sample_button("datasets.files.sample", primary=False)


def _files(form: Form) -> tuple[list[str], bool]:
    """What was chosen, as an import names it; and whether anything of it was uploaded."""
    turn = st.session_state.get(_TURN, 0)
    sent = st.file_uploader(
        t("Files: JSON, CSV, TSV or Parquet, also packed"),
        ENDINGS,
        accept_multiple_files=True,
        key=f"datasets.files.uploads.{turn}",
    )
    on_machine = offered(ENDINGS)
    picked: list[str] = []
    if on_machine:
        picked = st.multiselect(
            t("Files on this machine"), list(on_machine), key=f"datasets.files.picked.{turn}", placeholder=t("none")
        )
    with st.expander(t("From the Hugging Face hub"), icon=":material/cloud_download:"):
        hub = st.text_input(
            t("Dataset on the hub"),
            key=form.key("hub"),
            placeholder="owner/name",
            help=t("Its rows are fetched by the import; “owner/name:split” takes another part than “train”."),
        ).strip()
    paths = [*uploads.on_disk(sent), *(on_machine[file] for file in picked)]
    return [*map(str, paths), *([f"hub:{hub}"] if hub else [])], bool(sent)


def _name_and_format(form: Form, default: str) -> tuple[str, str]:
    left, right = st.columns(2)
    name = left.text_input(
        t("Name of the dataset"), key=form.key("name"), placeholder=default or t("as the first file"), max_chars=80
    )
    format = right.selectbox(
        t("Format"),
        ["auto", *FORMATS],
        format_func=lambda name: t("Recognise it") if name == "auto" else name,
        key=form.key("format"),
        help=t(
            "Recognised by each file's first lines. Several files become one dataset if their rows are of one kind."
        ),
    )
    return name.strip(), format


def _formats() -> None:
    with st.expander(t("What a line looks like")):
        st.code(
            '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}\n'
            '{"instruction": "…", "input": "…", "output": "…"}\n'
            '{"conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}]}\n'
            '{"prompt": "…", "completion": "…"}\n'
            '{"prompt": "…", "chosen": "…", "rejected": "…"}\n'
            '{"chosen": "\\n\\nHuman: …\\n\\nAssistant: …", "rejected": "\\n\\nHuman: …\\n\\nAssistant: …"}\n'
            '{"prompt": "…", "response_a": "…", "response_b": "…", "winner": "a"}\n'
            '{"prompt": "…", "response_a": "…", "response_b": "…", "score_a": 4, "score_b": 2}\n'
            '{"prompt": "…", "completion": "…", "label": true}\n'
            '{"prompt": "…", "response": "…", "rating": 4}',
            language="json",
            wrap_lines=True,
        )
        st.caption(
            t(
                "The first four are conversations, the next four pairs of replies, the last two judged replies. Exports "
                "of Argilla are read too."
            )
        )


def _stem(file: str) -> str:
    """A name for the dataset: the file's without its endings."""
    path = Path(file.removeprefix("hub:").partition(":")[0])
    while path.suffix.lstrip(".").lower() in ENDINGS:
        path = path.with_suffix("")
    return path.name


def offered(endings: list[str]) -> dict[str, Path]:
    """Files that lie directly in the import folder, by name; a link that leads out of it is none of them.

    Args:
        endings: of the files that can be used.
    """
    folder = settings().import_folder
    if folder is None or not folder.is_dir():
        return {}
    root = folder.resolve()
    files = (path for path in sorted(root.iterdir()) if path.suffix.lstrip(".") in endings)
    return {path.name: path for path in files if path.is_file() and path.resolve().parent == root}
