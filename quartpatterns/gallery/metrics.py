"""Numbers about the requests and the runs, in the format of Prometheus.

Each server process counts its own requests. With ``PROMETHEUS_MULTIPROC_DIR``, which
``quartpatterns serve`` sets, the counts are in files that all processes share, and any of them
reports the sum. ``prometheus-client`` calls that its multiprocess mode.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from quartpatterns import catalog
from quartpatterns.gallery.results import ENDED, KINDS, UNFINISHED
from quartpatterns.gallery.run_process import is_alive

__all__ = ["CONTENT_TYPE", "WEBSOCKET", "RequestMetrics", "application_label", "metrics_text"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
METHODS = frozenset("GET HEAD POST PUT PATCH DELETE OPTIONS".split())
WEBSOCKET = "WEBSOCKET"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_REQUESTS = Counter(
    "quartpatterns_requests",
    "Responses, by application, method and status.",
    ["application", "method", "status"],
)
_SECONDS = Histogram(
    "quartpatterns_request_seconds",
    "Seconds from a request to the end of its response, without streams of events.",
    ["application"],
    buckets=BUCKETS,
)
_OPEN = Gauge(
    "quartpatterns_open_requests",
    "Requests and websockets that are being answered.",
    ["application"],
    multiprocess_mode="livesum",
)
_NAMES = frozenset(pattern.name for pattern in catalog.PATTERNS)
_GAUGE_FILE = re.compile(r"gauge_live\w*_(\d+)\.db")


class RequestMetrics:
    """Counts the requests of one server process."""

    def __init__(self) -> None:
        # The first use opens a file, which would block the event loop.
        _REQUESTS.labels("gallery", "GET", "200")
        _SECONDS.labels("gallery")
        _OPEN.labels("gallery")

    def started(self, application: str) -> None:
        """Note that a request has arrived."""
        _OPEN.labels(application).inc()

    def ended(
        self, application: str, method: str, status: int | None, seconds: float | None
    ) -> None:
        """Note that a request was answered.

        Arguments:
            application: The application that has answered.
            method: The method, or :data:`WEBSOCKET`.
            status: The status, or ``None`` if the client left before it was sent.
            seconds: The duration, ``None`` for a websocket or a stream of events.
        """
        _OPEN.labels(application).dec()
        name = method if method in METHODS or method == WEBSOCKET else "other"
        _REQUESTS.labels(application, name, "none" if status is None else str(status)).inc()
        if seconds is not None:
            _SECONDS.labels(application).observe(seconds)


def application_label(path: str) -> str:
    """Return the name of the application that answers *path*: a pattern, an original, or the rest.

    There are as many names as applications, whatever paths clients invent.
    """
    first, _, rest = path.lstrip("/").partition("/")
    if first in _NAMES:
        return first
    if first == "gallery" and rest.startswith("originals/"):
        name = rest.removeprefix("originals/").partition("/")[0]
        return f"original:{name}" if name in _NAMES else "gallery"
    return "gallery"


def metrics_text(runs: Sequence[tuple[str, str, int]]) -> bytes:
    """Return all numbers. It reads files, so call it in a thread.

    Arguments:
        runs: The kind, the state and the number of runs in the database.
    """
    registry: CollectorRegistry = REGISTRY
    if folder := os.environ.get(FOLDER):
        _forget_dead_processes(Path(folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    numbers = CollectorRegistry()
    numbers.register(_RunCollector(runs))
    return generate_latest(registry) + generate_latest(numbers)


class _RunCollector(Collector):
    """The numbers of runs, which are those of the database and not of a process."""

    def __init__(self, runs: Sequence[tuple[str, str, int]]) -> None:
        self._numbers = {(kind, state): number for kind, state, number in runs}

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the numbers, also those that are 0."""
        family = GaugeMetricFamily(
            "quartpatterns_runs",
            "Comparisons and measurements that wait, run, or are kept, by state.",
            labels=["kind", "state"],
        )
        for key in itertools.product(KINDS, (*UNFINISHED, *ENDED)):
            family.add_metric(key, self._numbers.get(key, 0))
        return [family]


def _forget_dead_processes(folder: Path) -> None:
    """Remove the open requests of processes that were killed."""
    for file in folder.glob("gauge_live*_*.db"):
        match = _GAUGE_FILE.fullmatch(file.name)
        if match and not is_alive(int(match[1])):
            file.unlink(missing_ok=True)  # Another process may do the same.
