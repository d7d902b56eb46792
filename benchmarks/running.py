"""The commands that benchmarks run: what one prints, and why it failed."""

import subprocess
import tempfile

from engine.settings import ROOT


def run(command: list[str], environment: dict[str, str], limit: float | None = None) -> str:
    """What a command prints, its log going to a file; ends this program if it fails."""
    with tempfile.TemporaryFile() as log:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, timeout=limit)
        if done.returncode:
            log.seek(0)
            raise SystemExit(f"{command} failed:\n{log.read().decode(errors='replace')[-3000:]}")
    return done.stdout.decode()
