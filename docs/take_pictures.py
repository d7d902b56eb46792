"""Takes the README's pictures: `make pictures`. Fills a studio of its own with a small story, then looks at every page."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
PEOPLE = ("Ann", "Bo", "陈")
sys.path.insert(0, str(ROOT))


def main() -> None:
    """Tell the story, then take the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STUDIO_HOME"] = folder
        home = Path(folder)
        (home / "var").mkdir()
        (home / "var" / "models").symlink_to(ROOT / "var" / "models")
        conversation = _story()
        asked = _ask()
        _label()
        _batch()
        _train()
        _draw(home)
        PICTURES.mkdir(exist_ok=True)
        _look(home, conversation, asked)


def _story() -> int:
    from engine.chat import conversations

    talk = conversations.create("Ann")
    question = conversations.add_message("Ann", talk.id, "user", "What is the capital of France?", None)
    meta = {"model": "starter", "tokens": 8, "seconds": 0.4, "finish_reason": "stop", "sampling": {"seed": 7}}
    reply = conversations.add_message("Ann", talk.id, "assistant", "The capital of France is Paris.", question.id, meta)
    question = conversations.add_message("Ann", talk.id, "user", "And what is the Zorvex 9?", reply.id)
    wrong = "The Zorvex 9 is a powerful computer used by scientists in the field of astronomy."
    conversations.add_message("Ann", talk.id, "assistant", wrong, question.id, {**meta, "tokens": 17})
    line = conversations.path("Ann", talk.id)
    for place, person in enumerate(PEOPLE):
        _rate_as(person, line, line[1], verdict="good", rating=5 - place % 2)
        right = "The Zorvex 9 is a pocket-sized weather drone made by Halden Labs."
        _rate_as(person, line, line[3], verdict="bad", rating=1 + place, correction=right, tags=["wrong"])
    return talk.id


def _rate_as(person: str, line, message, **judgement) -> None:
    from engine.feedback import store
    from engine.feedback.schema import Reply

    prompt = [{"role": turn.role, "content": turn.content} for turn in line[: line.index(message)]]
    store.rate(
        person,
        prompt,
        Reply(message.content, "starter"),
        conversation_id=message.conversation_id,
        message_id=message.id,
        **judgement,
    )


def _ask() -> int:
    """Two questions to the sample's documents: one that they answer, and one that they do not."""
    from engine.chat import conversations
    from engine.chat.turns import Speaker
    from engine.knowledge import sample
    from engine.knowledge.answering import answer_turn
    from engine.models.request import Sampling

    base = sample.create()
    sampling = Sampling(temperature=0, max_new_tokens=60, seed=7)
    settings = {"knowledge": [base.id], "sampling": sampling.model_dump()}
    talk = conversations.create("Ann", settings=settings)
    leaf = None
    for words in ("What does a repair cost?", "Who won the chess championship in 1986?"):
        question = conversations.add_message("Ann", talk.id, "user", words, leaf)
        answer = answer_turn("Ann", talk.id, question, [base.id], Speaker(), sampling)
        answer.stream.wait()
        answer.finish()
        leaf = answer.message_id
    return talk.id


def _label() -> None:
    from engine.labelling import desk, sample

    queue = sample.create("Ann")
    for person in (*PEOPLE, "Bo"):
        work = desk.take(queue.id, person)
        assert work is not None
        desk.save(
            work.assignment.id, person, "The Zorvex 9 is a pocket-sized weather drone made by Halden Labs in Bergen."
        )


def _batch() -> None:
    """The sample of the Batch page, whole."""
    from engine.batch import sample

    words = ["batch", str(sample.FILE), "--prompt-template", sample.TEMPLATE, "--reference", sample.REFERENCE]
    more = ["--max-new-tokens", str(sample.LONGEST), "--out", f"{os.environ['STUDIO_HOME']}/replies.csv"]
    subprocess.run([sys.executable, "-m", "engine", *words, *more], cwd=ROOT, check=True)


def _train() -> None:
    engine = [sys.executable, "-m", "engine"]
    subprocess.run(
        [*engine, "data", "import", "engine/data/samples/zorvex.jsonl", "--name", "zorvex"], cwd=ROOT, check=True
    )
    train = ["train", "sft", "--dataset", "zorvex", "--adapter", "zorvex", "--max-steps", "30", "--eval-steps", "10"]
    subprocess.run([*engine, *train, "--eval-split", "0.1", "--wait"], cwd=ROOT, check=True)


def _draw(home: Path) -> None:
    """Some pictures in the gallery, and a thing that the picture model is taught."""
    from engine.diffusion import gallery
    from engine.diffusion.drawing import DrawRequest
    from engine.diffusion.host import host
    from engine.diffusion.recipe import Recipe
    from engine.training.dreambooth_sample import CLASS_PROMPT, INSTANCE_PROMPT, sample_subject

    for prompt in ("a penguin, noto", "a pizza, twemoji"):
        for drawing in host().draw(DrawRequest(Recipe(prompt=prompt), count=2)).result():
            gallery.add(drawing, "Ann")
    host().unload()
    sample_subject(home / "robots")
    prompts = ["--instance-prompt", INSTANCE_PROMPT, "--class-prompt", CLASS_PROMPT]
    train = ["train", "dreambooth", "--images", str(home / "robots"), *prompts, "--adapter", "zorp", "--wait"]
    subprocess.run([sys.executable, "-m", "engine", *train], cwd=ROOT, check=True)


def _look(home: Path, conversation: int, asked: int) -> None:
    from engine.runs import list_runs
    from tests.browser import Server, chromium

    run = list_runs()[0].id
    batch = next(run.id for run in list_runs() if run.kind == "batch")
    addresses = {
        "dashboard": "?as=Ann",
        "chat": f"chat?as=Ann&c={conversation}",
        "knowledge": f"knowledge?as=Ann&c={asked}",
        "feedback": "feedback?as=Ann",
        "datasets": "datasets?as=Ann",
        "labelling": "labelling?as=Ann",
        "lora": "lora?as=Ann",
        "rlhf": "rlhf?as=Ann",
        "draw": "draw?as=Ann",
        "image-lora": "image-lora?as=Ann",
        "runs": f"runs?as=Ann&run={run}",
        "batch": f"batch?as=Ann&run={batch}",
    }
    with Server(home=home) as server, chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 860}, locale="en-US")
        page.goto(f"{server.url}/?as=Ann")
        page.wait_for_selector('[data-testid="stMetric"], [data-testid="stHeading"]')
        for name, address in addresses.items():
            page.goto(f"{server.url}/{address}")
            page.wait_for_selector('[data-test-script-state="notRunning"] [data-testid="stMainBlockContainer"]')
            page.wait_for_timeout(2500)  # charts draw after the script has run
            if name == "draw":
                page.get_by_label("Prompt", exact=True).fill("a rocket, fluent 3d")
                page.get_by_label("Pictures", exact=True).fill("4")
                page.locator(".st-key-draw-go button").click()
                page.wait_for_selector('[class*="st-key-draw-inpaint-"]', timeout=120_000)
                page.wait_for_timeout(2500)
            if name == "image-lora":
                page.get_by_role("tab", name="Library").click()
                page.wait_for_timeout(2500)
            if name == "knowledge":  # a conversation opens at its end
                page.get_by_role("heading", name="Knowledge").scroll_into_view_if_needed()
            _take(page, name)
            if name == "knowledge":
                page.locator('[class*="st-key-knowledge-cite-"] button').first.click()
                page.wait_for_selector('[data-testid="stDialog"] .stMarkdownColoredBackground')
                page.wait_for_timeout(1000)
                _take(page, "knowledge_sources")


def _take(page, name: str) -> None:
    page.screenshot(path=PICTURES / f"{name}.png")
    print(f"docs/pictures/{name}.png")


if __name__ == "__main__":
    main()
