"""The schedulers a recipe can name, made from the model's own: what it predicts and how its noise is spaced stay the model's."""

from typing import Any

from engine.diffusion.recipe import Scheduler

TITLES: dict[Scheduler, str] = {
    "ddim": "DDIM",
    "euler": "Euler",
    "euler_a": "Euler a",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_karras": "DPM++ 2M Karras",
    "unipc": "UniPC",
    "lms": "LMS",
    "heun": "Heun",
    "pndm": "PNDM",
    "lcm": "LCM",
}
"""What people call them, in any language."""
_CLASSES = {
    "ddim": "DDIMScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler_a": "EulerAncestralDiscreteScheduler",
    "dpmpp_2m": "DPMSolverMultistepScheduler",
    "dpmpp_2m_karras": "DPMSolverMultistepScheduler",
    "unipc": "UniPCMultistepScheduler",
    "lms": "LMSDiscreteScheduler",
    "heun": "HeunDiscreteScheduler",
    "pndm": "PNDMScheduler",
    "lcm": "LCMScheduler",
}
_TINY = 2**-24
"""What is left of the picture at the last step where a model says nothing is: a division by it stays finite."""


def make_scheduler(name: Scheduler, own: Any, steps: int = 50) -> Any:
    """A fresh scheduler.

    Args:
        name: which.
        own: the configuration of the model's own scheduler.
        steps: that it will be asked for.
    """
    import inspect

    import diffusers

    made = getattr(diffusers, _CLASSES[name])
    extra: dict[str, Any] = {}
    if name.startswith("dpmpp_2m"):
        extra = {"algorithm_type": "dpmsolver++", "solver_order": 2, "use_karras_sigmas": name == "dpmpp_2m_karras"}
    elif name == "pndm":
        extra = {"skip_prk_steps": True}  # as Stable Diffusion has it
    elif name == "lcm":
        extra = {"original_inference_steps": max(50, steps)}
    takes = inspect.signature(made.__init__).parameters
    if own.get("rescale_betas_zero_snr") and "rescale_betas_zero_snr" not in takes:
        extra["trained_betas"] = _rescaled(own)
    return made.from_config(own, **extra)


def _rescaled(own: Any) -> list[float]:
    """The noise of a model with none of the picture left at its last step, for schedulers that cannot make it themselves."""
    import torch
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    kept = DDIMScheduler.from_config(own).alphas_cumprod.clone()  # type: ignore[union-attr]
    kept[-1] = _TINY
    before = torch.cat([torch.ones(1), kept[:-1]])
    return (1 - kept / before).tolist()
