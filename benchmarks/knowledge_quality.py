"""How well knowledge bases find the right passage, and know what they do not hold, through the command line a person uses.

python -m benchmarks.knowledge_quality                    Chinese and English, minutes on two cores
python -m benchmarks.knowledge_quality --data FOLDER      where cmrc2018_dev.json lies
python -m benchmarks.knowledge_quality --split trial      the split that settings may be chosen on; nothing is reported

Chinese: the dev split of CMRC 2018 (Cui et al., EMNLP 2019; CC BY-SA 4.0), 848 passages and 3,219 questions; a question's right
passage is the one it stands under. The file is looked for in the folder `--data`, in that which `STUDIO_EVAL` names, and in
`../shared/eval` beside the repository. Elsewhere it is to be had from https://github.com/ymcui/cmrc2018 (folder `squad-style-data`).
English: `benchmarks/data/english_*.jsonl`, written for this project: all passages, and the half of the questions that its README
keeps for reports.

Refusal: the passages of half of the articles, drawn with seed 0, are indexed, and all questions are asked; those whose passage is
left out are unanswerable. (An English article is a topic: its three passages.) The score is what the gate looks at: the greatest of all passages.

Claims: in both languages the fused ranking is at least as good as the better of its two arms; in Chinese nDCG@10 of at least 0.97,
AUROC of refusal at least 0.90, and at 5 % false refusals at least 80 % of the unanswerable questions are refused.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import report
from benchmarks.running import run
from engine.files import write_jsonl
from engine.settings import ROOT

DATA = Path(__file__).resolve().parent / "data"
PLACES = [os.environ.get("STUDIO_EVAL"), ROOT.parent / "shared" / "eval"]


@dataclass
class Set:
    """Passages by key, and questions with the key of their passage."""

    name: str
    language: str
    passages: dict[str, str]
    questions: list[tuple[str, str]]
    articles: dict[str, list[str]]
    """Keys of the passages that belong to one article: the halves are drawn of these."""


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="the folder with cmrc2018_dev.json")
    parser.add_argument("--split", choices=["dev", "trial"], default="dev")
    parser.add_argument("--only", choices=["zh", "en"], help="one language; nothing is reported")
    parser.add_argument("--questions", type=int, help="ask only so many; nothing is reported")
    arguments = parser.parse_args()
    sets = [chinese(arguments.data, arguments.split)] if arguments.only != "en" else []
    sets += [english(arguments.split)] if arguments.only != "zh" else []
    rows = []
    for each in sets:
        each.questions = each.questions[: arguments.questions]
        rows.append(_measured(each))
        print(json.dumps(rows[-1], ensure_ascii=False), flush=True)
    if arguments.split == "dev" and not arguments.only and not arguments.questions:
        claim = (
            "Fused at least as good as either arm in both languages; on CMRC 2018 dev nDCG@10 ≥ 0.97, refusal AUROC ≥ 0.90 "
            "and ≥ 80 % refused at 5 % false"
        )
        report("6.2-quality", claim, rows, all(map(_holds, rows)))


def chinese(folder: Path | None, split: str) -> Set:
    """A split of CMRC 2018."""
    places = [Path(place) / f"cmrc2018_{split}.json" for place in (folder, *PLACES) if place]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        sys.exit(f"There is no cmrc2018_{split}.json in {[str(place.parent) for place in places]}; see the docstring.")
    found = Set(f"CMRC 2018 {split}", "zh", {}, [], {})
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            key = paragraph["id"]
            found.articles.setdefault(article["id"], []).append(key)
            found.passages[key] = paragraph["context"]
            found.questions += [(asked["question"], key) for asked in paragraph["qas"]]
    return found


def english(split: str) -> Set:
    """The project's own passages and half of its questions: those that were never tuned on, unless it is for tuning."""
    passages = {row["id"]: row["text"] for row in _rows("english_passages")}
    ours = 0 if split == "trial" else 1
    questions = [
        (row["question"], row["gold"])
        for row in _rows("english_questions")
        if zlib.crc32(row["gold"].encode()) % 2 == ours
    ]
    found = Set(f"the project's own {split}", "en", passages, questions, {})
    for key in passages:
        found.articles.setdefault(key.rpartition("-")[0], []).append(key)
    return found


def _measured(data: Set) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        found, seconds = _evaluated(data, set(data.passages), Path(folder) / "all")
        draw = random.Random(0)
        half = draw.sample(sorted(data.articles), len(data.articles) // 2)
        indexed = {key for article in half for key in data.articles[article]}
        refusal, _ = _evaluated(data, indexed, Path(folder) / "half")
    return {
        "data": data.name,
        "language": data.language,
        "passages": len(data.passages),
        "questions": len(data.questions),
        "ndcg@10": found["ndcg@10"],
        "ndcg@10 words alone": found["lexical"]["ndcg_10"],
        "ndcg@10 meaning alone": found["dense"]["ndcg_10"],
        **{name: found[name] for name in ("recall@1", "recall@5", "recall@10")},
        "refusal auroc": refusal["refusal_auroc"],
        "refused at 5 % false": refusal["refused_at_5pct_false"],
        "at the default threshold: false refusals": refusal["false_refusals"],
        "refused": refusal["refused"],
        "seconds to add": seconds,
    }


def _evaluated(data: Set, indexed: set[str], home: Path) -> tuple[dict[str, Any], float]:
    """What `kb eval` says of a base with these passages, and how long `kb add` took."""
    home.mkdir()
    environment = {**os.environ, "STUDIO_HOME": str(home)}
    write_jsonl(
        home / "passages.jsonl", ({"id": key, "text": data.passages[key]} for key in data.passages if key in indexed)
    )
    asked = ({"question": question, "gold": gold if gold in indexed else None} for question, gold in data.questions)
    write_jsonl(home / "questions.jsonl", asked)
    kb = [sys.executable, "-m", "engine", "kb"]
    run([*kb, "create", "measured"], environment)
    began = time.perf_counter()
    run([*kb, "add", "measured", str(home / "passages.jsonl"), "--passages"], environment)
    seconds = time.perf_counter() - began
    return json.loads(run([*kb, "eval", "measured", str(home / "questions.jsonl"), "--json"], environment)), seconds


def _holds(row: dict[str, Any]) -> bool:
    better = max(row["ndcg@10 words alone"], row["ndcg@10 meaning alone"])
    refuses = row["refusal auroc"] >= 0.90 and row["refused at 5 % false"] >= 0.80
    return row["ndcg@10"] >= better and (row["language"] != "zh" or (row["ndcg@10"] >= 0.97 and refuses))


def _rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
