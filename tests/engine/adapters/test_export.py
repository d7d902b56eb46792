"""An adapter as a zip: what is in it is an adapter again, and the file is whole or not there."""

import zipfile

import pytest

from engine.adapters.export import export_peft
from engine.adapters.importing import import_adapter
from engine.adapters.store import read_adapter
from engine.errors import BadInput


@pytest.fixture
def red(tiny, tmp_path):
    """An adapter of the tiny model, fresh from PEFT."""
    from peft import LoraConfig, get_peft_model

    from engine.models.loader import load_model

    folder = tmp_path / "weights"
    get_peft_model(load_model(tiny), LoraConfig(r=4, task_type="CAUSAL_LM")).save_pretrained(folder)
    return import_adapter(folder, "red")


def test_what_is_exported_can_be_imported_and_is_the_same(red, tmp_path, studio):
    out = tmp_path / "red.zip"
    code, document, errors = studio("adapters", "export", "red", "--format", "peft", "--out", out, "--json")
    assert code == 0, errors
    assert document == {"name": "red", "format": "peft", "file": str(out), "bytes": out.stat().st_size}
    with zipfile.ZipFile(out) as zipped:
        assert set(zipped.namelist()) == {"adapter_config.json", "adapter_model.safetensors", "studio.json"}
        zipped.extractall(tmp_path / "unpacked")
    again = import_adapter(tmp_path / "unpacked", "again")
    assert again.fingerprint == red.fingerprint
    assert import_adapter(out, "zipped").fingerprint == red.fingerprint
    assert again.card.model_copy(update={"created": 0}) == red.card.model_copy(update={"created": 0})


def test_a_file_that_is_there_is_refused_and_kept(red, tmp_path):
    out = tmp_path / "red.zip"
    out.write_text("mine")
    with pytest.raises(BadInput, match="already a file"):
        export_peft("red", out)
    assert out.read_text() == "mine"
    with pytest.raises(BadInput, match="make it first"):
        export_peft("red", tmp_path / "none" / "red.zip")
    with pytest.raises(BadInput, match="no adapter"):
        export_peft("blue", tmp_path / "blue.zip")


def test_a_failure_on_the_way_leaves_nothing(red, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    before = set(tmp_path.iterdir())
    with pytest.raises(OSError, match="No space"):
        export_peft("red", tmp_path / "red.zip")
    assert set(tmp_path.iterdir()) == before and read_adapter("red")
