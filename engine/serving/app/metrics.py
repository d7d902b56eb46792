"""What the endpoint counts, for Prometheus. Names of models and endpoints, never texts, keys or addresses."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.diffusion import host as pictures
from engine.models.host import host

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        disable_created_metrics()
        self._registry = registry = CollectorRegistry()
        registry.register(_Engine())
        self._requests = Counter(
            "studio_requests",
            "Requests answered; 499 if nobody waited for the answer",
            ["endpoint", "status"],
            registry=registry,
        )
        self._first = Histogram(
            "studio_time_to_first_token_seconds",
            "From the request to its first text, by what the request named",
            ["model"],
            registry=registry,
            buckets=_SECONDS,
        )
        self._embedded = Counter("studio_embedded_tokens", "Tokens of embedded texts", ["model"], registry=registry)

    def answered(self, endpoint: str, status: int) -> None:
        """A request has ended."""
        self._requests.labels(endpoint, status).inc()

    def first_token(self, name: str, seconds: float) -> None:
        """The first text of a request is there."""
        self._first.labels(name).observe(seconds)

    def embedded(self, model: str, tokens: int) -> None:
        """Texts were embedded."""
        self._embedded.labels(model).inc(tokens)

    def page(self) -> bytes:
        """All of it, in Prometheus's text format."""
        return generate_latest(self._registry)


class _Engine(Collector):
    """What the models of this process do, as their own threads count it: replies that were cancelled are in it too."""

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client."""
        prompts = CounterMetricFamily("studio_prompt_tokens", "Tokens of prompts", labels=["model"])
        replies = CounterMetricFamily("studio_completion_tokens", "Tokens of replies", labels=["model"])
        running = GaugeMetricFamily("studio_running", "Replies that are being written", labels=["model"])
        waiting = GaugeMetricFamily("studio_waiting", "Replies that have not begun", labels=["model"])
        for model, count in host().counters().items():
            prompts.add_metric([model], count.prompt_tokens)
            replies.add_metric([model], count.tokens)
            running.add_metric([model], count.running)
            waiting.add_metric([model], count.waiting)
        drawing = GaugeMetricFamily("studio_drawing", "Requests for pictures, at work or waiting", labels=["model"])
        for model in pictures.host().loaded():
            drawing.add_metric([model.name], model.busy)
        yield from (prompts, replies, running, waiting, drawing)
