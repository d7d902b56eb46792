"""The documents tell the truth: every setting and command is there, every page has its picture, every link leads somewhere."""

import re

from docs.make_reference import commands_page, settings_page
from engine.settings import ROOT, Settings

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]


def test_every_setting_and_every_command_is_documented():
    """If this fails: `python -m docs.make_reference`."""
    assert (ROOT / "docs" / "SETTINGS.md").read_text(encoding="utf-8") == settings_page()
    assert (ROOT / "docs" / "COMMANDS.md").read_text(encoding="utf-8") == commands_page()


def test_commands_and_settings_say_what_they_are_for():
    assert all(field.description for field in Settings.model_fields.values())
    assert "\n\n\n### " not in commands_page(), "a command has no description"


def test_no_setting_is_mentioned_that_does_not_exist():
    known = {f"STUDIO_{name.upper()}" for name in Settings.model_fields} | {
        "STUDIO_CHROMIUM",
        "STUDIO_PROVE",
        "STUDIO_",
    }
    for page in PAGES:
        assert set(re.findall(r"STUDIO_[A-Z_]*", page.read_text(encoding="utf-8"))) <= known, page.name


def test_the_two_commands_stand_first():
    blocks = re.findall(r"```\w*\n(.*?)```", README, re.DOTALL)
    assert [line.split("#")[0].strip() for line in blocks[0].strip().splitlines()] == ["make run", "make test"]


def test_every_page_has_its_picture():
    pages = ["dashboard", *re.findall(r'url_path="([\w-]+)"', (ROOT / "Home.py").read_text(encoding="utf-8"))]
    assert len(pages) >= 12
    for name in pages:
        assert f"docs/pictures/{name}.png" in README, name
        assert (ROOT / "docs" / "pictures" / f"{name}.png").stat().st_size > 10_000


def test_links_in_the_docs_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} → {target}"
