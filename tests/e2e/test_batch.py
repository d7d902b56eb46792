"""A batch in a real browser: a CSV with Chinese and quotes goes up, is looked at, tried, run, stopped, resumed, and comes down whole."""

import csv
import io
import re
from pathlib import Path

import pytest
from openpyxl import load_workbook
from playwright.sync_api import expect

from engine.batch.results import results
from engine.batch.spec import BatchSpec
from engine.runs import Run, create_run, list_runs
from tests.e2e.conftest import MINUTES, Person
from tests.engine.training.helpers import end_all

pytestmark = pytest.mark.browser

ROWS = 12
TOPICS = ['the "Zorvex 9", a drone', "无人机，叫做“泽沃九号”", "a lamp;\na window", "<b>rain</b> & wind, 雨"]
COLUMNS = ["编号", "topic"]


@pytest.fixture(autouse=True)
def _none_left():
    yield
    end_all()


@pytest.fixture
def questions(tmp_path) -> Path:
    """The file; a cell with a line break among them."""
    file = tmp_path / "问题 questions.csv"
    with file.open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines).writerows([COLUMNS, *_rows()])
    return file


def _rows() -> list[list[str]]:
    return [[str(n), f"{TOPICS[n % len(TOPICS)]} {n}"] for n in range(1, ROWS + 1)]


def test_upload_preview_run_stop_resume_download(person, starter, questions):
    ann = person()
    page = ann.open("batch")
    page.locator('input[type="file"]').set_input_files(questions)
    ann.settle()
    page.get_by_role("radio", name="{topic}").or_(page.get_by_role("button", name="{topic}")).first.click()
    ann.settle()
    box = page.get_by_label("Prompt", exact=True)
    expect(box).to_have_value("{topic}")
    box.fill("Tell a long story about {topic}.")
    box.press("Control+Enter")
    ann.settle()
    _few_tokens(ann)

    # three rows as the model reads them, to the last sign; they are still there after a look elsewhere
    for row, (_, topic) in enumerate(_rows()[:3], start=1):
        read = ann.widget(f"batch.preview.{row}").locator("code").first
        expect(read).to_contain_text(f"Tell a long story about {topic}.", use_inner_text=True)
        expect(ann.widget(f"batch.preview.{row}")).to_contain_text("tokens")
    ann.click_nav("Feedback")
    ann.click_nav("Batch")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("Tell a long story about {topic}.")
    page.get_by_role("button", name="Try these three").click()
    expect(ann.keyed("batch-tried-")).to_have_count(3)
    expect(ann.widget("batch.try.stop")).to_have_count(0)
    for row in (1, 2, 3):
        expect(ann.widget(f"batch.tried.{row}.reply").get_by_test_id("stText")).to_have_text(re.compile(r"(\w+\W+){4}"))

    # run, stop, resume
    ann.widget("batch.start").get_by_role("button").click()
    expect(page.get_by_text(re.compile(rf"[1-9]\d* of {ROWS} rows"))).to_be_visible()
    run = _the_run()
    ann.widget("batch.stop").get_by_role("button").click()
    expect(ann.widget("batch.resume")).to_be_visible()
    assert run.status().state == "stopped"
    before = _results(run)
    assert 0 < results(run).done < ROWS and len(before) == results(run).done
    ann.widget("batch.resume").get_by_role("button").click()
    expect(page.get_by_text(f"{ROWS} of {ROWS} rows")).to_be_visible(timeout=4 * MINUTES)
    expect(ann.widget("batch.stop")).to_have_count(0)
    assert run.status().state == "finished", run.log_tail()
    after = _results(run)
    assert len(after) == ROWS and after[: len(before)] == before  # nothing was asked twice

    # the files open with every row
    ann.settle()
    table = _download(ann, ".csv").read_text(encoding="utf-8")
    assert not table.startswith("\ufeff")
    header, *rows = csv.reader(io.StringIO(table))
    assert header[:3] == [*COLUMNS, "reply"]
    assert [row[:2] for row in rows] == _rows() and all(row[2].strip() for row in rows)
    sheet = load_workbook(_download(ann, ".xlsx")).worksheets[0]
    cells = [[str(cell or "") for cell in row[:3]] for row in sheet.iter_rows(values_only=True)]
    assert cells == [header[:3], *(row[:3] for row in rows)]


def _few_tokens(ann: Person) -> None:
    """Short replies, a row at a time: the run takes long enough to be stopped."""
    ann.widget("batch.sampling.box").locator("summary").click()
    for label, number in (("Longest reply, in tokens", 24), ("Rows at once", 1)):
        field = ann.page.get_by_label(label, exact=True)
        field.fill(str(number))
        field.press("Enter")
        ann.settle()


def _the_run() -> Run:
    (run,) = [run for run in list_runs() if run.kind == "batch"]
    return run


def _results(run: Run) -> list[str]:
    return (run.path / "results.jsonl").read_text(encoding="utf-8").splitlines()


def _download(ann: Person, ending: str) -> Path:
    ann.widget("batch.download").get_by_role("button").click()
    expect(ann.page.get_by_role("dialog")).to_be_visible()
    ann.choose("File type", ending)
    with ann.page.expect_download() as download:
        ann.widget("batch.download.file").get_by_role("button").click()
    path = Path(download.value.path())
    named = path.with_name(f"{path.name}{ending}")
    path.rename(named)
    assert download.value.suggested_filename.endswith(f"-replies{ending}")
    ann.page.get_by_role("dialog").get_by_role("button", name="Close", exact=True).click()
    expect(ann.page.get_by_role("dialog")).to_have_count(0)
    return named


def test_batches_of_one_file_open_each_for_itself(person, studio_home):
    """What the browser sends is the label of the one that was chosen."""
    file = studio_home / "in.csv"
    file.write_text("q\nWhat?\n", encoding="utf-8")
    spec = BatchSpec(file=file, prompt_template="{q}")
    for _ in range(3):
        create_run(spec.kind, spec.model_dump(mode="json"), "a command").update(state="stopped")
    ann = person()
    ann.open("batch")
    ann.page.get_by_test_id("stMainBlockContainer").get_by_text("Batches (3)").click()
    ann.settle()
    for place, run in enumerate(list_runs()):
        ann.widget("batch.chosen").get_by_text("in.csv").nth(place).click(timeout=10_000)
        expect(ann.page).to_have_url(re.compile(run.id))
        ann.page.wait_for_timeout(1500)
        expect(ann.page).to_have_url(re.compile(run.id))
