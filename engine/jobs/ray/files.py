"""The files that a Ray job writes, read from here through the cluster's dashboard.

The dashboard serves what lies in its machines' log folders, binary files too. A job therefore keeps its whole studio home
in there (`engine.jobs.ray.job`), and no shared disk, object store or further port is needed. Only reads; takes no name that
could leave the place it is put at.
"""

from pathlib import Path, PurePosixPath
from typing import Any

from engine.files import NAME

FOLDER = "studio"
"""The folder of all jobs in a machine's log folder; each has one in it, named like the job."""
_TIMEOUT = (10, 120)
"""Seconds to connect, and between two pieces of an answer."""
_WHOLE_FILE_SECONDS = 86_400
_PIECE = 1 << 20


class JobFiles:
    """What one job wrote on the machine it runs on.

    Args:
        client: Ray's `JobSubmissionClient`.
        node: the machine's id on the cluster.
        submission: the job's id.
    """

    def __init__(self, client: Any, node: str, submission: str):
        self._client = client
        self._node = node
        self._submission = submission

    def output(self) -> bytes:
        """All that it printed so far."""
        with self._answer("/file", filename=f"job-driver-{self._submission}.log", lines=-1) as answer:
            return answer.content if answer.ok else b""

    def names(self, pattern: str) -> list[str]:
        """Files of its studio home that match, as paths in that folder."""
        home = f"{FOLDER}/{self._submission}/"
        with self._answer("", glob=home + pattern) as answer:
            groups: dict[str, list[str]] = answer.json()["data"]["result"] if answer.ok else {}
        found = (name.removeprefix(home) for group in groups.values() for name in group)
        return sorted(name for name in found if _is_plain(name))

    def read(self, name: str) -> bytes | None:
        """A file of its studio home; None if there is none."""
        with self._answer("/file", filename=self._path(name), lines=-1) as answer:
            return answer.content if answer.ok else None

    def fetch(self, name: str, to: Path) -> bool:
        """Copy a file of any size; false if there is none."""
        path = self._path(name)
        with self._answer("/file", filename=path, lines=-1, timeout=_WHOLE_FILE_SECONDS) as answer:
            if not answer.ok:
                return False
            to.parent.mkdir(parents=True, exist_ok=True)
            with to.open("wb") as file:
                for piece in answer.iter_content(_PIECE):
                    file.write(piece)
        return True

    def _path(self, name: str) -> str:
        if not _is_plain(name):
            raise ValueError(f"{name!r} is no plain name")
        return f"{FOLDER}/{self._submission}/{name}"

    def _answer(self, kind: str, **parameters: Any) -> Any:
        import requests

        return requests.get(
            f"{self._client.get_address()}/api/v0/logs{kind}",
            {"node_id": self._node, **parameters},
            headers=self._client._headers,  # they carry the token; the client's own request would read whole files at once
            stream=True,
            timeout=_TIMEOUT,
        )


def _is_plain(name: str) -> bool:
    """Whether it is a relative path of plain names; a folder, which the dashboard shows with `/` at the end, is none."""
    return not name.endswith("/") and all(NAME.fullmatch(part) for part in PurePosixPath(name).parts)
