"""Every string of the pages, and every sentence the engine can say to a person, has its Chinese; and no gap is lost."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from engine.jobs.recipes import TRAININGS
from engine.preferences.rules import PairRules
from engine.settings import ROOT, Settings
from engine.training.win_rate_specs import WinRateSpec

CHINESE = yaml.safe_load((ROOT / "pages" / "shared" / "zh.yaml").read_text(encoding="utf-8"))
ERRORS = {"BadInput", "Failure", "Busy", "TemplateProblem"}
GAP = re.compile(r"{(\w+)[^}]*}")
# the command line alone says these: its pages never raise them
COMMAND_LINE_ONLY = {
    "There is no JSON schema in “{file}”: give a file that holds one, or its text.",
    "{package} could not be fetched: npm and its registry are needed.",
    "{file} is not the pinned package: delete it and try again.",
    "Run {run} is {state}: {reason}",
    "The prompt is empty: write what was asked.",
    "The question is empty: write something to ask.",
    "Say what to change: --description, --threshold, --no-answer or --reranker.",
    "“{date}” is not a date: write it as 2026-11-30.",
    "{file} cannot be read: name a text file with one key a line.",
    "{file} holds no key: write one a line.",
    "A key has at least eight letters, digits or signs of ASCII and no blanks: choose others.",
    "On {host} anybody could use your models: set STUDIO_SERVE_KEYS or give --keys-file, or listen on 127.0.0.1.",
    "{host}:{port} cannot be listened on ({reason}): choose another with --host or --port.",
    # and these go to programs, over HTTP
    "input must be 1 to {most} texts, none of them empty.",
    "The server stopped this reply: ask again in a moment.",
    "The server stopped this picture: ask again in a moment.",
}


def _sentences(path: Path) -> list[str]:
    """First arguments of `t(…)` and of our errors: literals, constants of the module, and both arms of a choice."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found: list[str] = []

    def collect(node: ast.expr) -> None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        elif isinstance(node, ast.IfExp):
            collect(node.body)
            collect(node.orelse)
        elif isinstance(node, ast.Name) and node.id in constants:
            collect(constants[node.id])
        elif isinstance(node, ast.Subscript):
            collect(node.value)
        elif isinstance(node, ast.Dict):
            for value in node.values:
                collect(value)

    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name == "t" or name in ERRORS:
                collect(node.args[0])
    return found


def _sources() -> list[Path]:
    return [ROOT / "Home.py", *sorted((ROOT / "pages").rglob("*.py")), *sorted((ROOT / "engine").rglob("*.py"))]


@pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_string_has_its_chinese(path):
    missing = [text for text in _sentences(path) if text not in CHINESE and text not in COMMAND_LINE_ONLY]
    assert not missing, f"pages/shared/zh.yaml lacks: {missing}"


def test_every_help_text_of_a_spec_has_its_chinese():
    fields = [field for spec in (*TRAININGS.values(), WinRateSpec, PairRules) for field in spec.model_fields.values()]
    assert not [field.description for field in fields if field.description not in CHINESE]


def test_gaps_are_the_same_in_both_languages():
    for english, chinese in CHINESE.items():
        assert sorted(GAP.findall(english)) == sorted(GAP.findall(chinese)), english


def test_the_catalogue_holds_nothing_that_is_not_used():
    """Reasons that travel as data, such as why a line is broken, are literals somewhere too."""
    literals = {
        node.value
        for path in _sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert not set(CHINESE) - literals


def test_the_chinese_is_chinese():
    latin_only = {text for text, chinese in CHINESE.items() if not re.search(r"[\u4e00-\u9fff]", chinese)}
    assert latin_only <= {
        "JSON",
        "Alpha",
        "Beta",
        "Dropout",
        "GPUs",
        "{field}: {reason}.",
        "{side} · ROUGE-L {n}",
    }  # the field uses these words in Chinese too


def test_pages_show_no_bare_english():
    """Widget labels, titles and texts go through `t`: a literal with words in it may not be given to Streamlit directly."""
    shown = {"title", "header", "subheader", "markdown", "caption", "write", "text", "info", "success", "warning", "error",
             "button", "text_input", "text_area", "selectbox", "slider", "number_input", "toggle", "checkbox", "radio",
             "popover", "expander", "metric", "chat_input", "download_button", "file_uploader"}  # fmt: skip
    bare = []
    for path in [ROOT / "Home.py", *(ROOT / "pages").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in shown):
                continue
            for argument in node.args[:1]:
                if isinstance(argument, ast.Constant) and re.search(
                    r"[A-Za-z]{2}", re.sub(r":material/\w+:", "", str(argument.value))
                ):
                    bare.append(f"{path.name}: {argument.value}")
    assert not bare


def test_settings_have_descriptions():
    assert all(field.description for field in Settings.model_fields.values())
