"""One picture of the gallery: shown large, judged, its recipe readable, and the ways on from it."""

import streamlit as st

from engine.diffusion import gallery
from engine.diffusion.gallery import Picture
from engine.diffusion.png import read_recipe
from engine.diffusion.recipe import Mode, Recipe
from engine.diffusion.schedulers import TITLES
from engine.feedback import pictures as judgements
from engine.feedback.schema import Verdict
from pages.image.draw_source import ENDINGS, MOST_MEGABYTES
from pages.image.draw_state import draw_again, fill, restore, start_from
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import literal, when
from pages.shared.text import harmless


def picture_card(picture: Picture, said: Verdict | None, large: bool = False) -> None:
    """A picture with thumbs and the ways on.

    Args:
        picture: the picture.
        said: what this person has said of it.
        large: whether it has the whole width.
    """
    with frame.errors_shown():
        _image(picture, large)
        with st.container(horizontal=True, vertical_alignment="center"):
            _judge(picture, said)
            _ways(picture)
        with st.expander(t("How it was made"), icon=":material/receipt_long:", key=f"draw.recipe.{picture.id}"):
            recipe_text(picture.recipe)


def recipe_text(recipe: Recipe) -> None:
    """A recipe as people read it."""
    st.markdown(harmless(recipe.prompt) or "–")
    if recipe.negative_prompt:
        st.caption(t("Not in the picture: {words}", words=literal(recipe.negative_prompt, 1000)))
    if recipe.idea:
        st.caption(t("Idea: {words}", words=literal(recipe.idea, 1000)))
    facts = [
        _mode(recipe.mode),
        literal(recipe.model),
        f"{recipe.width} × {recipe.height}",
        t("{n} steps", n=recipe.steps),
        t("guidance {n}", n=f"{recipe.guidance_scale:g}"),
        TITLES.get(recipe.scheduler, recipe.scheduler),
        t("seed {seed}", seed=recipe.seed),
    ]
    if recipe.strength is not None:
        facts.append(t("strength {n}", n=f"{recipe.strength:g}"))
    st.caption(" · ".join(facts))
    for lora in recipe.loras:
        blocks = "".join(f", {literal(block)} {weight:g}" for block, weight in lora.blocks.items())
        st.caption(f"LoRA {literal(lora.name)} × {lora.weight:g}{blocks}")


def restore_from_png() -> None:
    """The popover at the top of the page."""
    with st.popover(t("Restore from a PNG"), icon=":material/upload_file:"):
        st.caption(t("A picture that this studio or AUTOMATIC1111 saved carries its recipe: the form takes it over."))
        turn = st.session_state.setdefault("draw.restore.turn", 0)
        st.file_uploader(
            t("Picture"),
            ENDINGS,
            key=f"draw.restore.{turn}",
            label_visibility="collapsed",
            max_upload_size=MOST_MEGABYTES,
            on_change=_restore_file,
            args=(turn,),
        )


def _restore_file(turn: int) -> None:
    file = st.session_state[f"draw.restore.{turn}"]
    if not file:
        return
    with frame.errors_shown():
        restore(read_recipe(file.getvalue(), file.name))
        fill({"shown": []})  # the last result is none of this recipe's
        st.session_state["draw.restore.turn"] = turn + 1
        st.toast(t("The form is as it was for this picture."), icon=":material/check:")


def picture_dialog(picture: Picture, said: Verdict | None) -> None:
    """A picture of the gallery, large, with all that can be done with it."""

    def show() -> None:
        left, right = st.columns(2, gap="medium")
        with left, frame.errors_shown():
            _image(picture, large=True)
        with right:
            recipe_text(picture.recipe)
            st.caption(
                t("Drawn {when} by {name}", when=when(picture.created.timestamp()), name=literal(picture.person))
            )
            _judge(picture, said)
            st.button(
                t("Restore the form"),
                icon=":material/settings_backup_restore:",
                key=f"picture.restore.{picture.id}",
                on_click=restore,
                args=(picture.recipe,),
            )
            _ways(picture, "picture")
            _delete(picture)

    st.dialog(t("Picture"), width="large")(show)()


def _image(picture: Picture, large: bool) -> None:
    image = gallery.image_of(picture)
    width = "stretch" if max(image.size) > 384 or not large else 384
    st.image(image, width=width, alt=picture.recipe.prompt[:200])


def _judge(picture: Picture, said: Verdict | None) -> None:
    key = f"draw.thumbs.{picture.id}"
    default = {"good": 1, "bad": 0}.get(said or "")
    st.feedback("thumbs", key=key, default=default, on_change=_save_thumbs, args=(picture, key))


def _save_thumbs(picture: Picture, key: str) -> None:
    value = st.session_state[key]
    with frame.errors_shown():
        judgements.judge(picture, frame.person(), None if value is None else ("bad", "good")[value])


def _ways(picture: Picture, key: str = "draw") -> None:
    with st.container(horizontal=True, width="content"):
        ways: list[tuple[str, str, str]] = [
            ("again", "replay", t("Draw again")),
            ("img2img", "image", t("Start from it")),
            ("inpaint", "brush", t("Repaint a part")),
        ]
        for way, icon, label in ways:
            st.button(
                label,
                icon=f":material/{icon}:",
                type="tertiary",
                key=f"{key}.{way}.{picture.id}",
                on_click=_go,
                args=(picture, way),
            )
        if not picture.gone:
            st.download_button(
                " ",
                picture.file.read_bytes(),
                f"{picture.id}.png",
                "image/png",
                key=f"{key}.download.{picture.id}",
                icon=":material/download:",
                type="tertiary",
                on_click="ignore",
                help=t("Download: a PNG with its recipe inside"),
            )


def _go(picture: Picture, way: str) -> None:
    with frame.errors_shown():
        if way == "again":
            draw_again(picture.recipe)
        else:
            modes: dict[str, Mode] = {"img2img": "img2img", "inpaint": "inpaint"}
            start_from(picture, modes[way])


def _delete(picture: Picture) -> None:
    if picture.person != frame.person():
        return
    with st.popover(t("Delete"), icon=":material/delete:", type="tertiary"):
        st.caption(t("The picture goes for good; what was said of it stays."))
        if st.button(t("Delete for good"), type="primary", key=f"picture.delete.{picture.id}"):
            with frame.errors_shown():
                gallery.delete(picture.id)
                st.rerun()


def _mode(mode: Mode) -> str:
    return {"txt2img": t("From words"), "img2img": t("From a picture"), "inpaint": t("Repaint a part")}[mode]
