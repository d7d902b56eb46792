"""What the endpoint counts, for Prometheus. Names of models and endpoints, never texts, keys or addresses."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from engine.models.request import Reply
from engine.serving.replies import Work

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The counters of one server.

    Args:
        work: what it has given the host.
    """

    def __init__(self, work: Work):
        disable_created_metrics()
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "studio_requests",
            "Requests answered; 499 if nobody waited for the answer",
            ["endpoint", "status"],
            registry=registry,
        )
        self._prompt = Counter("studio_prompt_tokens", "Tokens read, of finished replies", ["model"], registry=registry)
        self._written = Counter(
            "studio_completion_tokens", "Tokens written, of finished replies", ["model"], registry=registry
        )
        self._first = Histogram(
            "studio_time_to_first_token_seconds",
            "From the request to its first text",
            ["model"],
            registry=registry,
            buckets=_SECONDS,
        )
        running = Gauge("studio_running", "Replies and pictures that are being made", registry=registry)
        running.set_function(work.running)
        waiting = Gauge("studio_waiting", "Replies and pictures that have not begun", registry=registry)
        waiting.set_function(work.waiting)

    def answered(self, endpoint: str, status: int) -> None:
        """A request has ended."""
        self._requests.labels(endpoint, status).inc()

    def first_token(self, model: str, seconds: float) -> None:
        """The first text of a request is there."""
        self._first.labels(model).observe(seconds)

    def finished(self, model: str, reply: Reply, counts_prompt: bool = True) -> None:
        """A reply has ended by itself; of several to one prompt the first counts the prompt."""
        self._prompt.labels(model).inc(reply.prompt_tokens if counts_prompt else 0)
        self._written.labels(model).inc(reply.tokens)

    def read(self, model: str, tokens: int) -> None:
        """Texts were embedded."""
        self._prompt.labels(model).inc(tokens)

    def page(self) -> bytes:
        """All of it, in Prometheus's text format."""
        return generate_latest(self._registry)
