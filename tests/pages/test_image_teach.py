"""The page Image LoRA, where it is taught: pictures come in checked, stay on disk, and are cropped as somebody chose."""

import io

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from engine.diffusion.uploads import fit
from engine.errors import BadInput
from engine.files import read_json
from engine.runs import create_run
from engine.training.dreambooth_pictures import buckets, problems, read_folder
from engine.training.dreambooth_sample import INSTANCE_PROMPT
from engine.training.dreambooth_spec import parse_dreambooth
from pages.image import training_pictures
from tests.pages.opening import open_page

PAGE = "pages/image/lora.py"
SQUARE = [(64, 64)]
UPLOAD = "image.teach.files.0"


def _file(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def _two_halves(width: int = 200, height: int = 100) -> Image.Image:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", (width, height), "red")
    picture.paste("blue", (width // 2, 0, width, height))
    return picture


def _colour(file) -> tuple[int, ...]:
    with Image.open(file) as picture:
        return picture.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))  # type: ignore


def _texts(app: AppTest) -> str:
    kinds = (app.subheader, app.markdown, app.caption, app.info, app.success, app.warning, app.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


# on disk


def test_the_crop_is_where_somebody_put_it_and_the_training_crops_no_further():
    entry = training_pictures.add("Ann", "Über mein.Bild.png", _file(_two_halves()))
    assert entry.file == "Über_mein_Bild.png"
    for at, colour in ((0.0, (255, 0, 0)), (1.0, (0, 0, 255)), (0.5, (128, 0, 128))):
        training_pictures.change("Ann", entry.file, at=at)
        folder = training_pictures.prepare("Ann", SQUARE)
        (picture,) = read_folder(folder)
        seen = picture.open()
        assert seen.size == (64, 64) and fit(seen, 64, 64).tobytes() == seen.tobytes()
        assert all(abs(a - b) < 3 for a, b in zip(_colour(picture.file), colour, strict=True))
    training_pictures.prepare("Ann", buckets(64, 16))
    with Image.open(picture.file) as wide:
        assert wide.size == (80, 48)  # the nearest shape, of as many pixels


def test_a_telephones_picture_is_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it clockwise
    entry = training_pictures.add("Ann", "phone.jpg", _file(_two_halves(), "JPEG", exif=exif))
    training_pictures.change("Ann", entry.file, at=0.0)
    training_pictures.prepare("Ann", SQUARE)
    red, _, blue = _colour(training_pictures.ready_file("Ann", entry))
    assert red > 240 and blue < 15  # the top of the upright picture, which was the left


def test_what_is_unchanged_is_not_made_anew_and_what_is_removed_goes():
    entries = [
        training_pictures.add("Ann", "a.png", _file(Image.new("RGB", (80, 80), colour))) for colour in ("red", "blue")
    ]
    assert [entry.file for entry in entries] == ["a.png", "a-2.png"]
    training_pictures.prepare("Ann", SQUARE)
    times = [training_pictures.ready_file("Ann", entry).stat().st_mtime_ns for entry in entries]
    training_pictures.change("Ann", "a.png", caption="on grass")
    folder = training_pictures.prepare("Ann", SQUARE)
    assert [training_pictures.ready_file("Ann", entry).stat().st_mtime_ns for entry in entries] == times
    assert [picture.caption for picture in read_folder(folder)] == ["", "on grass"]
    training_pictures.remove("Ann", "a.png")
    training_pictures.prepare("Ann", SQUARE)
    assert [picture.file.name for picture in read_folder(folder)] == ["a-2.png"]
    assert not training_pictures.entries("Bo")
    training_pictures.original("Ann", entries[1]).unlink()
    assert not training_pictures.entries("Ann")
    training_pictures.clear("Ann")
    assert not training_pictures.entries("Ann")


def test_a_mask_is_cropped_with_its_picture_and_one_of_another_shape_is_refused():
    entry = training_pictures.add("Ann", "a.png", _file(_two_halves()))
    training_pictures.change("Ann", entry.file, at=1.0)
    entry = training_pictures.entries("Ann")[0]
    with pytest.raises(BadInput, match="another shape"):
        training_pictures.set_mask("Ann", entry, "m.png", _file(Image.new("L", (100, 100), "white")))
    assert not training_pictures.mask_file("Ann", entry).exists()
    mask = Image.new("L", (400, 200), "black")
    mask.paste(255, (200, 0, 400, 200))
    training_pictures.set_mask("Ann", entry, "m.jpg", _file(mask, "JPEG"))
    (picture,) = read_folder(training_pictures.prepare("Ann", SQUARE))
    seen = picture.open_mask()
    assert seen is not None and seen.size == (64, 64) and min(seen.tobytes()) > 200  # all of it white
    training_pictures.remove_mask("Ann", entry)
    (picture,) = read_folder(training_pictures.prepare("Ann", SQUARE))
    assert picture.mask is None


def test_fifty_are_enough_and_the_same_twice_is_one_too_many():
    for number in range(50):
        training_pictures.add("Ann", f"{number}.png", _file(Image.new("RGB", (32, 32), (number, 0, 0))))
    with pytest.raises(BadInput, match="50 pictures already"):
        training_pictures.add("Ann", "x.png", _file(Image.new("RGB", (32, 32), "blue")))
    training_pictures.remove("Ann", "7.png")
    with pytest.raises(BadInput, match="among the pictures already"):
        training_pictures.add("Ann", "x.png", _file(Image.new("RGB", (32, 32), (8, 0, 0))))


def test_a_name_from_outside_stays_in_its_folder(studio_home):
    entry = training_pictures.add("../../Ann", "../../../x.mask.png", _file(_two_halves()))
    file = training_pictures.original("../../Ann", entry)
    assert file.resolve().parent.parent.parent == studio_home / "var" / "picture_drafts"
    assert len(read_folder(training_pictures.prepare("../../Ann", SQUARE))) == 1  # not taken for a mask


# the tab


def test_one_click_loads_the_sample_and_a_restart_loses_nothing(pictures):
    app = open_page(PAGE)
    assert "What shall it learn?" in _texts(app)
    app.button(key="image.teach.sample").click().run()
    assert not app.exception, app.exception
    assert len(training_pictures.entries("Ann")) == 5
    app.text_input(key="dreambooth.adapter").set_value("half-typed").run()
    app.text_input(key="image.teach.caption.robot-1.png").set_value("on  white").run()
    again = open_page(PAGE)
    assert again.text_input(key="dreambooth.adapter").value == "half-typed"
    assert again.text_input(key="dreambooth.instance_prompt").value == INSTANCE_PROMPT
    assert again.text_input(key="image.teach.caption.robot-1.png").value == "on white"
    (command,) = [code.value for code in again.code if code.value.startswith("python -m engine train dreambooth")]
    folder = training_pictures.ready_file("Ann", training_pictures.entries("Ann")[0]).parent
    assert f"--images {folder}" in command and "--adapter half-typed" in command and "--model tiny-pictures" in command
    assert not problems(read_folder(folder)) and not again.warning
    again.text_input(key="image.teach.bulk").set_value("in a room")
    again.button(key="image.teach.bulk.do").click().run()
    assert set(read_json(folder / "captions.json").values()) == {"in a room"}
    assert again.text_input(key="image.teach.caption.robot-3.png").value == "in a room"


def test_uploads_are_checked_one_by_one_and_the_good_ones_are_kept(pictures):
    app = open_page(PAGE)
    bomb = _file(Image.new("1", (20_000, 20_000)))
    files = [
        ("good.png", _file(_two_halves()), "image/png"),
        ("liar.png", _file(_two_halves(), "JPEG"), "image/png"),
        ("bomb.png", bomb, "image/png"),
        ("cut.png", _file(_two_halves())[:80], "image/png"),
        ("<b>x</b>.png", b"<svg onload=alert(1)></svg>", "image/png"),
    ]
    app.file_uploader(key=UPLOAD).set_value(files).run()
    assert not app.exception, app.exception
    assert [entry.file for entry in training_pictures.entries("Ann")] == ["good.png"]
    said = [error.value for error in app.error]
    assert len(said) == 4
    for words, sentence in zip(("really JPEG", "more than 64 million", "damaged", "SVG"), said, strict=True):
        assert words in sentence
    assert "Write the prompt" in app.warning[0].value
    app.text_input(key="dreambooth.instance_prompt").set_value("a zorp").run()
    assert "there are 1" in app.warning[0].value  # two more are needed
    app.button(key="image.teach.hide").click().run()
    assert not app.error


def test_machines_presets_set_the_fields_and_unset_them(pictures):
    app = open_page(PAGE)
    app.button(key="image.teach.sample").click().run()
    app.button(key="image.teach.machine.24gb").click().run()
    assert app.number_input(key="dreambooth.rank").value == 16
    assert app.selectbox(key="dreambooth.train_text_encoder").value is True
    app.button(key="image.teach.machine.8gb").click().run()
    assert not app.exception, app.exception
    assert app.number_input(key="dreambooth.rank").value == 8
    assert app.selectbox(key="dreambooth.train_text_encoder").value is None
    assert app.toggle(key="dreambooth.gradient_checkpointing").value
    assert "--batch-size 1" in next(code.value for code in app.code if "dreambooth" in code.value)


def test_saved_presets_and_the_verdict(pictures):
    app = open_page(PAGE)
    app.button(key="image.teach.sample").click().run()
    app.number_input(key="dreambooth.rank").set_value(3).run()
    app.text_input(key="image.teach.preset.name").set_value("mine").run()
    app.button(key="image.teach.preset.save").click().run()
    app.number_input(key="dreambooth.rank").set_value(5).run()
    app.button(key="image.teach.preset.use").click().run()
    assert not app.exception and not app.error
    assert app.number_input(key="dreambooth.rank").value == 3
    assert app.text_input(key="dreambooth.instance_prompt").value == INSTANCE_PROMPT


def test_the_tab_speaks_chinese(pictures):
    app = open_page(PAGE, language="zh")
    app.button(key="image.teach.sample").click().run()
    words = _texts(app)
    assert "至少 3" in words and "以下命令效果相同" in words
    labels = [widget.label for widget in [*app.text_input, *app.number_input, *app.selectbox, *app.toggle]]
    latin = [label for label in labels if not any("\u4e00" <= sign <= "\u9fff" for sign in label)]
    assert set(latin) <= {"Alpha", "bf16", "fp16"}, latin


def test_the_settings_of_a_run_fill_the_form_but_not_its_name(pictures):
    spec = parse_dreambooth({"images": "x", "instance_prompt": "a zorp", "adapter": "zorp", "rank": 3, "samples": 2})
    run = create_run("dreambooth", {**spec.model_dump(mode="json"), "sample_prompts": ["a zorp", "a cat"]}, "", "zorp")
    run.update(state="finished", step=1, max_steps=1, adapter="zorp")
    training_pictures.add("Ann", "a.png", _file(_two_halves()))
    app = open_page("pages/train/runs.py", query={"run": run.id})
    next(button for button in app.button if button.label == "Use these settings").click().run()
    assert not app.exception and app.title[0].value == "Image LoRA"
    fields = [*app.number_input, *app.text_input, *app.text_area]
    values = {str(widget.key).removeprefix("dreambooth."): widget.value for widget in fields}
    assert (values["instance_prompt"], values["rank"], values["samples"], values["adapter"]) == ("a zorp", 3, 2, "")
    assert values["sample_prompts"] == "a zorp\na cat"
