"""Bad input on the command line: one clear sentence on standard error, the right exit code, and nothing lost."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.adapters.store import list_adapters, read_adapter
from engine.data import registry
from engine.settings import ROOT, settings
from tests.conftest import copy_tokenizer


def _refused(result, code=2, words=""):
    exit_code, _, errors = result
    lines = errors.strip().splitlines()
    assert exit_code == code, errors
    assert len(lines) == 1, f"one sentence was promised: {errors}"
    assert words in lines[0], lines[0]
    assert "Traceback" not in errors


@pytest.fixture
def trained(studio, tiny, sample_dataset):
    """A real adapter for the tiny model."""
    code, _, errors = studio(
        "train", "sft", "--dataset", sample_dataset, "--adapter", "fact", "--model", tiny, "--max-steps", 2, "--wait"
    )  # fmt: skip
    assert code == 0, errors
    return "fact"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chat", "Hello", "--adapter", "nobody"], "There is no adapter “nobody”"),
        (["chat", "Hello", "--adapter", "../../etc"], "cannot be a name"),
        (["chat", "Hello", "--model", "nothing-here"], "There is no model “nothing-here”"),
        (["chat", "  "], "The question is empty"),
        (["chat", "Hello", "--temperature", "-1"], "temperature"),
        (["chat", "Hello", "--max-new-tokens", "0"], "max_new_tokens"),
        (["data", "show", "nothing"], "There is no dataset “nothing”"),
        (["data", "import", "missing.jsonl", "--name", "x"], "missing.jsonl"),
        (["data", "import", "README.md", "--name", "../x"], "cannot be a name"),
        (["data", "delete", "../x"], "cannot be a name"),
        (["train", "sft", "--dataset", "nothing", "--adapter", "x"], "There is no dataset “nothing”"),
        (["train", "sft", "--dataset", "x", "--adapter", "a/b"], "cannot be a name"),
        (["adapters", "show", "nobody"], "There is no adapter “nobody”"),
        (["adapters", "delete", "../../x"], "cannot be a name"),
        (["adapters", "import", "nowhere", "--name", "x"], "nowhere"),
        (["runs", "show", "20260101-000000-sft-ffff"], "There is no run"),
        (["runs", "stop", "../x"], "There is no run"),
        (["feedback", "import", "missing.jsonl"], "missing.jsonl"),
        (["serve", "--host", "0.0.0.0"], "anybody could use your models"),
        (["serve", "--host", ""], "On all addresses anybody"),
        (["serve", "--port", "70000"], "port must be at most 65535"),
        (["serve", "--keys-file", "missing"], "missing cannot be read"),
        (["serve", "--keys-file", ".gitignore"], "A key has at least eight"),
        (["serve", "--host", "::1", "--port", "1", "--model", "nothing-here"], "There is no model “nothing-here”"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_one_sentence_and_exit_2(studio, starter, arguments, words):
    _refused(studio(*arguments), words=words)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--rank", "0"], "rank must be at least 1"),
        (["--learning-rate", "5"], "learning_rate must be less than 1"),
        (["--bf16", "--fp16"], "not both"),
        (["--model", "../../x"], "There is no model"),
        (["--from-adapter", "nobody"], "There is no adapter “nobody”"),
        (["--preset", "nowhere.yaml"], "There is no preset file nowhere.yaml"),
    ],
)
def test_training_flags(studio, starter, sample_dataset, flags, words):
    _refused(studio("train", "sft", "--dataset", sample_dataset, "--adapter", "new", *flags), words=words)
    assert list_adapters() == [] and not list(settings().runs.iterdir())


def test_broken_lines_are_listed_and_good_ones_kept(studio, tmp_path):
    file = tmp_path / "mixed.jsonl"
    good = json.dumps({"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]})
    file.write_text("\n".join([good, "{broken", good, '{"messages": []}', "", good]) + "\n", encoding="utf-8")
    code, document, _ = studio("data", "import", file, "--name", "mixed", "--json")
    assert code == 0
    assert (document["name"], document["rows"], document["broken"]) == ("mixed", 3, 2)
    listed = [json.loads(line) for line in Path(document["broken_file"]).read_text(encoding="utf-8").splitlines()]
    assert [line["line"] for line in listed] == [2, 4]


def test_a_taken_adapter_name_is_refused_and_the_adapter_stays(studio, trained, tiny, sample_dataset):
    before = read_adapter(trained).fingerprint
    result = studio("train", "sft", "--dataset", sample_dataset, "--adapter", trained, "--model", tiny)
    _refused(result, words="There is an adapter “fact” already")
    assert read_adapter(trained).fingerprint == before


def test_an_adapter_for_another_base(studio, trained, starter):
    _refused(studio("chat", "Hello", "--adapter", trained), words="was made for tiny, not for starter")


@pytest.mark.parametrize("kind", ["reward", "image"])
def test_a_reward_or_image_adapter_asked_to_chat(studio, trained, tiny, kind):
    card = settings().lora_store / trained / "studio.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "kind": kind}))
    _refused(studio("chat", "Hello", "--model", tiny, "--adapter", trained), words=f"of kind {kind}")


def test_a_pickle_checkpoint(studio, trained, tiny, tmp_path):
    folder = tmp_path / "pickled"
    shutil.copytree(settings().lora_store / trained, folder)
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    _refused(studio("adapters", "import", folder, "--name", "bad"), words="pickle")
    _refused(studio("adapters", "import", folder / "adapter_model.bin", "--name", "bad"), words="pickle")
    model = settings().models / "old"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "llama"}')
    (model / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    copy_tokenizer(model)
    _refused(studio("chat", "Hello", "--model", "old"), words="safetensors")


def test_a_cut_adapter_file(studio, trained, tiny):
    weights = settings().lora_store / trained / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    _refused(studio("chat", "Hello", "--model", tiny, "--adapter", trained), words="damaged")


def test_import_of_an_adapter_keeps_where_it_comes_from(studio, trained, tiny, tmp_path):
    folder = tmp_path / "elsewhere"
    shutil.copytree(settings().lora_store / trained, folder)
    code, document, _ = studio("adapters", "import", folder, "--name", "again", "--json")
    assert code == 0
    assert (document["name"], document["base_model"], document["dataset"]) == ("again", tiny, "zorvex")
    code, answer, errors = studio("chat", "Hi", "--model", tiny, "--adapter", "again", "--max-new-tokens", 2, "--json")
    assert code == 0, errors
    assert answer["adapter"] == "again"
    code, listed, _ = studio("adapters", "list", "--json")
    assert [adapter["name"] for adapter in listed] == ["again", trained]


def _with_small_files(home, *arguments, most: int):
    """A command that may write no file larger than `most` bytes: to it, the disk is full."""
    return subprocess.run(
        [sys.executable, "-m", "engine", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "STUDIO_HOME": str(home)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
        capture_output=True,
        text=True,
    )


def test_a_full_disk_while_importing_leaves_nothing_half(studio_home, tmp_path):
    file = tmp_path / "large.jsonl"
    row = {"messages": [{"role": "user", "content": "x" * 500}, {"role": "assistant", "content": "y" * 500}]}
    file.write_text((json.dumps(row) + "\n") * 300)
    done = _with_small_files(studio_home, "data", "import", file, "--name", "large", most=100_000)
    _refused((done.returncode, "", done.stderr), code=1, words="The disk is full")
    assert registry.list_datasets() == []


def test_a_full_disk_while_saving_a_checkpoint(studio, studio_home, tiny, sample_dataset):
    """The optimizer's state is the first large file; what was sealed before stays, and a resume goes on from it."""
    done = _with_small_files(
        studio_home, "train", "sft", "--dataset", sample_dataset, "--adapter", "fact", "--model", tiny,
        "--max-steps", 4, "--save-steps", 2, "--rank", 64, "--wait", "--json", most=300_000,
    )  # fmt: skip
    _refused((done.returncode, "", done.stderr), code=1, words="The disk is full")
    document = json.loads(done.stdout)
    assert document["status"] == "failed"
    assert list_adapters() == []
    code, resumed, errors = studio("runs", "resume", document["run"], "--wait", "--json")
    assert code == 0, errors
    assert resumed["status"] == "finished"
    assert [adapter.name for adapter in list_adapters()] == ["fact"]
