"""What this process's descendants take while something runs: the greatest memory, and seconds of computing."""

import threading

import psutil


class Peak:
    """Use as ``with Peak() as peak: …``; then `peak.mib` and `peak.cpu`.

    Args:
        every: seconds between two looks; looking costs some computing itself.
        shared_once: count memory that processes share once (proportional set size, slower to ask) instead of for each.
    """

    def __init__(self, every: float = 0.1, shared_once: bool = False):
        self.mib = 0.0
        self._every = every
        self._shared_once = shared_once
        self._cpu: dict[int, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    @property
    def cpu(self) -> float:
        """Seconds of computing of all of them."""
        return sum(self._cpu.values())

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(self._every):
            total = 0
            for process in psutil.Process().children(recursive=True):
                try:
                    total += process.memory_full_info().pss if self._shared_once else process.memory_info().rss
                    self._cpu[process.pid] = sum(process.cpu_times()[:2])
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue
            self.mib = max(self.mib, total / 2**20)
