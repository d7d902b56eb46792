"""The pictures and captions that the starter picture model learns from: emoji in three styles, made from four npm packages.

The packages are fetched with npm at pinned versions into `var/emoji/` and checked against their hashes; neither they nor the
pictures are part of this repository. Two packages have the pictures of Noto and Twemoji, one Fluent's, one the names in
English and Chinese.
"""

import hashlib
import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from engine.diffusion.nouns import is_taken
from engine.errors import Failure
from engine.files import read_json, write_json

if TYPE_CHECKING:
    import numpy as np

SIZE = 64
NAMES_PACKAGE = "emojibase-data"


@dataclass(frozen=True)
class Package:
    """One npm package, pinned."""

    name: str
    version: str
    sha256: str
    licence: str

    @property
    def file(self) -> str:
        """What `npm pack` calls it."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


@dataclass(frozen=True)
class Style:
    """A family of pictures: where they lie in which package, and what captions call it."""

    name: str
    chinese: str
    package: str
    folder: str
    suffix: str


PACKAGES = {
    package.name: package
    for package in (
        Package(
            NAMES_PACKAGE,
            "17.0.0",
            "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a",
            "MIT; Unicode licence",
        ),
        Package(
            "@lobehub/fluent-emoji-3d",
            "1.1.0",
            "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
            "MIT (Microsoft Fluent Emoji)",
        ),
        Package(
            "emoji-datasource-google",
            "16.0.0",
            "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
            "Apache-2.0 (Noto Emoji)",
        ),
        Package(
            "emoji-datasource-twitter",
            "16.0.0",
            "f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877",
            "CC-BY-4.0 (Twemoji)",
        ),
    )
}
STYLES = (
    Style("fluent 3d", "立体", "@lobehub/fluent-emoji-3d", "package/assets/", ".webp"),
    Style("noto", "诺托", "emoji-datasource-google", "package/img/google/64/", ".png"),
    Style("twemoji", "扁平", "emoji-datasource-twitter", "package/img/twitter/64/", ".png"),
)


@dataclass(frozen=True)
class Noun:
    """One thing that can be drawn, with its names and what else people call it."""

    code: str
    """Its code points in hexadecimal, without variation selectors."""
    english: str
    chinese: str
    tags: list[str] = field(default_factory=list)
    chinese_tags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Emoji:
    """All pictures: `pixels[i]` shows `nouns[noun[i]]` in `STYLES[style[i]]`."""

    nouns: list[Noun]
    pixels: "np.ndarray"
    """uint8, n × 64 × 64 × 3, on white."""
    noun: list[int]
    style: list[int]

    def __len__(self) -> int:
        return len(self.noun)


def load_emoji(folder: Path) -> Emoji:
    """The pictures kept in a folder, fetched and made on the first call.

    Args:
        folder: usually `var/emoji`.

    Raises:
        Failure: a package cannot be fetched or is not the one that was pinned.
    """
    import numpy as np

    if not (folder / "index.json").exists():
        for package in PACKAGES.values():
            fetch(package, folder / "packages")
        _keep(make_emoji(folder / "packages"), folder)
    index = read_json(folder / "index.json")
    nouns = [Noun(**noun) for noun in index["nouns"]]
    return Emoji(nouns, np.load(folder / "pictures.npy"), index["noun"], index["style"])


def fetch(package: Package, folder: Path) -> Path:
    """The package's archive, downloaded unless it is there.

    Raises:
        Failure: npm is missing or cannot reach its registry, or the archive has another hash than the pinned one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / package.file
    if not archive.exists():
        npm = shutil.which("npm")
        asked = [npm or "npm", "pack", f"{package.name}@{package.version}", "--pack-destination", str(folder)]
        if npm is None or subprocess.run(asked, capture_output=True, check=False).returncode != 0:
            raise Failure("{package} could not be fetched: npm and its registry are needed.", package=package.name)
    if hashlib.sha256(archive.read_bytes()).hexdigest() != package.sha256:
        raise Failure("{file} is not the pinned package: delete it and try again.", file=str(archive))
    return archive


def make_emoji(packages: Path) -> Emoji:
    """Read names and pictures out of the archives in a folder; a noun without a picture in some style lacks that one."""
    import numpy as np

    nouns = read_nouns(packages / PACKAGES[NAMES_PACKAGE].file)
    numbers = {noun.code: number for number, noun in enumerate(nouns)}
    found: list[tuple[int, int, np.ndarray]] = []
    for style_number, style in enumerate(STYLES):
        archive = packages / PACKAGES[style.package].file
        for code, content in read_pictures(archive, style, numbers.__contains__):
            found.append((numbers[code], style_number, on_white(content)))
    found.sort(key=lambda picture: picture[:2])
    return Emoji(
        nouns,
        np.stack([pixels for _, _, pixels in found]),
        [noun for noun, _, _ in found],
        [style for _, style, _ in found],
    )


def read_nouns(archive: Path) -> list[Noun]:
    """The nouns with their names and tags in English and Chinese, in Unicode's order."""
    with tarfile.open(archive) as tar:
        english, chinese = (_json(tar, f"package/{language}/data.json") for language in ("en", "zh"))
    by_code = {emoji["hexcode"]: emoji for emoji in chinese}
    nouns = []
    for emoji in english:
        if not is_taken(emoji["label"], emoji.get("subgroup", -1)):
            continue
        translated = by_code[emoji["hexcode"]]
        names = emoji["label"].lower().replace("’", "'"), translated["label"]
        tags = emoji.get("tags", []), translated.get("tags", [])
        nouns.append(Noun(_plain(emoji["hexcode"]), *names, *tags))
    return nouns


def on_white(content: bytes) -> "np.ndarray":
    """A picture file as 64 × 64 × 3 numbers, what is transparent in it white."""
    import numpy as np
    from PIL import Image

    picture = Image.open(BytesIO(content)).convert("RGBA")
    if picture.size != (SIZE, SIZE):
        picture = picture.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    ground = Image.new("RGBA", (SIZE, SIZE), "white")
    ground.alpha_composite(picture)
    return np.asarray(ground.convert("RGB"))


def read_pictures(archive: Path, style: Style, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Code and content of each picture of the style that is wanted, once each."""
    seen = set()
    with tarfile.open(archive) as tar:
        for member in tar:
            if not (member.name.startswith(style.folder) and member.name.endswith(style.suffix)):
                continue
            code = _plain(Path(member.name).stem)
            content = tar.extractfile(member)
            if content is not None and code not in seen and wanted(code):
                seen.add(code)
                yield code, content.read()


def _plain(code: str) -> str:
    """Code points as all packages write them once variation selectors and leading zeros are gone."""
    return "-".join(point.lstrip("0") for point in code.lower().split("-") if point != "fe0f")


def _json(tar: tarfile.TarFile, name: str) -> list[dict]:
    content = tar.extractfile(name)
    assert content is not None, name
    return json.loads(content.read())


def _keep(emoji: Emoji, folder: Path) -> None:
    import numpy as np

    np.save(folder / "pictures.npy", emoji.pixels)
    nouns = [asdict(noun) for noun in emoji.nouns]
    write_json(folder / "index.json", {"nouns": nouns, "noun": emoji.noun, "style": emoji.style})
