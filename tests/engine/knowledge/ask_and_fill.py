"""Two processes at one base: `fill` adds, replaces and deletes documents, `ask` asks meanwhile. Started by a test.

python -m tests.engine.knowledge.ask_and_fill fill BASE SECONDS LOG
python -m tests.engine.knowledge.ask_and_fill ask BASE SECONDS LOG
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from engine.knowledge import documents, embedding, ingest, retrieval
from engine.knowledge.database import reading

TOPICS = ("amber", "basalt", "cedar", "damask", "ebony")
PARTS = 4


def text_of(topic: str, version: int) -> str:
    """A document of a few passages that all name its topic and its version."""
    return "\n\n".join(
        f"# Part {part}\n\nThe {topic} report, part {part}, says that stage v{version}q was reached at the {topic} works."
        for part in range(PARTS)
    )


def fill(base_id: str, until: float, log: Path) -> None:
    """Write version after version of five documents; now and then delete one. Notes each when its commit has returned."""
    version = 0
    with tempfile.TemporaryDirectory() as folder, log.open("a") as file:
        while time.time() < until:
            version += 1
            topic = TOPICS[version % len(TOPICS)]
            path = Path(folder) / f"{topic}.md"
            path.write_text(text_of(topic, version))
            if version % 7 == 0:
                gone = [each for each in documents.list_documents(base_id) if each.name == f"{topic}.md"]
                for document in gone:
                    documents.delete_document(base_id, document.id)
                    print(json.dumps({"topic": topic, "version": 0, "at": time.time()}), file=file, flush=True)
                continue
            told = ingest.ingest(base_id, [(path.name, path)])
            assert told.added + told.replaced == 1, told
            print(json.dumps({"topic": topic, "version": version, "at": time.time()}), file=file, flush=True)


def ask(base_id: str, until: float, log: Path) -> None:
    """Ask for each topic in turn; notes which versions were found, and when the question was begun and answered."""
    with log.open("a") as file:
        while time.time() < until:
            for topic in TOPICS:
                began = time.time()
                hits = retrieval.rank(base_id, f"What does the {topic} report say of the {topic} works?", 10)
                texts = [hit.passage.text for hit in hits if f"The {topic} report" in hit.passage.text]
                versions = sorted({int(text.rpartition("stage v")[2].partition("q")[0]) for text in texts})
                line = {"topic": topic, "versions": versions, "parts": len(texts), "began": began, "at": time.time()}
                print(json.dumps(line), file=file, flush=True)
                with reading(base_id) as db:
                    assert db.execute("PRAGMA quick_check").fetchone()[0] == "ok"


if __name__ == "__main__":
    embedding.embedder("minilm")  # the time counts from when it is loaded
    {"fill": fill, "ask": ask}[sys.argv[1]](sys.argv[2], time.time() + float(sys.argv[3]), Path(sys.argv[4]))
