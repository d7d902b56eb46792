"""Progress bars of commands that do their work in the foreground."""

import contextlib
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def bar(name: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal; yields what takes the units done and the units there are."""
    from tqdm import tqdm

    with tqdm(desc=name, unit=unit, unit_scale=True, file=sys.stderr, disable=not sys.stderr.isatty()) as shown:

        def progress(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield progress
