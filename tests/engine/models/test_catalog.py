"""Names of models: what they stand for, and what is refused."""

import pytest

from engine.errors import BadInput
from engine.models.catalog import fingerprint, list_models, local_folder, resolve
from engine.models.loader import Placement, load_model, load_tokenizer
from engine.settings import settings


def test_the_starter_is_the_default(starter):
    assert resolve(None).kind == "starter"
    assert [source.name for source in list_models()] == ["starter"]


def test_folders_paths_and_hub_ids(tiny, tiny_model_folder):
    assert resolve("tiny").kind == "folder"
    assert resolve(str(tiny_model_folder)).folder == tiny_model_folder.resolve()
    assert resolve("Qwen/Qwen3-4B").kind == "hub"


def test_more_model_folders(tiny_model_folder, monkeypatch):
    monkeypatch.setenv("STUDIO_MODEL_FOLDERS", f'["{tiny_model_folder.parent}"]')
    settings.cache_clear()
    assert "tiny" in [source.name for source in list_models()]


@pytest.mark.parametrize("name", ["nothing-here", "../secrets", "../../etc", "a/../../b", "/etc", "a b/c", ""])
def test_names_that_stand_for_nothing(name):
    if name == "":
        assert resolve(name).kind == "starter"
    else:
        with pytest.raises(BadInput, match="There is no model"):
            resolve(name)


def test_a_page_takes_no_paths(tiny_model_folder):
    with pytest.raises(BadInput):
        resolve(str(tiny_model_folder), paths=False)


def test_pickled_weights_are_refused(studio_home):
    folder = settings().models / "old"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(BadInput, match="safetensors"):
        local_folder(resolve("old"))


def test_a_fingerprint_does_not_depend_on_where_a_model_lies(tiny, tiny_model_folder, starter):
    assert fingerprint(resolve("tiny")) == fingerprint(resolve(str(tiny_model_folder)))
    assert fingerprint(resolve("tiny")) != fingerprint(resolve(starter))


def test_a_model_without_chat_template_is_refused(tmp_path, tiny_model_folder):
    import shutil

    folder = tmp_path / "base"
    shutil.copytree(tiny_model_folder, folder)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(BadInput, match="no chat template"):
        load_tokenizer(str(folder))


def test_code_in_a_model_is_not_run(tmp_path, tiny_model_folder):
    import json
    import shutil

    folder = tmp_path / "custom"
    shutil.copytree(tiny_model_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(BadInput, match="STUDIO_TRUSTED_MODELS"):
        load_model(str(folder))
    assert not (tmp_path / "ran").exists()


def test_quantisation_without_a_gpu_is_refused(tiny):
    from engine.devices import has_cuda

    if has_cuda():
        pytest.skip("there is a GPU here")
    with pytest.raises(BadInput, match="NVIDIA"):
        load_model(tiny, Placement(quantization="4bit"))
