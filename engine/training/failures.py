"""Why a training failed, as a sentence that says what to do. The trace stays in the log."""

from engine.errors import DISK_FULL, Failure, StudioError, is_disk_full

OUT_OF_MEMORY = (
    "Out of memory: lower the batch size (and raise gradient accumulation by as much), lower the max length, "
    "or switch gradient checkpointing on."
)
OUT_OF_MEMORY_PICTURES = (
    "Out of memory: lower the batch size (and raise gradient accumulation by as much), lower the resolution, "
    "or switch gradient checkpointing on."
)
CUT_OFF = (
    "A process waited in vain for the others ({error}): one of them ended or hung; look at the logs of each. "
    "If it was only slow, resume the run."
)
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "Cannot allocate memory")
_CUT_OFF = (
    "Connection closed by peer",
    "Connection reset by peer",
    "Connection refused",
    "Broken pipe",
    "Timed out waiting",
    "Watchdog caught collective operation timeout",
    "NCCL communicator was aborted",
    "Gloo",
    "NCCL error",
)


class NotANumber(Failure):
    """The loss is no number any more: nothing that is learnt from there on is worth anything."""

    def __init__(self, step: int):
        super().__init__(
            "At step {step} the loss is not a number any more: lower the learning rate or the max grad norm, "
            "or train without fp16. Checkpoints before that step are kept.",
            step=step,
        )


def explain(error: BaseException) -> StudioError:
    """The sentence for an exception that ended a training."""
    if isinstance(error, StudioError):
        return error
    words = str(error)
    if is_disk_full(error):
        return Failure(DISK_FULL)
    if is_out_of_memory(error):
        return Failure(OUT_OF_MEMORY)
    if is_secondary(error):
        return Failure(CUT_OFF, error=words.splitlines()[0][:200])
    if isinstance(error, FileNotFoundError) and error.filename:
        return Failure("The file {file} is missing: put it back and resume the run.", file=error.filename)
    if isinstance(error, ImportError) and error.name:
        return Failure("The package {name} is not installed: install it and resume the run.", name=error.name)
    return Failure(
        "It failed with {error}: {reason}; the log has the trace.", error=type(error).__name__, reason=words[:300]
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that the device's memory did not suffice."""
    # torch's own class is told by name, as torch may not be loaded
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or any(sign in str(error) for sign in _OUT_OF_MEMORY)


def is_secondary(error: BaseException) -> bool:
    """Whether an exception only says that another process of the run is gone or hangs."""
    if isinstance(error, StudioError):
        return False
    return type(error).__name__ in ("DistBackendError", "DistNetworkError", "DistStoreError") or any(
        sign in str(error) for sign in _CUT_OFF
    )
