"""Drawings in progress: each is kept in the gallery as it ends, whoever watches, so a page may be left or its server asked later.

Of each person the last one is remembered; what was begun before it goes on and is kept too.
"""

import threading
import time
from dataclasses import dataclass, field

from engine.diffusion import gallery
from engine.diffusion.drawing import DrawRequest, Progress
from engine.diffusion.gallery import Picture
from engine.diffusion.host import DrawStream, PictureHost


@dataclass
class Work:
    """One request of one person."""

    person: str
    request: DrawRequest
    stream: DrawStream
    started: float = field(default_factory=time.monotonic)
    pictures: list[Picture] = field(default_factory=list)
    """What came of it, once it has ended."""
    error: Exception | None = None
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
        return self.stream.latest

    @property
    def seconds_left(self) -> float | None:
        """About; None before there is anything to tell it from."""
        done = self.progress
        if done is None or self._first is None or done.step <= self._first[0]:
            return None
        return (time.monotonic() - self._first[1]) / (done.step - self._first[0]) * (done.steps - done.step)

    def cancel(self) -> None:
        """Stop it; pictures that are finished stay."""
        self.stream.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; False if it has not come by then."""
        return self._ended.wait(timeout)

    def follow(self) -> None:
        """For its thread: see it through to the gallery."""
        try:
            for progress in self.stream:
                self._first = self._first or (progress.step, time.monotonic())
            for drawing in self.stream.result():
                own = self.request
                recipe = drawing.recipe
                source = own.source if recipe.mode != "txt2img" else None
                mask = own.mask if recipe.mode == "inpaint" else None
                self.pictures.append(gallery.add(drawing, self.person, source, mask))
        except Exception as error:  # told to the person by the page
            self.error = error
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
        """Start drawing for a person.

        Raises:
            BadInput: it cannot be drawn as asked.
            Failure: the model cannot be had, or there is not enough memory.
        """
        work = Work(person, request, self._host.draw(request))
        self._of[person] = work
        threading.Thread(target=work.follow, name=f"drawing of {person}", daemon=True).start()
        return work

    def of(self, person: str) -> Work | None:
        """The person's last drawing in this process."""
        return self._of.get(person)
