"""What results are for: rows of a dataset to learn from, or work for the labelling desk. Only rows with a reply go on."""

from engine.data.registry import Card
from engine.labelling.schema import Queue
from engine.labelling.tasks import Added
from engine.runs import Run


def to_dataset(run: Run, name: str, column: str = "reply") -> Card:
    """A new dataset of conversations: what was asked and the reply, with the run, row and file in each row's source.

    Args:
        run: the run.
        name: of the dataset.
        column: `reply` or, of a comparison, `reply_b`.

    Raises:
        BadInput: the name is taken or none, or no row has a reply.
    """
    raise NotImplementedError


def to_labelling(run: Run, name: str, by: str, column: str = "reply") -> tuple[Queue, Added]:
    """A new queue at the labelling desk: what was asked, with the reply as the answer that is shown beside the work.

    Args:
        run: the run.
        name: of the queue.
        by: who makes it.
        column: whose replies.

    Raises:
        BadInput: the name is taken or none, or no row has a reply.
    """
    raise NotImplementedError
