"""What a Ray job runs, on a machine of the cluster: `python -m engine.jobs.ray.job RUN_ID --models FOLDER`.

Sets up a studio home of its own in the machine's log folder, where the dashboard can serve it, and leads the run there as on
any machine. The base model is looked for in the folder named, if this machine sees it (the same machine, a shared disk), then
in the folders of `STUDIO_MODEL_FOLDERS`; the starter is made from its package, a hub id is downloaded.
"""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

from engine.errors import StudioError
from engine.files import write_json
from engine.jobs.ray.files import FOLDER
from engine.jobs.ray.package import HOME
from engine.jobs.worker import work
from engine.runs import Run, lock, open_run
from engine.settings import settings

_KEPT_SECONDS = 7 * 86_400
"""How long the files of a job that has ended stay here for a studio that did not fetch them."""


def main() -> None:
    """Run to the end; ends with 1 if the run fails, as it says in its status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("--submission", required=True)
    parser.add_argument("--models", type=Path, required=True)
    arguments = parser.parse_args()
    _set_up_home(arguments.submission, arguments.models)
    run = open_run(arguments.run)
    _use_rays_gpus(run)
    _stop_on_sigint(run)
    try:
        work(run.id)
    except StudioError as error:
        sys.exit(str(error))


def _set_up_home(submission: str, models: Path) -> None:
    # Ray has this process print into a file in the folder that the dashboard serves
    folder = Path("/proc/self/fd/1").readlink().parent / FOLDER
    _remove_old(folder)
    home, copy = folder / submission, folder / f".{submission}"
    shutil.copytree(HOME, copy)  # Ray may unpack a package once for several jobs
    if models.is_dir():
        (copy / "var" / "models").symlink_to(models)
    copy.rename(home)  # whoever reads it from afar finds it whole
    os.environ["STUDIO_HOME"] = str(home)
    settings.cache_clear()


def _remove_old(folder: Path) -> None:
    """The files of jobs that ended long ago."""
    for status in folder.glob("*/var/runs/*/status.json"):
        with contextlib.suppress(FileNotFoundError):  # another job may be tidying up too
            if status.stat().st_mtime < time.time() - _KEPT_SECONDS and not lock.is_held(status.parent / "lock"):
                shutil.rmtree(status.parents[3], ignore_errors=True)


def _use_rays_gpus(run: Run) -> None:
    """Give the GPUs that Ray reserved to the launcher, which would take the first ones."""
    numbers = [int(word) for word in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if word.isdigit()]
    spec = run.spec()
    if spec["launcher"] != "python" and len(numbers) == spec["nproc"]:
        write_json(run.path / "spec.json", {**spec, "gpus": numbers})


def _stop_on_sigint(run: Run) -> None:
    """Take Ray's signal for the stop flag: the step is finished and saved. Ray ends what is left after its own grace period.

    Ray sends it to every process of the job at once. It is blocked here, which the launcher and the ranks inherit: they end
    as the flag makes them. It is not SIGTERM, as a launcher ends its ranks by that when one of them fails.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    def wait() -> None:
        signal.sigwait({signal.SIGINT})
        run.request_stop()

    threading.Thread(target=wait, daemon=True, name="stop").start()


if __name__ == "__main__":
    main()
