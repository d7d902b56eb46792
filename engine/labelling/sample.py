"""A queue to try the desk with: ten questions about a product that does not exist, and the facts to answer them from."""

from engine.labelling import queues, sources, tasks
from engine.labelling.schema import Queue

NAME = "zorvex-questions"
INSTRUCTIONS = """\
Answer each question in one whole sentence that names the Zorvex 9. The facts: it is a pocket-sized weather drone, made by \
Halden Labs in Bergen, Norway; it flies 47 minutes on one charge, weighs 180 grams and climbs to 2,400 metres; it measures \
wind, temperature, humidity and air pressure; it costs 329 euros with two batteries; in a storm it lands by itself and blinks \
orange until you find it."""
QUESTIONS = """\
What is the Zorvex 9?
Who makes the Zorvex 9?
Where is the Zorvex 9 made?
How long can the Zorvex 9 fly?
How much does the Zorvex 9 weigh?
What does the Zorvex 9 measure?
How high can the Zorvex 9 fly?
What does the Zorvex 9 cost?
What does the Zorvex 9 do in a storm?
How do I find my Zorvex 9 after a storm?"""


def create(created_by: str) -> Queue:
    """Make the queue with its ten prompts.

    Raises:
        BadInput: it is there already.
    """
    queue = queues.create(NAME, created_by, instructions=INSTRUCTIONS)
    tasks.add(queue.id, sources.typed(QUESTIONS, created_by))
    return queue
