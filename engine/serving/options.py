"""What the endpoint may be told at its start; the command's flags are made from it."""

from pathlib import Path

from pydantic import BaseModel, Field


class Options(BaseModel):
    """Where it listens, and its limits."""

    host: str = Field("127.0.0.1", description="the address to listen on; others than loopback need keys")
    port: int = Field(8000, ge=0, le=65535, description="the port; 0 takes a free one")
    model: str | None = Field(
        None, description="the chat model that is loaded at the start, and answers where a request names none"
    )
    keys_file: Path | None = Field(
        None, description="file of API keys, one a line, beside those of STUDIO_SERVE_KEYS; # begins a comment"
    )
    max_tokens: int = Field(4096, ge=1, le=32768, description="most tokens a reply may have")
    max_body_mib: float = Field(16, gt=0, description="most MiB a request may have")
    requests_per_key: int = Field(64, ge=1, description="requests of one key at once; more are told to wait (429)")
    grace_seconds: float = Field(
        30, ge=0, description="how long replies may go on after SIGTERM before they are cancelled"
    )
    cors: list[str] = Field([], description="web pages of these origins may ask, such as https://example.org")
