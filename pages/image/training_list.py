"""The pictures to teach from, as the training will see them: add, caption, crop, mask, remove."""

import tempfile
from pathlib import Path

import streamlit as st
from PIL import Image, ImageDraw

from engine.diffusion.uploads import open_picture
from engine.errors import BadInput, StudioError
from engine.training.dreambooth_pictures import LEAST, LONGEST_CAPTION, MOST, Size, bucket_of
from engine.training.dreambooth_sample import CLASS_PROMPT, INSTANCE_PROMPT, sample_subject
from pages.image import training_pictures
from pages.image.training_pictures import Entry
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.shared.text import harmless

ENDINGS = ["png", "jpg", "jpeg", "webp", "gif", "bmp"]
_TURN = "image.teach:turn"
_REFUSED = "image.teach:refused"
_BULK = "image.teach.bulk"
_SHOWN = 420
"""Pixels of the whole picture's longer side, where its crop is chosen."""


def nothing_yet(form: Form) -> None:
    """What to do first; one click loads pictures to try it with."""
    with st.container(border=True, key="image.teach.empty"):
        st.subheader(t("What shall it learn?"))
        st.markdown(
            t(
                "Three to fifty pictures of one thing that the model does not know: your dog, a mug, a character. Several "
                "sides and several backgrounds, and little else on them. It then draws the thing anew, anywhere."
            )
        )
        st.button(
            t("Load five sample pictures"),
            type="primary",
            icon=":material/download_for_offline:",
            key="image.teach.sample",
            help=t("A striped robot with the body of a teapot, which no model has seen."),
            on_click=_load_sample,
            args=(form,),
        )
        _uploader()
    _refusals()


def picture_list(sizes: list[Size]) -> None:
    """All pictures with what can be done to them."""
    person = frame.person()
    have = training_pictures.entries(person)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(
            f"**{t('Pictures')}** · {t('{n} of {most}, at least {least}', n=len(have), most=MOST, least=LEAST)}"
        )
        st.button(
            t("Remove all"),
            type="tertiary",
            icon=":material/delete:",
            key="image.teach.clear",
            on_click=training_pictures.clear,
            args=(person,),
        )
    _refusals()
    with st.expander(t("Add pictures"), icon=":material/add_photo_alternate:", key="image.teach.add"):
        _uploader()
    _bulk(person)
    with st.grid("auto", min_column_width=125):
        for entry in have:
            with st.container(border=True, gap="small", key=f"image.teach.card.{entry.stem}"):
                _card(person, entry, sizes)


def _uploader() -> None:
    turn = st.session_state.get(_TURN, 0)
    sent = st.file_uploader(
        t("Pictures: PNG, JPEG, WebP, GIF or BMP"),
        ENDINGS,
        accept_multiple_files=True,
        max_upload_size=64,
        key=f"image.teach.files.{turn}",
    )
    if not sent:
        return
    refused: list[StudioError] = []
    with st.spinner(t("Looking at the pictures …")):
        for upload in sent:
            try:
                training_pictures.add(frame.person(), upload.name, bytes(upload.getbuffer()))
            except BadInput as error:
                refused.append(error)
    st.session_state[_REFUSED] = refused
    st.session_state[_TURN] = turn + 1  # an empty uploader for the next ones
    st.rerun()


def _refusals() -> None:
    """Why pictures were not taken, each in a sentence, until they are waved away."""
    refused: list[StudioError] = st.session_state.get(_REFUSED, [])
    if not refused:
        return
    with st.container(key="image.teach.refused"):
        for error in refused:
            st.error(harmless(t(error.sentence, **error.values)), icon=":material/hide_image:")
        st.button(t("Hide"), type="tertiary", key="image.teach.hide", on_click=_forget_refusals)


def _forget_refusals() -> None:
    st.session_state.pop(_REFUSED, None)


def _load_sample(form: Form) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for file in sample_subject(Path(folder)):
            training_pictures.add(frame.person(), file.name, file.read_bytes())
    st.session_state[form.key("instance_prompt")] = INSTANCE_PROMPT
    st.session_state[form.key("class_prompt")] = CLASS_PROMPT


def _bulk(person: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            t("One caption for all"),
            key=_BULK,
            max_chars=LONGEST_CAPTION,
            placeholder=t("such as: on a white table"),
            help=t(
                "A caption says what else is on a picture, so that it is not taken for a part of the thing. Without one, a "
                "picture is learnt under the prompt that means the thing."
            ),
        )
        st.button(t("Give it to all"), key="image.teach.bulk.do", on_click=_caption_all, args=(person,))


def _caption_all(person: str) -> None:
    caption = " ".join(st.session_state[_BULK].split())
    training_pictures.caption_all(person, caption)
    for entry in training_pictures.entries(person):
        st.session_state[_caption_key(entry)] = caption


def _caption_key(entry: Entry) -> str:
    return f"image.teach.caption.{entry.file}"


def _card(person: str, entry: Entry, sizes: list[Size]) -> None:
    st.image(str(training_pictures.ready_file(person, entry)), width="stretch")
    key = _caption_key(entry)
    st.session_state.setdefault(key, entry.caption)
    st.text_input(
        t("Caption of {file}", file=literal(entry.file)),
        key=key,
        max_chars=LONGEST_CAPTION,
        placeholder=t("no caption"),
        label_visibility="collapsed",
        on_change=_caption,
        args=(person, entry, key),
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if st.button(
            " ",
            icon=":material/crop:",
            type="tertiary",
            key=f"image.teach.edit.{entry.file}",
            help=t("Crop and mask"),
        ):
            st.dialog(t("Crop and mask"), width="medium", on_dismiss="rerun")(_edit)(person, entry.file, sizes)
        if training_pictures.mask_file(person, entry).exists():
            st.badge(t("mask"), color="gray")
        st.button(
            " ",
            icon=":material/delete:",
            type="tertiary",
            key=f"image.teach.remove.{entry.file}",
            help=t("Remove {file}", file=literal(entry.file)),
            on_click=training_pictures.remove,
            args=(person, entry.file),
        )


def _caption(person: str, entry: Entry, key: str) -> None:
    training_pictures.change(person, entry.file, caption=" ".join(st.session_state[key].split()))


def _edit(person: str, file: str, sizes: list[Size]) -> None:
    entry = next((each for each in training_pictures.entries(person) if each.file == file), None)
    if entry is None:
        st.rerun()
        return
    with frame.errors_shown():
        whole = open_picture(training_pictures.original(person, entry), entry.file)
        bucket = bucket_of(whole.size, sizes)
        entry = _crop(person, entry, whole.size, bucket)
        st.image(_marked(whole, training_pictures.crop(whole.size, bucket, entry.at)))
        numbers = {"width": bucket[0], "height": bucket[1]}
        st.caption(t("What is dimmed is cut off; the rest is seen at {width} × {height} pixels.", **numbers))
        _mask(person, entry)
    if st.button(t("Done"), type="primary", key="image.teach.done"):
        st.rerun()


def _crop(person: str, entry: Entry, size: Size, bucket: Size) -> Entry:
    left, top, right, bottom = training_pictures.crop(size, bucket, 0.5)
    across, down = size[0] - (right - left), size[1] - (bottom - top)
    if max(across, down) < 2:
        return entry
    key = f"image.teach.at.{entry.file}"
    st.session_state.setdefault(key, entry.at)
    at = st.slider(
        t("Part that is seen, from left to right") if across > down else t("Part that is seen, from top to bottom"),
        0.0,
        1.0,
        step=0.05,
        key=key,
    )
    if at != entry.at:
        training_pictures.change(person, entry.file, at=at)
    return Entry(entry.file, entry.caption, at)


def _marked(whole: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """The whole picture, small, dimmed where it is cut off."""
    scale = min(1.0, _SHOWN / max(whole.size))
    small = whole.resize((max(1, round(whole.width * scale)), max(1, round(whole.height * scale))))
    shown = Image.blend(small, Image.new("RGB", small.size, "#808080"), 0.75)
    left, top, right, bottom = (round(side * scale) for side in box)
    shown.paste(small.crop((left, top, right, bottom)), (left, top))
    ImageDraw.Draw(shown).rectangle((left, top, right - 1, bottom - 1), outline="#0d9488", width=2)
    return shown


def _mask(person: str, entry: Entry) -> None:
    file = training_pictures.mask_file(person, entry)
    if file.exists():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.image(str(file), width=120)
            if st.button(t("Remove the mask"), icon=":material/delete:", key="image.teach.mask.remove"):
                training_pictures.remove_mask(person, entry)
                st.rerun(scope="fragment")
        return
    sent = st.file_uploader(
        t("A mask (optional): white where the thing is, black elsewhere, of the picture's shape"),
        ENDINGS,
        max_upload_size=64,
        key=f"image.teach.mask.{entry.file}",
    )
    if sent:
        training_pictures.set_mask(person, entry, sent.name, bytes(sent.getbuffer()))
        st.caption(t("The mask is taken."))
