"""Drawings in progress: each is kept in the gallery as it ends, whoever watches, so a page may be left and come back to.

Of each person the last one is remembered; what was begun before it goes on and is kept too.
"""

import logging
import threading
import time
from dataclasses import dataclass, field

from engine.diffusion import gallery
from engine.diffusion.drawing import DrawRequest, Progress
from engine.diffusion.gallery import Picture
from engine.diffusion.host import DrawStream, PictureHost
from engine.errors import StudioError


@dataclass
class Work:
    """One request of one person."""

    person: str
    request: DrawRequest
    pictures: list[Picture] = field(default_factory=list)
    """What came of it, once it has ended."""
    error: Exception | None = None
    cancelled: bool = False
    """Whether its person asked it to stop."""
    _stream: DrawStream | None = None
    _first: tuple[int, float] | None = None
    """The first step that was seen, and when."""
    _ended: threading.Event = field(default_factory=threading.Event)

    @property
    def ended(self) -> bool:
        """Whether its pictures are in the gallery, or it failed."""
        return self._ended.is_set()

    @property
    def progress(self) -> Progress | None:
        """How far it is; None before its first step."""
        return self._stream.latest if self._stream else None

    @property
    def seconds_left(self) -> float | None:
        """About; None before there is anything to tell it from."""
        done = self.progress
        if done is None or self._first is None or done.step <= self._first[0]:
            return None
        return (time.monotonic() - self._first[1]) / (done.step - self._first[0]) * (done.steps - done.step)

    def cancel(self) -> None:
        """Stop it; pictures that are finished stay."""
        self.cancelled = True
        if self._stream:
            self._stream.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; False if it has not come by then."""
        return self._ended.wait(timeout)

    def follow(self, host: PictureHost) -> None:
        """For its thread: start it, and see it through to the gallery."""
        try:
            stream = self._stream = host.draw(self.request)
            if self.cancelled:
                stream.cancel()
            for progress in stream:
                self._first = self._first or (progress.step, time.monotonic())
            for drawing in stream.result():
                own = self.request
                recipe = drawing.recipe
                source = own.source if recipe.mode != "txt2img" else None
                mask = own.mask if recipe.mode == "inpaint" else None
                self.pictures.append(gallery.add(drawing, self.person, source, mask))
        except Exception as error:  # the page tells its person
            self.error = error
            if not isinstance(error, StudioError):
                logging.getLogger(__name__).exception("a drawing failed")
        finally:
            self._ended.set()


class Works:
    """Everybody's drawings in this process.

    Args:
        host: who draws.
    """

    def __init__(self, host: PictureHost):
        self._host = host
        self._of: dict[str, Work] = {}

    def begin(self, person: str, request: DrawRequest) -> Work:
        """Start drawing for a person; returns at once, and what is wrong with the request is found in the work."""
        work = self._of[person] = Work(person, request)
        threading.Thread(target=work.follow, args=(self._host,), name=f"drawing of {person}", daemon=True).start()
        return work

    def of(self, person: str) -> Work | None:
        """The person's last drawing in this process."""
        return self._of.get(person)
