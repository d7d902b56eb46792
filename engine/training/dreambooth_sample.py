"""Five pictures for a first try: a striped robot with the body of a teapot, which no emoji shows, drawn by the project itself.

Five more of the same robot, with other backgrounds and poses, are kept aside to measure with.
"""

import math
import random
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

SIZE = 256
_BACKGROUNDS = {
    "learn": ["#ffffff", "#e8f0e0", "#dfe9f5", "#f6ead8", "#efe3f2"],
    "held_out": ["#f7f7f0", "#d9eef0", "#f9e3e3", "#e6e6e6", "#fff6c9"],
}
_BODY, _STRIPE, _DARK, _EYE = "#1fa39a", "#f4d23c", "#244a57", "#ffffff"
INSTANCE_PROMPT = "a picture of a zorp robot"
CLASS_PROMPT = "a picture of a robot"


def sample_subject(folder: Path, which: Literal["learn", "held_out"] = "learn") -> list[Path]:
    """Write the five pictures to learn from, or those kept aside, as PNG into a folder.

    Args:
        folder: made if it is not there.
        which: of the two fives.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, background in enumerate(_BACKGROUNDS[which]):
        chance = random.Random(f"{which} {number}")
        files.append(folder / f"robot-{number + 1}.png")
        draw_robot(
            background,
            turn=(number - 2) * 7 + chance.uniform(-3, 3),
            side=chance.choice([-1, 1]) if number else 1,
            size=chance.uniform(0.82, 1.0),
            shift=(chance.uniform(-12, 12), chance.uniform(-8, 8)),
            arm=chance.uniform(-35, 35),
        ).save(files[-1])
    return files


def draw_robot(background: str, turn: float, side: int, size: float, shift: tuple[float, float], arm: float) -> "Image":
    """The robot once.

    Args:
        background: its colour.
        turn: degrees that the whole leans.
        side: 1 with the spout to the right, -1 to the left.
        size: 1 fills the picture.
        shift: pixels to the right and down.
        arm: degrees that the arm is raised.
    """
    from PIL import Image, ImageDraw, ImageOps

    sheet = Image.new("RGBA", (2 * SIZE, 2 * SIZE), (0, 0, 0, 0))  # twice as large, for smooth edges
    _robot(ImageDraw.Draw(sheet), arm)
    if side < 0:
        sheet = ImageOps.mirror(sheet)
    sheet = sheet.rotate(turn, Image.Resampling.BICUBIC)
    width = round(SIZE * size)
    small = sheet.resize((width, width), Image.Resampling.LANCZOS)
    picture = Image.new("RGB", (SIZE, SIZE), background)
    corner = ((SIZE - width) // 2 + round(shift[0]), (SIZE - width) // 2 + round(shift[1]))
    picture.paste(small, corner, small)
    return picture


def _robot(draw: "ImageDraw", arm: float) -> None:
    # spout and handle of a teapot
    draw.polygon([(370, 330), (470, 220), (500, 236), (410, 390)], fill=_BODY, outline=_DARK, width=6)
    draw.arc((40, 240, 190, 420), 70, 290, fill=_DARK, width=26)
    # legs
    for x in (190, 290):
        draw.rectangle((x, 420, x + 34, 480), fill=_DARK)
        draw.ellipse((x - 14, 462, x + 48, 500), fill=_STRIPE, outline=_DARK, width=5)
    # a round body with three stripes
    draw.ellipse((120, 210, 400, 450), fill=_BODY, outline=_DARK, width=8)
    for top in (262, 318, 374):
        half = math.sqrt(max(0.0, 1 - ((top + 13 - 330) / 120) ** 2)) * 134
        draw.rectangle((260 - half, top, 260 + half, top + 26), fill=_STRIPE)
    # a square head with two eyes and an aerial
    draw.line((260, 100, 260, 44), fill=_DARK, width=10)
    draw.ellipse((240, 20, 280, 60), fill="#e2483d", outline=_DARK, width=5)
    draw.rounded_rectangle((170, 92, 350, 222), 26, fill=_BODY, outline=_DARK, width=8)
    for x in (205, 275):
        draw.ellipse((x, 122, x + 46, 168), fill=_EYE, outline=_DARK, width=6)
        draw.ellipse((x + 14, 136, x + 32, 154), fill=_DARK)
    draw.rectangle((215, 186, 305, 200), fill=_STRIPE, outline=_DARK, width=4)
    # an arm
    angle = math.radians(arm)
    hand = (180 - 90 * math.cos(angle), 300 - 90 * math.sin(angle))
    draw.line((180, 300, *hand), fill=_DARK, width=22)
    draw.ellipse((hand[0] - 22, hand[1] - 22, hand[0] + 22, hand[1] + 22), fill=_STRIPE, outline=_DARK, width=5)
