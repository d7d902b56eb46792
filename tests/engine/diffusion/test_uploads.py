"""Pictures from outside: liars, bombs and ruins are refused in one sentence, the others come out plain and upright."""

import contextlib
import io
import struct
import warnings
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from engine.diffusion import masks, uploads
from engine.diffusion.uploads import crop_box, fit, open_picture
from engine.errors import BadInput

RED, BLUE = (255, 0, 0), (0, 0, 255)


def saved(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    """The content of a file."""
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def halves(mode: str = "RGB") -> Image.Image:
    """Left red, right blue, twice as wide as high."""
    picture = Image.new("RGB", (32, 16), RED)
    picture.paste(BLUE, (16, 0, 32, 16))
    return picture.convert(mode)


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int, rows: bytes = b"", before: bytes = b"") -> bytes:
    """A PNG file of one bit a pixel."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def zipped() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.txt", "a")
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (zipped(), "ZIP"),
        (b"<!DOCTYPE html><html><script>alert(1)</script></html>", "HTML"),
        (b'\xef\xbb\xbf <svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "SVG"),
        (b'<?xml version="1.0"?><svg/>', "SVG"),
        (b"%PDF-1.7", "PDF"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "HEIC"),
        ("这不是图片".encode(), "TXT"),
        (saved(halves(), "TIFF"), "TIFF"),
    ],
)
def test_what_is_no_picture_is_named(content, kind):
    with pytest.raises(BadInput, match=rf"“cat\.png” is not a picture that can be opened here, but {kind}:"):
        open_picture(content, "cat.png")


def test_a_name_that_lies_about_the_kind_is_refused():
    with pytest.raises(BadInput, match=r"“cat\.png” is really JPEG, .*end with \.jpg\."):
        open_picture(saved(halves(), "JPEG"), "cat.png")
    assert open_picture(saved(halves(), "JPEG"), "cat.JPG").size == (32, 16)
    assert open_picture(saved(halves(), "JPEG"), "pasted").size == (32, 16)


def test_bytes_without_a_meaning_are_refused():
    with pytest.raises(BadInput, match="is not a picture: choose"):
        open_picture(b"\x00\x93\xf1\xff" * 50, "cat.png")
    with pytest.raises(BadInput, match="is empty"):
        open_picture(b"", "cat.png")


@pytest.mark.parametrize("side", [8001, 10_000, 20_000, 2**31 - 1])
def test_too_many_pixels_are_refused_before_they_are_decoded(side, monkeypatch):
    decoded = []
    monkeypatch.setattr(uploads, "_plain", lambda *given: decoded.append(given))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(BadInput, match=r"“big\.png” has more than 64 million pixels"):
            open_picture(png_of(side, side), "big.png")
    assert not decoded


def test_a_real_picture_of_20000_by_20000_is_refused():
    rows = zlib.compressobj(1)
    body = b"".join(rows.compress(b"\0" * 2501) for _ in range(20_000)) + rows.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0))
    content = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    with pytest.raises(BadInput, match="more than 64 million pixels"):
        open_picture(content, "big.png")


def test_too_many_bytes_are_refused(tmp_path, monkeypatch):
    (tmp_path / "big.png").write_bytes(saved(halves()) + b"\0" * 3 * 2**20)
    monkeypatch.setattr(uploads, "MAX_BYTES", 2**20)
    with pytest.raises(BadInput, match="has 3 MiB; a picture may have 1"):
        open_picture(tmp_path / "big.png", "big.png")
    with pytest.raises(BadInput, match="There is no file"):
        open_picture(tmp_path / "none.png", "none.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WebP", "GIF", "BMP"])
def test_a_file_cut_short_is_refused_wherever_it_is_cut(kind):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), "uint8")
    content = saved(Image.fromarray(noise), kind)
    name = f"cat.{kind.lower()}"
    assert open_picture(content, name).size == (64, 64)
    for length in (9, 20, 30, 60, 200, len(content) // 2):
        with pytest.raises(BadInput) as refused:
            open_picture(content[:length], name)
        assert "“cat." in str(refused.value)


def test_a_file_with_broken_bytes_is_refused_or_opened_but_never_crashes():
    random = np.random.default_rng(0)
    for kind in ("PNG", "JPEG", "WebP", "GIF", "BMP"):
        content = saved(halves(), kind)
        for _ in range(60):
            broken = bytearray(content)
            for place in random.integers(12, len(content), 6):
                broken[place] = random.integers(0, 256)
            with contextlib.suppress(BadInput):
                assert open_picture(bytes(broken), "cat").mode == "RGB"


def test_text_that_unpacks_to_gigabytes_does_no_harm():
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 50_000_000, 1))
    with pytest.raises(BadInput, match="damaged"):
        open_picture(png_of(8, 8, b"\0\xff" * 8, bomb), "bomb.png")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "L", "1", "LA"])
def test_every_mode_becomes_rgb(mode):
    kind = "JPEG" if mode == "CMYK" else "PNG"
    picture = open_picture(saved(halves(mode), kind), "cat")
    assert (picture.mode, picture.size) == ("RGB", (32, 16))
    expected = np.asarray(halves(mode).convert("RGB")).astype(int)
    assert abs(np.asarray(picture).astype(int) - expected).mean() < 6


def test_sixteen_bits_keep_their_greys():
    ramp = np.linspace(0, 65535, 256).astype("uint16").reshape(16, 16)
    picture = open_picture(saved(Image.fromarray(ramp)), "grey.png")
    assert np.abs(np.asarray(picture)[..., 0].reshape(-1).astype(int) - np.arange(256)).max() <= 1


def test_what_is_transparent_is_white():
    picture = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    picture.paste((255, 0, 0, 128), (0, 0, 4, 8))
    opened = open_picture(saved(picture), "cat.png")
    assert opened.getpixel((7, 0)) == (255, 255, 255)
    assert opened.getpixel((0, 0)) == (255, 127, 127)
    palette = halves("P")
    assert open_picture(saved(palette, "GIF", transparency=palette.getpixel((0, 0))), "a.gif").getpixel((0, 0)) == (
        255,
        255,
        255,
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_camera_held_otherwise_is_set_upright(orientation: int):
    """The same picture whichever way the camera stored it: each orientation undoes its own turn."""
    turn = uploads._TURNS.get({6: 8, 8: 6}.get(orientation, orientation))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = halves().transpose(turn) if turn is not None else halves()
    picture = open_picture(saved(stored, exif=exif.tobytes()), "cat.png")
    assert picture.tobytes() == halves().tobytes()


def test_metadata_is_left_behind():
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = saved(halves(), "JPEG", exif=exif.tobytes(), icc_profile=profile, comment=b"secret place")
    picture = open_picture(content, "cat.jpg")
    assert not picture.info and not picture.getexif()
    assert b"secret" not in saved(picture)


def test_of_an_animation_the_first_picture_is_taken():
    for kind in ("GIF", "WebP", "PNG"):
        frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, BLUE)]
        content = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)
        red, _, blue = open_picture(content, "cat").getpixel((4, 4))  # pyright: ignore[reportGeneralTypeIssues]
        assert red > 240 and blue < 15, kind


def test_a_name_from_outside_is_shown_short_and_plain():
    with pytest.raises(BadInput) as refused:
        open_picture(b"<html>", "../../\x1b[31m" + "a" * 500 + ".png")
    assert "\x1b" not in str(refused.value) and ".." not in str(refused.value) and len(str(refused.value)) < 250


def test_crops_keep_the_shape_and_take_the_middle():
    assert crop_box((300, 100), 64, 64) == (100, 0, 200, 100)
    assert crop_box((100, 300), 64, 128) == (0, 50, 100, 250)
    assert crop_box((3, 1000), 4096, 8) == (0, 499, 3, 500)
    square = fit(halves(), 64, 64)
    assert square.size == (64, 64) and square.getpixel((4, 4)) == RED and square.getpixel((60, 4)) == BLUE


def test_a_crop_that_was_chosen_is_taken():
    assert fit(halves(), 8, 8, (16, 0, 32, 16)).getcolors() == [(64, BLUE)]
    assert fit(halves(), 8, 8, (-50, -50, 16, 99)).getcolors() == [(64, RED)]  # within the picture
    assert fit(halves(), 61, 13).size == (64, 16)
    with pytest.raises(BadInput, match="holds nothing"):
        fit(halves(), 8, 8, (40, 0, 50, 10))


def test_what_is_painted_is_the_mask():
    drawing = np.zeros((100, 200, 4), "uint8")
    drawing[10:20, 40] = (255, 0, 0, 90)  # thin, and half transparent
    mask = masks.from_drawing(drawing, (64, 32))
    assert (mask.mode, mask.size) == ("L", (64, 32))
    assert {value for _, value in mask.getcolors() or []} == {0, 255}
    left, top, right, bottom = mask.getbbox() or (0, 0, 0, 0)
    assert left in (12, 13) and right <= 14 and top == 3 and bottom == 7


def test_a_mask_in_a_file_is_white_where_it_is_drawn_anew():
    picture = Image.new("L", (128, 128), 40)
    picture.paste(200, (0, 0, 64, 128))
    assert masks.from_upload(saved(picture), "mask.png", (64, 64)).getbbox() == (0, 0, 32, 64)
    strokes = Image.new("RGBA", (64, 64), (255, 255, 255, 0))
    strokes.paste((255, 255, 255, 255), (8, 8, 16, 16))
    assert masks.from_upload(saved(strokes), "mask.png", (64, 64)).getbbox() == (8, 8, 16, 16)


def test_a_mask_of_nothing_or_of_another_shape_is_refused():
    with pytest.raises(BadInput, match="Nothing is marked"):
        masks.from_drawing(np.zeros((64, 64, 4), "uint8"), (64, 64))
    with pytest.raises(BadInput, match="Nothing is marked"):
        masks.from_upload(saved(Image.new("L", (64, 64))), "mask.png", (64, 64))
    with pytest.raises(BadInput, match="64 × 32 pixels and the picture 64 × 64"):
        masks.from_upload(saved(Image.new("L", (64, 32), 255)), "mask.png", (64, 64))
