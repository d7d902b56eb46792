"""Merging into the base: the folder answers as base and adapter do, appears whole, and goes on to GGUF and a hub or says why not."""

import os
import sys
from dataclasses import asdict

import pytest

from engine.adapters.store import WEIGHTS, read_adapter
from engine.errors import BadInput, Failure
from engine.files import read_json, read_safetensors_header
from engine.models import fuse as module
from engine.models.fuse import fuse
from engine.models.loader import Placement, load_model, load_tokenizer
from engine.models.share import check_repository, to_gguf, upload

FLOAT32 = Placement(dtype="float32", device_map="cpu")


def _logits(model, prompt):
    import torch

    with torch.inference_mode():
        return model(input_ids=torch.tensor([prompt])).logits


def test_the_merged_folder_is_a_model_of_the_same_logits_and_template(tiny, make_adapter, tmp_path):
    from peft import PeftModel

    adapter = make_adapter("red", tiny)
    fused = fuse("red", tmp_path / "merged")
    base = load_model(tiny, FLOAT32)
    plain = _logits(base, range(3, 40))
    wanted = _logits(PeftModel.from_pretrained(base, str(adapter.path)).eval(), range(3, 40))
    merged = _logits(load_model(str(fused.path), FLOAT32), range(3, 40))
    assert float((merged - wanted).abs().max()) < 1e-4 < float((plain - wanted).abs().max())
    assert fused.max_error < 1e-4 and fused.rounding_error < 1e-4
    assert load_tokenizer(str(fused.path)).chat_template == load_tokenizer(tiny).chat_template
    assert (fused.path / "generation_config.json").exists()
    card = read_json(fused.path / "studio.json")
    assert card["fused"] == {"base_model": tiny, "adapter": "red", "adapter_fingerprint": adapter.fingerprint}


def test_the_weights_keep_the_bases_type_and_are_sharded(tiny_model_folder, make_adapter, tmp_path, monkeypatch):
    from engine.settings import settings

    import_ = settings().models / "half"
    load_model(str(tiny_model_folder)).bfloat16().save_pretrained(import_)
    load_tokenizer(str(tiny_model_folder)).save_pretrained(import_)
    make_adapter("red", "half")
    monkeypatch.setattr(module, "SHARD", "5MB")
    fused = fuse("red", tmp_path / "merged")
    tensors = [tensor for file in fused.files for tensor in read_safetensors_header(fused.path / file).values()]
    assert len(fused.files) > 1 and {tensor["dtype"] for tensor in tensors} == {"BF16"}
    assert fused.dtype == "bfloat16" and fused.max_error < 1e-4 < fused.rounding_error
    load_model(str(fused.path))


def test_an_existing_folder_is_refused_and_a_failure_leaves_nothing(tiny, make_adapter, tmp_path):
    make_adapter("red", tiny)
    out = tmp_path / "out" / "merged"
    with pytest.raises(BadInput, match="make it first"):
        fuse("red", out)
    out.mkdir(parents=True)
    (out / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match="not empty"):
        fuse("red", out)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
    (out / "mine.txt").unlink()
    fuse("red", out)  # an empty one is taken
    assert (out / "config.json").exists() and [path.name for path in out.parent.iterdir()] == ["merged"]


def test_weights_that_are_no_numbers_are_not_written(tiny, make_adapter, tmp_path):
    from safetensors.torch import load_file, save_file

    adapter = make_adapter("broken", tiny)
    weights = {name: tensor * float("nan") for name, tensor in load_file(adapter.path / WEIGHTS).items()}
    save_file(weights, adapter.path / WEIGHTS)
    with pytest.raises(Failure, match="nothing was written"):
        fuse("broken", tmp_path / "out")
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_an_adapter_of_another_base_is_refused_by_its_tensors(tiny, starter, make_adapter, tmp_path):
    adapter = make_adapter("red", starter, recorded=False)
    card = read_adapter("red").card.model_copy(update={"base_model": tiny})
    module.write_json(adapter.path / "studio.json", card.model_dump())
    with pytest.raises(BadInput, match="not for tiny"):
        fuse("red", tmp_path / "out")


def test_gguf_goes_through_llama_cpps_converter(tiny, make_adapter, tmp_path, monkeypatch):
    make_adapter("red", tiny)
    fused = fuse("red", tmp_path / "merged")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(BadInput, match=r"get llama\.cpp"):
        to_gguf(fused.path, tmp_path / "model.gguf")
    converter = tmp_path / "bin" / "convert_hf_to_gguf.py"  # takes the real one's arguments
    converter.parent.mkdir()
    converter.write_text(
        f"#!{sys.executable}\nimport argparse, pathlib\np = argparse.ArgumentParser()\np.add_argument('model')\n"
        "p.add_argument('--outfile')\np.add_argument('--outtype', choices=['auto'])\na = p.parse_args()\n"
        "assert (pathlib.Path(a.model) / 'config.json').exists()\npathlib.Path(a.outfile).write_bytes(b'GGUF')\n"
    )
    converter.chmod(0o755)
    to_gguf(fused.path, tmp_path / "model.gguf")
    assert (tmp_path / "model.gguf").read_bytes() == b"GGUF"
    with pytest.raises(BadInput, match="already a file"):
        to_gguf(fused.path, tmp_path / "model.gguf")
    converter.write_text(f"#!{sys.executable}\nraise SystemExit(3)\n")
    with pytest.raises(Failure, match="says why above"):
        to_gguf(fused.path, tmp_path / "other.gguf")
    assert not (tmp_path / "other.gguf").exists()


def test_a_hub_that_cannot_be_reached_is_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(BadInput, match="owner/name"):
        check_repository("a/b/c")
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    (tmp_path / "merged").mkdir()
    with pytest.raises(Failure, match="could not be uploaded as “me/model”"):
        upload(tmp_path / "merged", "me/model")


def test_the_command_refuses_everything_before_it_merges(studio, tiny, make_adapter, tmp_path):
    make_adapter("red", tiny)
    out = tmp_path / "merged"
    code, _, errors = studio("adapters", "fuse", "red", "--out", out, "--gguf", tmp_path / "m.gguf", PATH=os.devnull)
    assert (code, len(errors.strip().splitlines()), out.exists()) == (2, 1, False)
    code, document, errors = studio("adapters", "fuse", "red", "--out", out, "--json")
    assert code == 0, errors
    assert document["path"] == str(out) and set(asdict(fuse("red", tmp_path / "again"))) == set(document)
