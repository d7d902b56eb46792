"""Which picture models there are, what is refused, families and defaults, and a whole model as one file."""

import json
import shutil
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.diffusion import catalog
from engine.diffusion.catalog import fingerprint, list_models, local_path, resolve
from engine.diffusion.drawing import DrawRequest, draw
from engine.diffusion.families import defaults, family, family_of_config
from engine.diffusion.pipelines import in_mode, load
from engine.diffusion.prompt_tokens import prompt_tokens
from engine.diffusion.recipe import Recipe
from engine.diffusion.schedulers import TITLES, make_scheduler
from engine.errors import BadInput, Failure
from engine.settings import settings
from tests.engine.diffusion.one_file import write_one_file
from tests.picture_models import tiny_pipeline, tiny_xl_pipeline


def test_names_and_what_they_stand_for(pictures, xl, tiny_picture_folder):
    names = [source.name for source in list_models()]
    assert names[0] == "starter" and set(names) == {"starter", pictures, xl}
    assert resolve(None).name == pictures and resolve(pictures).kind == "folder"
    assert resolve(str(tiny_picture_folder)).kind == "folder"
    assert resolve("stabilityai/stable-diffusion-xl-base-1.0").kind == "hub"
    for name, paths in ((str(tiny_picture_folder), False), ("nothing", True), ("a/../b", True)):
        with pytest.raises(BadInput, match="no picture model"):
            resolve(name, paths)
    assert fingerprint(resolve(pictures)) == fingerprint(resolve(str(tiny_picture_folder))) != fingerprint(resolve(xl))


def test_a_missing_starter_is_one_sentence(studio_home, monkeypatch, tmp_path):
    monkeypatch.setattr(catalog, "STARTER_FOLDER", tmp_path / "gone")
    with pytest.raises(Failure, match="starter picture model is missing"):
        resolve("starter")


def test_pickles_and_strangers_are_refused(pictures, tiny_picture_folder, tmp_path):
    (tmp_path / "model.ckpt").write_bytes(b"\x80\x02junk")
    with pytest.raises(BadInput, match="pickle"):
        resolve(str(tmp_path / "model.ckpt"))

    def changed(name: str, **parts: object):
        folder = settings().models / name
        shutil.copytree(tiny_picture_folder, folder)
        index = json.loads((folder / "model_index.json").read_text())
        (folder / "model_index.json").write_text(json.dumps({**index, **parts}))
        return folder

    folder = changed("pickled")
    next((folder / "unet").glob("*.safetensors")).rename(folder / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(BadInput, match="pickle"):
        local_path(resolve("pickled"))
    for name, parts in (
        ("flux", {"_class_name": "FluxPipeline"}),
        ("code", {"unet": ["my_module", "UNet2DConditionModel"]}),
        ("tool", {"vae": ["diffusers", "FluxPipeline"]}),
        ("more", {"extra": ["os", "system"]}),
    ):
        changed(name, **parts)
        with pytest.raises(BadInput, match="no Stable Diffusion"):
            local_path(resolve(name))
    (settings().models / "more" / "model_index.json").write_text("[]")
    with pytest.raises(BadInput, match="damaged"):
        local_path(resolve("more"))


@pytest.mark.parametrize(
    ("width", "text", "expected"), [(320, 768, "sd1"), (320, 1024, "sd2"), (320, 2048, "sdxl"), (16, 768, "other")]
)
def test_families_by_sizes(width, text, expected):
    assert family_of_config({"block_out_channels": [width], "cross_attention_dim": text}) == expected


def test_defaults_are_the_models_own(pictures, xl):
    usual = defaults(resolve(pictures))
    assert (usual.width, usual.height, usual.scheduler) == (64, 64, "ddim") and family(resolve(pictures)) == "other"


@pytest.mark.parametrize("name", list(TITLES))
def test_schedulers_keep_what_the_model_says_of_itself(name):
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    own = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
        clip_sample=False,
    ).config
    made = make_scheduler(name, own, 200)
    assert made.config.prediction_type == "v_prediction" and made.config.timestep_spacing == "trailing"
    assert float(made.alphas_cumprod[-1]) < 1e-6, "nothing of the picture is left at the last step"
    theirs: Any = DDIMScheduler.from_config(own)
    assert abs(float(made.alphas_cumprod[500]) - float(theirs.alphas_cumprod[500])) < 1e-3
    made.set_timesteps(200)
    assert torch.isfinite(made.timesteps.float()).all()


def test_other_modes_share_the_weights(tiny_pipe):
    for mode in ("txt2img", "img2img", "inpaint"):
        assert in_mode(tiny_pipe, mode).unet is tiny_pipe.unet


def test_weights_in_half_precision_alone_are_loaded(tiny_picture_folder, studio_home):
    folder = settings().models / "half"
    shutil.copytree(tiny_picture_folder, folder)
    for part in ("unet", "vae", "text_encoder"):
        (file,) = (folder / part).glob("*.safetensors")
        save_file(
            {k: t.half() for k, t in load_file(file).items()},
            file.with_name(f"{file.stem}.fp16.safetensors"),
            {"format": "pt"},
        )
        file.unlink()
    pipe = load(resolve("half"))
    assert pipe.unet.dtype == torch.float32
    assert draw(pipe, DrawRequest(Recipe(prompt="a", steps=1)))[0].image.size == (64, 64)


def test_a_whole_model_as_one_file_draws_what_its_folder_draws(studio_home, monkeypatch):
    import numpy as np

    pipe = tiny_pipeline(seed=4, latent=4, extra={})
    pipe.save_pretrained(settings().models / "kin")
    other = tiny_pipeline(seed=5, latent=4, extra={})
    file = write_one_file(other, settings().models / "one.safetensors")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: pytest.fail("no network is needed"))
    source = resolve("one.safetensors")
    assert source.kind == "file" and [s.name for s in list_models()] == ["starter", "kin", "one.safetensors"]
    assert prompt_tokens(source).limit == 16 and defaults(source).width == 64
    request = DrawRequest(Recipe(prompt="a red apple", steps=2))
    drawn, wanted, unlike = (np.asarray(draw(p, request)[0].image).astype(int) for p in (load(source), other, pipe))
    assert (drawn == wanted).all() and (drawn != unlike).any()

    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(BadInput, match=r"no picture model|damaged"):
        load(resolve("one.safetensors"))


def test_one_file_without_its_kin_says_what_it_needs(studio_home):
    write_one_file(tiny_pipeline(latent=4, extra={}), settings().models / "alone.safetensors")
    with pytest.raises(BadInput, match="called alone"):
        load(resolve("alone.safetensors"))


def test_xl_as_one_file_has_both_text_encoders(xl, studio_home):
    import numpy as np

    other = tiny_xl_pipeline(seed=6)
    write_one_file(other, settings().models / "one-xl.safetensors")
    source = resolve("one-xl.safetensors")
    request = DrawRequest(Recipe(prompt="a red apple", steps=2, scheduler="euler"))
    drawn, wanted = (np.asarray(draw(p, request)[0].image).astype(int) for p in (load(source), other))
    assert (drawn == wanted).all()
