"""Picture LoRAs from format to format: tensors and scale stay, diffusers itself loads what we write, and what does not fit is refused."""

import json
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from engine.adapters.export import export
from engine.adapters.formats import diffusers, kohya
from engine.adapters.formats.family import family
from engine.adapters.formats.metadata import origin
from engine.adapters.importing import import_adapter
from engine.adapters.lora import Layer, Lora, read_lora
from engine.adapters.merging.merge import merge
from engine.adapters.merging.methods import Options
from engine.adapters.store import WEIGHTS, Adapter, list_adapters, read_adapter
from engine.errors import BadInput
from tests.engine.adapters.merging.helpers import delta, difference, live, put


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    """A UNet and text encoders of SD's architecture, as small as they get."""
    from diffusers import UNet2DConditionModel  # type: ignore[attr-defined]
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=24,
        attention_head_dim=4,
        norm_num_groups=4,
        layers_per_block=1,
    )
    size: dict[str, Any] = {
        "hidden_size": 24,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    config = CLIPTextConfig(vocab_size=50, **size, projection_dim=24, eos_token_id=2, bos_token_id=1)
    return {
        "unet": unet.eval(),
        "text_encoder": CLIPTextModel(config).eval(),
        "text_encoder_2": CLIPTextModelWithProjection(config).eval(),
    }


def _layers(
    model: torch.nn.Module, endings: tuple[str, ...], seed: int, alpha: float | None = None
) -> dict[str, Layer]:
    """Random layers for the modules with these endings: ranks 2, 3, 4 in turn, alphas that are none of them."""
    torch.manual_seed(seed)
    layers = {}
    for path, module in model.named_modules():
        if path.endswith(endings):
            shape: list[int] = list(module.weight.shape)  # type: ignore[arg-type]
            rank = 2 + len(layers) % 3
            a, b = torch.randn(rank, *shape[1:]), torch.randn(shape[0], rank, *[1] * (len(shape) - 2))
            layers[path] = Layer(a * 0.3, b * 0.3, alpha or (1.0, 7.0)[len(layers) % 2])
    return layers


def _lora(models: dict[str, Any], seed: int = 0, second: bool = False) -> Lora:
    unet = (
        "to_q",
        "to_v",
        "to_out.0",
        "ff.net.2",
        "proj_in",
        "conv1",
        "time_emb_proj",
        "conv_shortcut",
        "0.conv",
        "conv_in",
    )
    text = ("q_proj", "out_proj", "fc1")
    lora = {
        "unet": _layers(models["unet"], unet, seed),
        "text_encoder": _layers(models["text_encoder"], text, seed + 1),
    }
    if second:
        lora["text_encoder_2"] = _layers(models["text_encoder_2"], (*text, "text_projection"), seed + 2)
    return lora


@pytest.fixture
def toy(models) -> Adapter:
    """A LoRA with both parts in the store; parameters of `second` have all three."""
    return put("toy", _lora(models), kind="image", base_model="small", family="other", trigger_words="a zvx toy")


def _same(a: Lora, b: Lora) -> None:
    assert {part: set(layers) for part, layers in a.items()} == {part: set(layers) for part, layers in b.items()}
    for part, layers in a.items():
        for path, layer in layers.items():
            other = b[part][path]
            assert torch.equal(layer.a, other.a) and torch.equal(layer.b, other.b), path
            assert layer.alpha == other.alpha, path


@pytest.mark.parametrize("second", [False, True])
def test_peft_to_kohya_to_diffusers_to_peft_keeps_tensors_and_scale(models, tmp_path, second):
    first = put("toy", _lora(models, second=second), kind="image", family="sdxl" if second else "other")
    assert export("toy", tmp_path / "k.safetensors") == ("kohya", (tmp_path / "k.safetensors").stat().st_size)
    import_adapter(tmp_path / "k.safetensors", "from-kohya")
    export("from-kohya", tmp_path / "d.safetensors", "diffusers")
    import_adapter(tmp_path / "d.safetensors", "from-diffusers")
    export("from-diffusers", tmp_path / "p.zip", "peft")
    last = import_adapter(tmp_path / "p.zip", "from-peft")
    for name in ("from-kohya", "from-diffusers", "from-peft"):
        _same(read_lora(first), read_lora(read_adapter(name)))
    assert (last.card.kind, last.card.family) == ("image", first.card.family if not second else "other")
    assert len({alpha for part in read_lora(last).values() for alpha in [layer.alpha for layer in part.values()]}) == 2


def _with_diffusers(file: Path, models: dict[str, Any]) -> dict[str, torch.Tensor]:
    """What diffusers adds to each weight when it loads a file, by part and module."""
    from diffusers.loaders.lora_pipeline import StableDiffusionLoraLoaderMixin as Loader

    loaded: Any = Loader.lora_state_dict(str(file), unet_config=models["unet"].config, return_lora_metadata=True)
    state, alphas, metadata = loaded
    found = {}
    for part, load in (("unet", Loader.load_lora_into_unet), ("text_encoder", Loader.load_lora_into_text_encoder)):
        model = models[part]
        load(state, alphas, model, adapter_name="x", metadata=metadata)
        for path, module in model.named_modules():
            if hasattr(module, "lora_A") and "x" in module.lora_A:
                found[f"{part}/{path}"] = module.get_delta_weight("x").detach().double().flatten(1)
        model.delete_adapters("x") if part == "unet" else model.delete_adapter("x")
    return found


@pytest.mark.parametrize(("format", "fold"), [("diffusers", False), ("diffusers", True), ("kohya", False)])
def test_diffusers_loads_what_we_write_with_the_true_scale(models, toy, tmp_path, format, fold):
    if format == "kohya":  # of several alphas diffusers' own reader loses those of attention layers
        one_alpha = {
            part: {path: replace(x, alpha=3.0) for path, x in its.items()} for part, its in _lora(models).items()
        }
        toy = put("even", one_alpha, kind="image", family="other")
    export(toy.name, tmp_path / "x.safetensors", format, fold)
    wanted = {
        f"{part}/{path}": delta(layer) for part, layers in read_lora(toy).items() for path, layer in layers.items()
    }
    assert difference(_with_diffusers(tmp_path / "x.safetensors", models), wanted) < 1e-5


def test_the_folder_in_the_store_is_pefts_for_the_live_models(models, toy):
    from peft import PeftModel

    for part in ("unet", "text_encoder"):
        wrapped: Any = PeftModel.from_pretrained(models[part], str(toy.path / part))
        modules = dict(wrapped.base_model.model.named_modules())
        layers = read_lora(toy)[part]
        for path, layer in layers.items():
            found = modules[path].get_delta_weight("default").detach().double().flatten(1)
            assert float((found - delta(layer)).abs().max()) < 1e-5
        assert sum("default" in getattr(module, "lora_A", {}) for module in modules.values()) == len(layers)
        wrapped.unload()


def test_the_header_tells_other_programs_what_it_is(models, toy, tmp_path):
    export("toy", tmp_path / "x.safetensors", "kohya")
    with safe_open(tmp_path / "x.safetensors", framework="pt") as file:
        told = file.metadata()
    assert told["ss_network_dim"] == told["ss_network_alpha"] == "Dynamic" and told["ss_output_name"] == "toy"
    assert told["modelspec.trigger_phrase"] == "a zvx toy" and "ss_base_model_version" not in told
    even = {"unet": {path: replace(layer, alpha=3.0) for path, layer in _even(models).items()}}
    put("even", even, kind="image", family="sdxl", metadata={"ss_tag_frequency": '{"a": 1}', "ss_network_alpha": "99"})
    export("even", tmp_path / "y.safetensors", "kohya")
    with safe_open(tmp_path / "y.safetensors", framework="pt") as file:
        told = file.metadata()
    assert (told["ss_network_dim"], told["ss_network_alpha"]) == ("2", "3")
    assert told["ss_base_model_version"] == "sdxl_base_v1-0" and told["ss_tag_frequency"] == '{"a": 1}'
    assert told["modelspec.architecture"] == "stable-diffusion-xl-v1-base/lora"
    tensors = load_file(tmp_path / "y.safetensors")
    assert float(tensors["lora_unet_middle_block_1_proj_in.alpha"]) == 3.0  # not the rank


def _even(models: dict[str, Any]) -> dict[str, Layer]:
    path = "mid_block.attentions.0.proj_in"
    layer = _layers(models["unet"], (path,), 0)[path]
    return {path: Layer(layer.a[:2], layer.b[:, :2], 3.0)}


def test_metadata_of_a_file_is_kept_if_it_is_of_use(models, tmp_path):
    metadata = {
        "ss_sd_model_name": "someone.safetensors",
        "modelspec.trigger_phrase": "<script>alert(1)</script>",
        "ss_long": "x" * 100_000,
        "other": "y",
    }
    file = tmp_path / "x.safetensors"
    save_file(kohya.write({"unet": _even(models)}, "other"), file, metadata=metadata)
    card = import_adapter(file, "x").card
    assert (card.base_model, card.trigger_words) == ("someone.safetensors", "<script>alert(1)</script>")
    assert set(card.metadata) == {"ss_sd_model_name", "modelspec.trigger_phrase"}


def test_text_encoders_with_and_without_text_model(models, tmp_path):
    """Files of before transformers 5.6 have the level, newer ones not; the live models want one each."""
    layers = _lora(models, second=True)
    for level in ("", "text_model."):
        tensors = {}
        for part in ("text_encoder", "text_encoder_2"):
            for path, layer in layers[part].items():
                bare = path.removeprefix("text_model.")
                at = bare if bare == "text_projection" else level + bare
                tensors |= {f"{part}.{at}.lora_A.weight": layer.a, f"{part}.{at}.lora_B.weight": layer.b}
        file = tmp_path / f"x{level}safetensors"
        save_file(tensors, file.with_suffix(".safetensors"))
        adapter = import_adapter(file.with_suffix(".safetensors"), f"x-{len(level)}")
        for part in ("text_encoder", "text_encoder_2"):
            found = read_lora(adapter)[part]
            assert set(found) == set(layers[part])
            assert all(models[part].get_submodule(path) is not None for path in found)
            assert all(layer.alpha == layer.rank for layer in found.values())  # diffusers means that when none is told


def test_what_older_training_scripts_wrote(models):
    a, b = torch.randn(2, 16), torch.randn(16, 2)
    block, layer = (
        "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1",
        "text_encoder.text_model.encoder.layers.0",
    )
    for old, path in {
        f"{block}.processor.to_q_lora": "to_q",
        f"{block}.processor.to_out_lora": "to_out.0",
        f"{block}.to_q.lora": "to_q",
        f"{block}.to_out.0.lora": "to_out.0",
        f"{layer}.self_attn.q_proj.lora_linear_layer": "self_attn.q_proj",
        f"{layer}.self_attn.to_out_lora": "self_attn.out_proj",
        f"{layer}.mlp.fc1.lora_linear_layer": "mlp.fc1",
    }.items():
        read = diffusers.read({f"{old}.down.weight": a, f"{old}.up.weight": b}, {}, "x")
        ((part, layers),) = read.items()
        ((found, pair),) = layers.items()
        assert found.endswith(path) and part == old.partition(".")[0]
        assert torch.equal(pair.a, a) and torch.equal(pair.b, b)


def test_the_family_is_told_by_sizes_then_by_words(models):
    def unet(context: int, width: int = 320) -> Lora:
        layer = Layer(torch.zeros(1, context), torch.zeros(width, 1), 1.0)
        return {"unet": {"down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k": layer}}

    assert [family(unet(width), {}, [], "x") for width in (768, 1024, 2048, 24)] == ["sd1", "sd2", "sdxl", "other"]
    assert family(unet(768, 16), {}, [], "x") == "other"
    assert family(unet(768), {"ss_base_model_version": "sdxl_base_v1-0"}, [], "x") == "sd1"  # sizes do not lie
    rest: Lora = {"unet": {"mid_block.attentions.0.proj_in": Layer(torch.zeros(1, 8), torch.zeros(8, 1), 1.0)}}
    assert family(rest, {"ss_base_model_version": "sdxl_base_v1-0"}, [], "x") == "sdxl"
    assert family(rest, {"modelspec.architecture": "stable-diffusion-v2-768-v/lora"}, [], "x") == "sd2"
    assert family(rest, {}, ["lora_te1_text_model_encoder_layers_0_mlp_fc1.alpha"], "x") == "sdxl"
    with pytest.raises(BadInput, match=r"another kind of model \(flux1\)"):
        family(rest, {"ss_base_model_version": "flux1"}, [], "x")


def test_our_own_file_says_what_it_was_learnt_from(models, tmp_path):
    spec = {"instance_prompt": "a zorp robot", "output": "/home/ann"}
    put("zorp", _lora(models, 1), kind="image", family="sd1", method="dreambooth", spec=spec)
    export("zorp", tmp_path / "zorp.safetensors")
    card = import_adapter(tmp_path / "zorp.safetensors", "again").card
    assert (card.method, card.spec) == ("dreambooth", {"instance_prompt": "a zorp robot"})


@pytest.mark.parametrize("note", ["", "{", "[]", "3", '{"parents": [1]}', '{"parents": 1}', "[" * 100_000])
def test_a_note_of_another_hand_is_no_origin(note):
    assert origin({"studio.merge": note}) == {}


def test_picture_loras_merge_part_by_part(models, tmp_path):
    one, two = _lora(models, 1), {"unet": _lora(models, 5)["unet"]}
    put("one", one, kind="image", family="sd1", base_model="a", trigger_words="zvx")
    put("two", two, kind="image", family="sd1", base_model="b", trigger_words="qqq")
    merged = merge([("one", 0.8), ("two", -0.5)], "both")
    found = read_lora(merged.adapter)
    assert difference(_deltas(found["unet"]), live([(one["unet"], 0.8), (two["unet"], -0.5)])) < 1e-5
    assert difference(_deltas(found["text_encoder"]), live([(one["text_encoder"], 0.8)])) < 1e-5
    assert merged.max_error < 1e-5 and {error.layer.partition(".")[0] for error in merged.layers} == {
        "unet",
        "text_encoder",
    }
    assert (merged.adapter.card.kind, merged.adapter.card.family) == ("image", "sd1")
    assert merged.adapter.card.trigger_words == "zvx, qqq"
    export("both", tmp_path / "both.safetensors")
    with safe_open(tmp_path / "both.safetensors", framework="pt") as file:
        told = file.metadata()
    assert told["modelspec.merged_from"] == "one, two" and json.loads(told["studio.merge"])["method"] == "cat"
    again = import_adapter(tmp_path / "both.safetensors", "again").card
    assert (again.method, again.spec) == ("merge", json.loads(told["studio.merge"]))
    put("large", two, kind="image", family="sdxl", base_model="a")
    with pytest.raises(BadInput, match="only adapters of one base"):
        merge([("one", 1), ("large", 1)], "no")
    put("small-a", two, kind="image", family="other", base_model="a")
    put("small-b", two, kind="image", family="other", base_model="b")
    with pytest.raises(BadInput, match="only adapters of one base"):
        merge([("small-a", 1), ("small-b", 1)], "no")
    assert merge([("one", 1), ("two", 1)], "svd", "svd", Options(rank=2)).adapter.rank == 2


def _deltas(layers: dict[str, Layer]) -> dict[str, torch.Tensor]:
    return {path: delta(layer) for path, layer in layers.items()}


def test_an_image_adapters_fingerprint_is_of_all_its_parts(models, toy):
    other = put("other", {**_lora(models), "unet": _lora(models, 9)["unet"]}, kind="image")
    third = put("third", {**_lora(models), "text_encoder": _lora(models, 9)["text_encoder"]}, kind="image")
    assert len({toy.fingerprint, other.fingerprint, third.fingerprint}) == 3
    assert put("again", _lora(models), kind="image").fingerprint == toy.fingerprint


KOHYA = "lora_unet_down_blocks_0_attentions_0_proj_in"
PAIR = {f"{KOHYA}.lora_down.weight": torch.ones(1, 4), f"{KOHYA}.lora_up.weight": torch.ones(4, 1)}
UNET = "unet.down_blocks.0.attentions.0.proj_in"


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({**PAIR, f"{KOHYA}.dora_scale": torch.ones(4, 1)}, "DoRA"),
        ({f"{KOHYA}.hada_w1_a": torch.ones(4, 1)}, "LoHa"),
        ({**PAIR, f"{KOHYA}.lora_mid.weight": torch.ones(1, 1, 3, 3)}, "LyCORIS"),
        ({f"{KOHYA}.lora_down.weight": torch.ones(1, 4)}, "half an adapter"),
        ({**PAIR, f"{KOHYA}.lora_up.weight": torch.ones(4, 2)}, "damaged"),
        ({**PAIR, f"{KOHYA}.lora_up.weight": torch.full((4, 1), torch.nan)}, "no numbers"),
        (
            {
                **PAIR,
                **{key.replace("down_blocks_0_attentions_0", "input_blocks_1_1"): PAIR[key].clone() for key in PAIR},
            },
            "twice",
        ),
        ({**PAIR, "lora_unet_double_blocks_0_img_attn_proj.alpha": torch.ones(1)}, "another kind of model"),
        ({"transformer.x.lora_A.weight": torch.ones(1, 1)}, "another kind of model"),
        ({"lora_transformer_x.alpha": torch.ones(1)}, "another kind of model"),
        ({f"{UNET}.lora_A.weight": torch.ones(1, 4)}, "half an adapter"),
        ({f"{UNET}.lora_magnitude_vector": torch.ones(1, 4)}, "DoRA"),
        ({f"{UNET}.lora_B.bias": torch.ones(1, 4)}, "biases"),
        ({"unet.joint_blocks.0.x.lora_A.weight": torch.ones(1, 4)}, "another kind of model"),
        ({"x.weight": torch.ones(1)}, "no adapter_model.safetensors"),
    ],
)
def test_a_file_that_does_not_fit_is_one_sentence(tmp_path, tensors, reason):
    file = tmp_path / "x.safetensors"
    save_file(tensors, file)
    with pytest.raises(BadInput, match=reason):
        import_adapter(file, "x")
    assert list_adapters() == []


def test_a_pickle_is_refused_whatever_it_is_called(tmp_path, toy):
    torch.save({"a": torch.ones(1)}, tmp_path / "saved")
    inside = (tmp_path / "saved").read_bytes()
    for name, content in {
        "a.pt": b"anything",
        "b.ckpt": inside,
        "c.safetensors": inside,
        "d.zip": inside,
        "e.safetensors": pickle.dumps({"a": 1}),
        "f": pickle.dumps([1], protocol=2),
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match="are a pickle"):
            import_adapter(tmp_path / name, "x")
    with zipfile.ZipFile(tmp_path / "g.zip", "w") as zipped:
        zipped.writestr("adapter_config.json", '{"peft_type": "LORA"}')
        zipped.writestr("adapter_model.safetensors", inside)
    with pytest.raises(BadInput, match="pickle"):
        import_adapter(tmp_path / "g.zip", "x")
    (tmp_path / "h.safetensors").write_bytes((toy.path / "unet" / WEIGHTS).read_bytes()[:-9])
    with pytest.raises(BadInput, match="damaged"):
        import_adapter(tmp_path / "h.safetensors", "x")
    assert [adapter.name for adapter in list_adapters()] == ["toy"]


def test_forms_that_an_adapter_does_not_have(tmp_path, toy):
    put("talk", _even_chat(), kind="chat")
    for name, out, format, fold, reason in (
        ("talk", "x.safetensors", "kohya", False, "for picture models"),
        ("toy", "x.pt", "kohya", False, "name it so"),
        ("talk", "x.zip", None, True, "nothing to fold"),
    ):
        with pytest.raises(BadInput, match=reason):
            export(name, tmp_path / out, format, fold)
    assert list(tmp_path.glob("*.safetensors")) == list(tmp_path.glob("*.pt")) == []


def _even_chat() -> dict[str, Layer]:
    return {"layers.0.q_proj": Layer(torch.ones(1, 4), torch.ones(4, 1), 1.0)}


def test_the_command_line_imports_and_exports(studio, toy, tmp_path):
    out = tmp_path / "toy.safetensors"
    code, document, errors = studio("adapters", "export", "toy", "--format", "kohya", "--out", out, "--json")
    assert code == 0, errors
    assert document == {"name": "toy", "format": "kohya", "file": str(out), "bytes": out.stat().st_size}
    code, document, errors = studio("adapters", "import", out, "--name", "again", "--json")
    assert code == 0, errors
    assert (document["kind"], document["family"], document["fingerprint"]) == (
        "image",
        "other",
        read_adapter("again").fingerprint,
    )
