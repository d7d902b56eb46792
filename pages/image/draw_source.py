"""The picture that the next one starts from, and what of it is painted anew: uploaded, taken from the gallery, or painted here."""

import base64
from io import BytesIO

import streamlit as st
from PIL import Image

from engine.diffusion import gallery, masks
from engine.diffusion.recipe import Mode, Recipe
from engine.diffusion.uploads import MAX_BYTES, by_eight, open_picture
from engine.errors import BadInput, StudioError
from pages.image.draw_state import defaults_of
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.labels import literal

ENDINGS = ["png", "jpg", "jpeg", "webp", "gif", "bmp"]
MOST_MEGABYTES = MAX_BYTES >> 20
_CANVAS = 300
"""Longer side of what is painted on: it fits a telephone."""
_TO_CHOOSE = 24


def source_box(form: Form) -> None:
    """The part of the form for modes that start from a picture."""
    with st.container(border=True, key="draw.source.box"), frame.errors_shown():
        _forget_lost(form)
        source = _source(form)
        if source is None:
            _choose(form)
            return
        if st.session_state[form.key("mode")] == "inpaint":
            _mask(form, source)
        else:
            st.image(_shown(source), width=min(_CANVAS, 4 * source.width))
        st.slider(
            t("Strength"),
            0.05,
            1.0,
            step=0.05,
            key=form.key("strength"),
            help=t("How much may change: low keeps close to the picture, 1 draws anew."),
        )
        st.button(
            t("Another picture"),
            icon=":material/swap_horiz:",
            type="tertiary",
            key="draw.source.drop",
            on_click=_forget,
            args=(form,),
        )


def source_of_form(form: Form, mode: Mode) -> Image.Image | None:
    """The picture to start from, if the mode has one.

    Raises:
        BadInput: it is not kept any more.
    """
    return _source(form) if mode != "txt2img" else None


def mask_of_form(form: Form, mode: Mode) -> Image.Image | None:
    """The mask, if the mode has one and it is there.

    Raises:
        BadInput: nothing is marked.
    """
    source = _source(form) if mode == "inpaint" else None
    if source is None:
        return None
    if digest := st.session_state[form.key("mask")]:
        return gallery.mask_of(Recipe(mask=digest))
    return masks.from_drawing(_painted(st.session_state[form.key("painted")]), source.size)


def _painted(canvas: str) -> Image.Image:
    """The canvas as the browser sent it, decoded only if it is of a canvas's size."""
    try:
        with Image.open(BytesIO(base64.b64decode(canvas)), formats=["PNG"]) as image:
            if max(image.size) <= 8 * _CANVAS:
                return image.convert("RGBA")
    except (OSError, ValueError, SyntaxError):
        pass
    raise BadInput("There is no mask: paint over what is to be drawn anew.")


def _source(form: Form) -> Image.Image | None:
    return gallery.source_of(Recipe(source=st.session_state[form.key("source")] or None))


def _forget_lost(form: Form) -> None:
    """Say which picture or mask is not kept here any more; another can be chosen in its place."""
    with frame.errors_shown():
        try:
            _source(form)
        except StudioError:
            _forget(form)
            raise
    with frame.errors_shown():
        try:
            gallery.mask_of(Recipe(mask=st.session_state[form.key("mask")] or None))
        except StudioError:
            _paint_anew(form)
            raise


def _choose(form: Form) -> None:
    turn = st.session_state.setdefault("draw.source.turn", 0)
    file = st.file_uploader(
        t("A picture to start from"), ENDINGS, key=f"draw.source.file.{turn}", max_upload_size=MOST_MEGABYTES
    )
    if file:
        take_source(form, open_picture(file.getvalue(), file.name))
        st.rerun()
    if st.button(t("From the gallery"), icon=":material/photo_library:", key="draw.source.gallery"):
        st.dialog(t("Choose a picture"), width="large")(_from_gallery)(form)


def take_source(form: Form, source: Image.Image) -> None:
    """Start from a picture: it is kept, and the size follows its shape."""
    st.session_state[form.key("source")] = gallery.keep_source(source)
    _drop_mask(form)
    st.session_state["draw.source.turn"] = st.session_state.get("draw.source.turn", 0) + 1
    begin = defaults_of(st.session_state[form.key("model")])
    scale = (begin.width * begin.height / (source.width * source.height)) ** 0.5
    width, height = by_eight(round(source.width * scale)), by_eight(round(source.height * scale))
    # the widgets of the size come later in the script
    st.session_state[form.key("width")], st.session_state[form.key("height")] = min(width, 4096), min(height, 4096)
    form.save()


def _from_gallery(form: Form) -> None:
    pictures = gallery.find(person=frame.person(), limit=_TO_CHOOSE)
    if not pictures:
        st.caption(t("Nothing drawn yet."))
    with st.grid(6, min_column_width=110):
        for picture in pictures:
            with st.container(), frame.errors_shown():
                st.image(str(gallery.thumbnail(picture)), width="stretch")
                st.button(
                    t("Take it"),
                    key=f"draw.take.{picture.id}",
                    type="tertiary",
                    help=literal(picture.recipe.prompt) or None,
                    on_click=_take,
                    args=(form, picture),
                )


def _take(form: Form, picture: gallery.Picture) -> None:
    with frame.errors_shown():
        take_source(form, gallery.image_of(picture))


def _forget(form: Form) -> None:
    st.session_state[form.key("source")] = ""
    _drop_mask(form)
    form.save()


def _drop_mask(form: Form) -> None:
    for field, nothing in (("mask", ""), ("painted", ""), ("strokes", None)):
        st.session_state[form.key(field)] = nothing


def _mask(form: Form, source: Image.Image) -> None:
    if digest := st.session_state[form.key("mask")]:
        _kept_mask(form, source, digest)
        return
    st.caption(t("Paint over what is to be drawn anew. The rest stays as it is."))
    _paint(form, source)
    with st.popover(t("Or upload a mask"), icon=":material/upload:", type="tertiary"):
        turn = st.session_state.setdefault("draw.mask.turn", 0)
        file = st.file_uploader(
            t("White is drawn anew, black stays."),
            ENDINGS,
            key=f"draw.mask.file.{turn}",
            max_upload_size=MOST_MEGABYTES,
        )
        if file:
            mask = masks.from_upload(file.getvalue(), file.name, source.size)
            st.session_state[form.key("mask")] = gallery.keep_source(mask)
            st.session_state["draw.mask.turn"] = turn + 1
            form.save()
            st.rerun()


def _kept_mask(form: Form, source: Image.Image, digest: str) -> None:
    mask = gallery.mask_of(Recipe(mask=digest))
    if mask is None:
        return
    red = Image.new("RGB", source.size, "#dc2626")
    half = mask.convert("L").resize(source.size).point(lambda grey: grey * 0.6)
    st.image(_shown(Image.composite(red, source.convert("RGB"), half)), width=min(_CANVAS, 4 * source.width))
    st.caption(t("What is red is drawn anew."))
    st.button(
        t("Paint another mask"),
        icon=":material/ink_eraser:",
        type="tertiary",
        key="draw.mask.drop",
        on_click=_paint_anew,
        args=(form,),
    )


def _paint_anew(form: Form) -> None:
    _drop_mask(form)
    form.save()


def _paint(form: Form, source: Image.Image) -> None:
    from streamlit_drawable_canvas import st_canvas

    tools = {"freedraw": t("Brush"), "rect": t("Rectangle")}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        tool = st.segmented_control(
            t("Tool"), tools, format_func=tools.__getitem__, key="draw.tool", default="freedraw", required=True
        )
        brush = st.slider(t("Brush width"), 5, 100, 30, step=5, key="draw.brush", width=160)
    scale = _CANVAS / max(source.size)
    width, height = round(source.width * scale), round(source.height * scale)
    place = f"draw.canvas.{st.session_state[form.key('source')][:16]}"
    # strokes of an earlier visit; given once, as another value would draw them anew under the brush
    first = st.session_state.setdefault(f"{place}:first", st.session_state[form.key("strokes")])
    drawn = st_canvas(
        fill_color="rgba(220, 38, 38, 0.6)",
        stroke_color="rgba(220, 38, 38, 0.6)",
        stroke_width=brush if tool == "freedraw" else 1,
        background_image=_shown(source, (width, height)),
        width=width,
        height=height,
        drawing_mode=tool or "freedraw",
        initial_drawing=first,
        return_image_data=True,
        key=place,
    )
    if drawn.image_bytes is not None:
        st.session_state[form.key("painted")] = base64.b64encode(drawn.image_bytes).decode()
        st.session_state[form.key("strokes")] = drawn.json_data


def _shown(picture: Image.Image, size: tuple[int, int] | None = None) -> Image.Image:
    """Small pictures are drawn large enough to be seen."""
    if size is None and max(picture.size) >= _CANVAS:
        return picture
    scale = _CANVAS / max(picture.size)
    size = size or (round(picture.width * scale), round(picture.height * scale))
    return picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
