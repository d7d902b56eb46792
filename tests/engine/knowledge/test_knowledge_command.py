"""`kb` on the command line, as the contracts promise it."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.commands import kb
from engine.commands.output import json_only
from engine.errors import BadInput
from engine.knowledge import bases, evaluation
from engine.settings import ROOT, settings

HOURS = "图书馆周一到周六早上九点开门，晚上六点关门。"
LOANS = "每本图书可以借阅四个星期，电影光盘只能借一个星期。"


@pytest.fixture
def command(capfd):
    """Runs one `kb` command in this process and returns its JSON document."""
    top = argparse.ArgumentParser()
    kb.add(top.add_subparsers())

    def run(*words: object):
        arguments = top.parse_args(["kb", *map(str, words), "--json"])
        with json_only(arguments.json) as write:
            write(arguments.run(arguments))
        return json.loads(capfd.readouterr().out)

    return run


@pytest.fixture
def files(tmp_path) -> list[Path]:
    """Two documents."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name, text in (("开放.txt", HOURS), ("借阅.md", f"# 借阅\n\n{LOANS}\n")):
        (folder / name).write_text(text, encoding="utf-8")
    return sorted(folder.iterdir())


@pytest.fixture
def filled(command, files):
    """The name of a base with both."""
    command("create", "图书馆", "--language", "zh")
    command("add", "图书馆", *files)
    return "图书馆"


def test_life_of_a_base(command):
    made = command("create", "图书馆", "--description", "规章", "--size", 300, "--overlap", 20)
    assert (made["name"], made["embedding"], made["splitter"]) == ("图书馆", None, {"size": 300, "overlap": 20})
    assert (settings().knowledge_bases / made["id"]).is_dir()
    command("create", "second")
    assert command("list", "图书馆") == [made] and len(command("list")) == 2
    command("delete", "second")
    assert command("list") == [command("show", "图书馆")] == [command("show", made["id"])] == [made]
    assert command("rename", "图书馆", "新馆")["id"] == made["id"]
    assert command("set", "新馆", "--threshold", 0.4, "--no-answer", "不知道")["effective_threshold"] == 0.4
    assert command("set", "新馆", "--reranker", "some/encoder")["reranker"] == "some/encoder"
    assert command("set", "新馆", "--reranker", "")["reranker"] is None
    assert command("delete", "新馆") == {"id": made["id"], "name": "新馆", "deleted": True}
    assert command("list") == [] and not (settings().knowledge_bases / made["id"]).exists()


def test_documents_and_passages(command, filled, files):
    assert [document["name"] for document in command("documents", filled)] == ["借阅.md", "开放.txt"]
    again = command("add", filled, *files)
    assert (again["added"], again["unchanged"], again["total"]) == (0, 2, 2)
    files[0].write_text(f"# 借阅\n\n{LOANS}\n\n# 预约\n\n可以在网上预约图书。\n", encoding="utf-8")
    assert command("add", filled, files[0])["replaced"] == 1
    first, second = command("passages", filled, "借阅.md")
    assert LOANS in first["text"] and command("passages", filled, "借阅.md", "--offset", 1, "--limit", 1) == [second]
    assert command("correct", filled, first["id"], "光盘可以借三天。")["edited"]
    assert command("passages", filled, "借阅.md")[1] == second, "the other is as it was"
    assert command("search", filled, "光盘可以借多久？")["hits"][0]["text"] == "光盘可以借三天。"
    assert not command("disable", filled, first["id"])["enabled"]
    found = command("search", filled, "光盘可以借多久？", "--threshold", 0)
    assert first["id"] not in [hit["passage"] for hit in found["hits"]]
    assert command("enable", filled, first["id"])["enabled"]
    number = command("documents", filled)[0]["id"]
    assert command("remove", filled, number) == {"id": number, "name": "借阅.md", "deleted": True}
    command("remove", filled, "开放.txt")
    assert command("documents", filled) == [] and command("search", filled, "几点开门？")["hits"] == []


def test_search_says_why_and_why_nothing(command, filled):
    found = command("search", filled, "图书馆几点开门？")
    best = found["hits"][0]
    assert (best["document"], best["lexical_rank"], best["dense_rank"]) == ("开放.txt", 1, 1)
    assert found["best"] == best["score"] >= found["threshold"]
    nothing = command("search", filled, "火星上最高的山叫什么？")
    assert nothing["hits"] == [] and nothing["below"] and nothing["best"] < nothing["threshold"]


def test_several_bases(command, filled, tmp_path):
    other = tmp_path / "garden.txt"
    other.write_text("屋顶花园里种着薰衣草。", encoding="utf-8")
    command("create", "花园", "--language", "zh")
    command("add", "花园", other)
    found = command("search", filled, "屋顶花园里种着什么？", "--also", "花园")
    assert found["hits"][0]["base"] == "花园"


def test_ready_made_passages_eval_and_calibrate(command, tmp_path):
    facts, asked = tmp_path / "facts.jsonl", tmp_path / "asked.jsonl"
    facts.write_text("\n".join(json.dumps({"id": key, "text": text}) for key, text in (("h", HOURS), ("l", LOANS))))
    lines = [("几点开门？", "h"), ("光盘可以借多久？", "l"), ("火星上最高的山叫什么？", None)]
    asked.write_text("\n".join(json.dumps({"question": question, "gold": gold}) for question, gold in lines))
    command("create", "图书馆", "--embedding", "e5")
    assert command("add", "图书馆", facts, "--passages")["total"] == 2
    measured = command("eval", "图书馆", asked)
    assert [measured[key] for key in ("questions", "ndcg@10", "recall@1", "recall@5", "recall@10")] == [3, 1, 1, 1, 1]
    assert (measured["refusal_auroc"], measured["refused_at_5pct_false"]) == (1, 1)
    set_ = command("calibrate", "图书馆", asked, "--false-refusals", 0)
    assert bases.get("图书馆").threshold == set_["threshold"] and set_["refused"] == 1
    drawn = command("calibrate", "图书馆", "--false-refusals", 0.1, "--seed", 1)
    assert drawn["questions"] == 2
    assert len(evaluation.list_evaluations(bases.get("图书馆").id)) == 3


def test_a_chat_model_may_write_the_questions(command, filled, starter):
    assert command("calibrate", filled, "--model", starter)["questions"] == 2
    assert evaluation.list_evaluations(bases.get(filled).id)[0].source == "drawn with seed 0 by starter"


def test_ask(command, filled, tiny):
    """The contract of `kb ask`; a model of random weights says nothing that passages support, and that is marked."""
    told = command("ask", filled, "图书馆几点开门？", "--model", tiny, "--max-new-tokens", 8, "--seed", 1)
    assert {"answer", "refused", "citations"} <= set(told) and not told["refused"] and told["answer"]
    for citation in told["citations"]:
        assert {"n", "document", "page", "quote", "score"} <= set(citation)
    with pytest.raises(BadInput, match="max_new_tokens must be at least 1"):
        command("ask", filled, "图书馆几点开门？", "--max-new-tokens", 0)


def test_ask_refuses_without_a_model(command, filled):
    """There is no model of this name: nobody asked it."""
    told = command("ask", filled, "火星上最高的山叫什么？", "--model", "there-is-none")
    assert (told["answer"], told["refused"], told["citations"]) == ("基于本地知识搜索没有找到答案", True, [])
    told = command("ask", filled, "图书馆几点开门？", "--model", "there-is-none", "--threshold", 1)
    assert told["refused"]
    command("set", filled, "--no-answer", "不知道。")
    assert command("ask", filled, "Who invented the steam engine?", "--limit", 2)["answer"] == "不知道。"


def test_reindex(command, filled):
    before = command("show", filled)
    after = command("reindex", filled, "--size", 60, "--overlap", 0)
    assert (before["splitter"]["size"], after["splitter"]) == (500, {"size": 60, "overlap": 0})
    assert command("search", filled, "图书馆几点开门？")["hits"][0]["document"] == "开放.txt"


def test_what_is_refused(command, filled, files, tmp_path):
    for words, sentence in [
        (["show", "nothing"], "There is no knowledge base “nothing”"),
        (["show", "../x"], "There is no knowledge base"),
        (["create", "图书馆"], "already"),
        (["create", " "], "needs a name"),
        (["create", "x", "--size", 1], "size must be at least 50"),
        (["create", "x", "--size", 100, "--overlap", 90], "overlap must be less than 50"),
        (["create", "x", "--embedding", "word2vec"], "no embedding model"),
        (["set", "图书馆"], "Say what to change"),
        (["set", "图书馆", "--threshold", 2], "from 0 to 1"),
        (["remove", "图书馆", "none.txt"], "no document “none.txt”"),
        (["remove", "图书馆", 99], "no document “99”"),
        (["passages", "图书馆", "../x"], "no document"),
        (["correct", "图书馆", 99, "x"], "no passage 99"),
        (["search", "图书馆", " "], "Write a question"),
        (["search", "图书馆", "x", "--also", "nothing"], "There is no knowledge base “nothing”"),
        (["eval", "图书馆", tmp_path / "none.jsonl"], "There is no file"),
        (["calibrate", "图书馆", "--false-refusals", 1], "less than 1"),
        (["add", "nothing", files[0]], "There is no knowledge base"),
    ]:
        with pytest.raises(BadInput, match=sentence):
            command(*words)


def test_the_rest_goes_in(studio, files, tmp_path):
    """One line on standard error for each that is refused; only if nothing is left the command fails."""
    studio("kb", "create", "图书馆", "--language", "zh")
    (tmp_path / "broken.pdf").write_text("no PDF")
    (tmp_path / "empty.txt").touch()
    bad = [tmp_path / "broken.pdf", tmp_path / "empty.txt", tmp_path / "none.docx"]
    code, document, errors = studio("kb", "add", "图书馆", bad[0], *files, *bad[1:], "--json")
    assert (code, document["added"], len(document["refused"])) == (0, 2, 3)
    assert [
        name in line for name, line in zip(("broken.pdf", "empty.txt", "none.docx"), errors.splitlines(), strict=True)
    ]
    code, document, errors = studio("kb", "add", "图书馆", *bad, "--json")
    assert (code, document, len(errors.splitlines())) == (2, "", 3)
    code, document, errors = studio("kb", "add", "图书馆", *bad, files[0], "--json")
    assert (code, document["unchanged"]) == (0, 1), "what is there already counts as taken"


def test_words_for_a_person(studio, files):
    assert "is ready" in studio("kb", "create", "图书馆", "--language", "zh")[1]
    assert "Documents added: 2" in studio("kb", "add", "图书馆", *files)[1]
    code, words, errors = studio("kb", "search", "图书馆", "火星上最高的山叫什么？")
    assert (code, errors) == (0, "") and "Nothing reaches the threshold" in words
    assert "图书馆" in studio("kb", "list")[1] and "开放.txt" in studio("kb", "documents", "图书馆")[1]
    assert "早上九点" in studio("kb", "passages", "图书馆", "开放.txt")[1]


def test_two_commands_at_once(command, filled, studio_home, tmp_path):
    """Documents go in from one process at a time: the other is told, and nothing is half in."""
    paths = []
    for number in range(2):
        folder = tmp_path / f"many{number}"
        folder.mkdir()
        for name in range(30):
            (folder / f"{number}-{name}.txt").write_text(f"第{number}批第{name}件：" + LOANS * 3, encoding="utf-8")
        paths.append(folder)
    environ = {**os.environ, "STUDIO_HOME": str(studio_home)}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "engine", "kb", "add", filled, str(path)],
            cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for path in paths
    ]  # fmt: skip
    errors = [process.communicate(timeout=120)[1] for process in running]
    for process, said in zip(running, errors, strict=True):
        assert process.returncode == 0 or (process.returncode == 2 and "being added" in said), said
    there = [document["name"] for document in command("documents", filled)]
    assert len(there) == 2 + 30 * sum(process.returncode == 0 for process in running)
