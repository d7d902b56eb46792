"""The pages about pictures are there if a picture model is: one is put where tests of pages look."""

import pytest

from engine.settings import settings


@pytest.fixture(autouse=True)
def small_picture_model(studio_home, tiny_picture_folder):
    """A tiny pipeline under var/models, under a name that sorts last."""
    (settings().models / "zz-small").symlink_to(tiny_picture_folder)
