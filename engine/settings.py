"""Every setting of the studio, read from `STUDIO_*` environment variables or the `.env` file beside Home.py.

Settings say where things are written and how the machine may be used; what a person chooses on a page is not kept here.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """The description of each field is what README's settings table says; a test keeps the two alike."""

    model_config = SettingsConfigDict(env_prefix="STUDIO_", env_file=ROOT / ".env", extra="ignore")

    home: Path = Field(ROOT, description="Folder that holds `knowledge_bases/`, `lora_store/` and `var/`.")
    database_url: str | None = Field(
        None,
        description="Any SQLAlchemy URL; by default SQLite in `var/studio.db`. PostgreSQL needs its driver installed.",
    )
    default_model: str = Field(
        "starter", description="The chat model: `starter`, a folder's name under `var/models/`, a path, or a hub id."
    )
    model_folders: list[Path] = Field(
        [], description="More folders whose subfolders are offered as models (JSON list)."
    )
    trusted_models: list[str] = Field(
        [], description="Models allowed to run code of their own (`trust_remote_code`), by name (JSON list)."
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="Weights' type; `auto` takes bfloat16 where the GPU has it, float16 on other GPUs, float32 on CPU. "
        "Training computes in it too, and `auto` trains in bfloat16 on CPUs that have it.",
    )
    quantization: Literal["none", "4bit", "8bit"] = Field(
        "none", description="Shrink the base model's weights with bitsandbytes (NVIDIA GPUs only)."
    )
    picture_model: str = Field(
        "starter",
        description="The picture model: `starter`, the name of a folder or `.safetensors` file under `var/models/`, a path, or a hub id.",
    )
    picture_offload: Literal["none", "model", "sequential"] = Field(
        "none",
        description="Keep picture models in the computer's memory and bring to the GPU only the part that computes (`model`), "
        "or only its current layer (`sequential`): less GPU memory, slower.",
    )
    device_map: str = Field(
        "auto",
        description="Where layers go: `auto`, `balanced`, `sequential`, or one device such as `cuda:0` or `cpu`.",
    )
    max_memory: dict[str, str] = Field(
        {},
        description='Most memory the model may take on each device, such as `{"0": "10GiB", "cpu": "30GiB"}` (JSON).',
    )
    copies: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        "auto",
        description="Whole copies of a chat model that share its requests: `auto` makes one on each GPU that has room for it, "
        "or a number. `STUDIO_DEVICE_MAP` and `STUDIO_MAX_MEMORY` come first: where they say where layers go, there is one.",
    )
    disk_offload: bool = Field(
        False,
        description="Let layers that fit nowhere else be read from disk for every token: it works, and is very slow.",
    )
    host_memory_gib: float | None = Field(
        None,
        description="Memory that loaded models may take together, in GiB; by default 80 % of what is free at start.",
    )
    batch_rows: int | None = Field(
        None,
        ge=1,
        description="Replies that a chat model writes at once; by default 32 on a CPU and 128 on a GPU. Fewer come faster each, more are faster together.",
    )
    waiting_requests: int = Field(
        1000,
        ge=1,
        description="Requests that may wait for each copy of a chat model; more are refused until some have begun.",
    )
    openai_base_url: str | None = Field(
        None,
        description="An OpenAI-compatible server that answers in chats unless somebody chooses another model (`python -m engine serve`, "
        "vLLM, SGLang, llama.cpp, Ollama), such as `http://127.0.0.1:8000/v1`.",
    )
    openai_api_key: str | None = Field(
        None, description="The key sent to `STUDIO_OPENAI_BASE_URL`, and to no other server."
    )
    serve_keys: list[str] = Field(
        [],
        repr=False,
        description="API keys that `python -m engine serve` takes (JSON list); without any it answers this machine alone.",
    )
    import_folder: Path | None = Field(
        None,
        description="Folder whose files the Datasets page may import by path; by default only uploads are taken there.",
    )
    cpu_runs: int = Field(
        2, ge=1, description="Trainings that may run at once on a machine without GPUs; others wait in the queue."
    )
    stop_grace_seconds: float = Field(
        60.0, description="How long a stopped run may take to finish its step and save before its processes are ended."
    )
    ray_address: str | None = Field(
        None,
        description="The dashboard of a Ray cluster that trainings may be sent to, such as `http://127.0.0.1:8265`.",
    )

    chroma_url: str | None = Field(
        None,
        description="A Chroma server that new knowledge bases keep their vectors in, such as `http://127.0.0.1:8000`; by default each base has them in its own folder.",
    )

    @property
    def knowledge_bases(self) -> Path:
        """One folder a knowledge base."""
        return self._folder("knowledge_bases")

    @property
    def var(self) -> Path:
        """Everything written at run time that is neither a knowledge base nor an adapter."""
        return self._folder("var")

    @property
    def lora_store(self) -> Path:
        """One folder an adapter."""
        return self._folder("lora_store")

    @property
    def runs(self) -> Path:
        """One folder a run."""
        return self._folder("var/runs")

    @property
    def datasets(self) -> Path:
        """One folder a dataset."""
        return self._folder("var/datasets")

    @property
    def presets(self) -> Path:
        """Saved training forms, one YAML file each."""
        return self._folder("var/presets")

    @property
    def models(self) -> Path:
        """Local models, one folder each."""
        return self._folder("var/models")

    def _folder(self, name: str) -> Path:
        folder = self.home.resolve() / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


@cache
def settings() -> Settings:
    """The settings of this process, read once. Tests that change the environment call `settings.cache_clear()`."""
    return Settings()  # pyright: ignore[reportCallIssue]  (every field comes from the environment)
