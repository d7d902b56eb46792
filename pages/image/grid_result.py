"""A grid that was drawn: large, to download, and with how it was made."""

from pathlib import Path

import streamlit as st

from engine.diffusion.grids import Grid, read_grid
from pages.shared.i18n import t
from pages.shared.labels import literal, when


def show_grid(file: Path) -> None:
    """The sheet and what belongs to it."""
    grid, content = read_grid(file), file.read_bytes()
    with st.container(border=True, key="image.grid.result"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.caption(f"{when(file.stat().st_mtime)} · {literal(grid.recipe.prompt)}", width="content")
            st.download_button(
                t("Download"),
                content,
                f"grid-{int(file.stat().st_mtime)}.png",
                "image/png",
                on_click="ignore",
                icon=":material/download:",
                key="image.grid.download",
            )
        st.image(content, width="stretch" if _is_wide(content) else "content")
        _left_out(grid)
        with st.expander(t("How it was made"), icon=":material/receipt_long:"):
            st.code(grid.model_dump_json(indent=1, exclude_defaults=True), language="json")


def _is_wide(content: bytes) -> bool:
    """Whether it is larger than a page: then it is made as wide as there is room."""
    from io import BytesIO

    from PIL import Image

    with Image.open(BytesIO(content)) as picture:
        return picture.width > 700


def _left_out(grid: Grid) -> None:
    if not grid.left_out:
        return
    st.warning(t("Grey fields could not be drawn:"), icon=":material/info:")
    for place, reason in grid.left_out.items():
        row, column = (int(number) + 1 for number in place.split(","))
        words = literal(t(reason.sentence, **reason.values), 300)
        st.caption(t("row {row}, column {column}: {reason}", row=row, column=column, reason=words))
