"""What was drawn is kept, found, deleted, and found again when only the files are left."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.diffusion import gallery
from engine.diffusion.drawing import Drawing
from engine.diffusion.png import read_recipe
from engine.diffusion.recipe import LoraWeight, Recipe
from engine.errors import BadInput
from engine.settings import settings


def picture(size: int = 64, seed: int = 0) -> Image.Image:
    """Noise."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (size, size, 3), "uint8"))


def drawn(prompt: str = "a whale", person: str = "ann", seed: int = 0, **values) -> gallery.Picture:
    """One more picture in the gallery."""
    return gallery.add(Drawing(picture(), Recipe(prompt=prompt, seed=seed, **values)), person)


def files() -> set[str]:
    """Every file of the gallery, from its folder."""
    folder = settings().var / "pictures"
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def lose_the_index() -> None:
    """As after the loss of the database: the files alone are left."""
    from engine.database import writing

    with writing() as db:
        for row in db.query(gallery.PictureRow):
            db.delete(row)


def test_a_picture_is_a_file_with_its_recipe_inside():
    kept = drawn("一只鲸鱼", loras=[LoraWeight(name="zorp", weight=-0.5)])
    assert kept.file.parent == settings().var / "pictures" and not kept.gone
    assert (
        read_recipe(kept.file) == kept.recipe == Recipe(prompt="一只鲸鱼", loras=[LoraWeight(name="zorp", weight=-0.5)])
    )
    assert gallery.image_of(kept).tobytes() == picture().tobytes()
    assert gallery.get(kept.id) == kept and kept.person == "ann" and kept.created.tzinfo
    assert b"ann" not in kept.file.read_bytes()  # who gives the file away does not give a name away
    assert not [name for name in files() if name.startswith(".")]


def test_the_newest_come_first_page_by_page():
    ids = [drawn(seed=seed).id for seed in range(7)][::-1]
    assert [each.id for each in gallery.find()] == ids
    pages = [gallery.find(limit=3, offset=offset) for offset in (0, 3, 6)]
    assert [each.id for page in pages for each in page] == ids
    assert gallery.count() == 7 and gallery.find(offset=7, limit=3) == []


@pytest.mark.parametrize(
    ("words", "prompts"),
    [
        ("WHALE", {"A blue Whale"}),
        ("whale blue", {"A blue Whale"}),
        ("鲸鱼", {"一只红色的鲸鱼"}),
        ("ÉLAN", {"élan"}),
        ("blurry", {"élan"}),
        ("zorp", {"一只红色的鲸鱼"}),
        ("qwen", {"A blue Whale"}),
        ("idea of", {"élan"}),
        ("%", set()),
        ("_", set()),
        ("whale 鲸鱼", set()),
        ("  ", {"A blue Whale", "一只红色的鲸鱼", "élan"}),
    ],
)
def test_words_are_searched_where_they_stand(words, prompts):
    drawn("A blue Whale", model="Qwen-Image")
    drawn("一只红色的鲸鱼", loras=[LoraWeight(name="Zorp")])
    drawn("élan", negative_prompt="blurry", idea="an idea of mine")
    assert {each.recipe.prompt for each in gallery.find(words)} == prompts
    assert gallery.count(words) == len(prompts)


def test_people_modes_and_favourites_narrow_the_list():
    mine, theirs = drawn(), drawn(person="bob")
    other = gallery.add(Drawing(picture(), Recipe(mode="img2img", strength=0.5)), "ann", picture(32))
    assert [each.id for each in gallery.find(person="ann")] == [other.id, mine.id]
    assert [each.id for each in gallery.find(mode="img2img")] == [other.id]
    gallery.set_favourite(theirs.id, True)
    assert [each.id for each in gallery.find(favourites=True)] == [theirs.id]
    assert gallery.get(theirs.id).favourite and gallery.count(favourites=True, person="ann") == 0
    gallery.set_favourite(theirs.id, False)
    assert gallery.count(favourites=True) == 0


def test_source_and_mask_are_kept_once_and_go_with_the_last_picture():
    source, mask = picture(32, 1), Image.new("L", (32, 32), 255)
    recipe = Recipe(mode="inpaint", strength=0.5)
    first, second = (gallery.add(Drawing(picture(), recipe), "ann", source, mask) for _ in range(2))
    found, masked = gallery.source_of(first.recipe), gallery.mask_of(read_recipe(first.file))
    assert found and found.tobytes() == source.tobytes()
    assert masked and masked.mode == "L" and masked.tobytes() == mask.tobytes()
    assert first.recipe.source == second.recipe.source == gallery.keep_source(source)
    kept = {name for name in files() if name.startswith("sources/")}
    assert kept == {f"sources/{first.recipe.source}.png", f"sources/{first.recipe.mask}.png"}
    gallery.delete(first.id)
    assert kept <= files()
    gallery.delete(second.id)
    assert files() == set()
    with pytest.raises(BadInput, match="not kept here any more"):
        gallery.source_of(first.recipe)
    assert gallery.source_of(Recipe()) is None and gallery.mask_of(Recipe()) is None


def test_a_source_that_nothing_is_drawn_from_goes_after_a_day():
    used = gallery.add(Drawing(picture(), Recipe(mode="img2img", strength=0.5)), "ann", picture(32, 1)).recipe.source
    old, chosen_again, young = (gallery.keep_source(picture(32, seed)) for seed in (2, 3, 4))
    for digest in (used, old, chosen_again):
        os.utime(settings().var / "pictures" / "sources" / f"{digest}.png", (1_000_000_000, 1_000_000_000))
    lose_the_index()
    gallery.keep_source(picture(32, 3))
    left = {name for name in files() if name.startswith("sources/")}
    assert left == {f"sources/{digest}.png" for digest in (used, chosen_again, young)}


def test_nothing_is_left_of_a_deleted_picture():
    kept = gallery.add(Drawing(picture(512), Recipe(width=512, height=512)), "ann")
    gallery.thumbnail(kept)
    gallery.delete(kept.id)
    assert files() == set() and gallery.find() == []
    for again in (gallery.get, gallery.delete):
        with pytest.raises(BadInput, match="no such picture"):
            again(kept.id)


@pytest.mark.parametrize("name", ["../../secret", "", "a" * 32 + "/../x", "%", "A" * 32, "0" * 31 + "\n", "x" * 10_000])
def test_an_id_is_never_a_path(name, studio_home):
    drawn()
    (studio_home / "secret.png").write_bytes(b"secret")
    with pytest.raises(BadInput, match="no such picture"):
        gallery.get(name)
    with pytest.raises(BadInput, match="no such picture"):
        gallery.delete(name)
    with pytest.raises(BadInput, match="no such picture"):
        gallery.set_favourite(name, True)
    assert (studio_home / "secret.png").exists() and gallery.count() == 1


def test_a_file_that_vanished_spoils_nothing():
    kept, other = gallery.add(Drawing(picture(512), Recipe(width=512, height=512)), "ann"), drawn()
    kept.file.unlink()
    assert [each.gone for each in gallery.find()] == [False, True]
    for look in (gallery.image_of, gallery.thumbnail):
        with pytest.raises(BadInput, match="gone or damaged"):
            look(gallery.get(kept.id))
    gallery.delete(kept.id)
    assert [each.id for each in gallery.find()] == [other.id]
    other.file.write_bytes(other.file.read_bytes()[:100])
    with pytest.raises(BadInput, match="gone or damaged"):
        gallery.image_of(other)


def test_thumbnails_are_small_and_made_once():
    kept = gallery.add(Drawing(picture(512), Recipe(width=512, height=512)), "ann")
    file = gallery.thumbnail(kept)
    written = file.stat().st_mtime_ns
    with Image.open(file) as small:
        assert small.size == (256, 256) and small.format == "WEBP"
    assert file.stat().st_size < kept.file.stat().st_size / 4
    assert gallery.thumbnail(kept) == file and file.stat().st_mtime_ns == written
    tiny = drawn()
    assert gallery.thumbnail(tiny) == tiny.file


def test_a_new_database_finds_the_pictures_again():
    first, second = drawn("一只鲸鱼"), drawn(person="bob")
    made = gallery.add(Drawing(picture(), Recipe(mode="img2img", strength=0.5)), "ann", picture(32, 2))
    gallery.set_favourite(first.id, True)
    before = gallery.find()
    (first.file.parent / "holiday.png").write_bytes(first.file.read_bytes())  # not one of ours
    (first.file.parent / f"{'0' * 32}.png").write_bytes(b"not a picture")
    lose_the_index()
    assert gallery.find() == before
    assert gallery.rebuild() == 0
    assert gallery.find("鲸鱼", favourites=True)[0].id == first.id
    gallery.delete(made.id)
    assert not [name for name in files() if name.startswith("sources/")]
    # without its note a picture is nobody's, and as old as its file
    second.file.with_suffix(".json").unlink()
    first.file.with_suffix(".json").write_text(json.dumps([1]))
    os.utime(second.file, (1_000_000_000, 1_000_000_000))
    lose_the_index()
    found = {each.id: each for each in gallery.find()}
    assert found[second.id].person == "" and found[second.id].created.year == 2001
    assert found[first.id].person == ""


def test_a_row_of_another_version_hides_nothing():
    from engine.database import writing

    kept = drawn()
    with writing() as db:
        row = db.get(gallery.PictureRow, kept.id)
        assert row
        row.recipe = {"prompt": "new", "steps": 9, "scheduler": "of next year", "more": [1]}
    found = gallery.get(kept.id).recipe
    assert (found.prompt, found.steps, found.scheduler) == ("new", 9, "ddim")


def test_people_who_draw_and_delete_at_once_lose_no_source():
    source = picture(32, 3)

    def draw_and_delete(number: int) -> Path:
        recipe = Recipe(mode="img2img", strength=0.5, seed=number)
        kept = [gallery.add(Drawing(picture(), recipe), "ann", source) for _ in range(2)]
        gallery.delete(kept[0].id)
        assert gallery.source_of(kept[1].recipe)
        return kept[1].file

    with ThreadPoolExecutor(4) as people:
        left = list(people.map(draw_and_delete, range(8)))
    assert all(file.exists() for file in left) and gallery.count() == 8
    assert len([name for name in files() if name.startswith("sources/")]) == 1
