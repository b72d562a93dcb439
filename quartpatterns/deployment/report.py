"""The output of ``quartpatterns deploy``: a table that follows the steps, and results as JSON."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from quartpatterns.deployment.deployment import Outcome
from quartpatterns.deployment.errors import FailedError
from quartpatterns.deployment.host_group import Event
from quartpatterns.deployment.status import Status

__all__ = ["Report", "failure_text", "result_data", "status_table"]

_SYMBOLS = {
    "running": ("…", "yellow"),
    "done": ("✓", "green"),
    "skipped": ("·", "dim"),
    "failed": ("✗", "bold red"),
}
_OUTPUT_LINES = 30


class Report:
    """Collects the events of a deployment, and shows them in a table with a column per host."""

    def __init__(self, hosts: Sequence[str], title: str) -> None:
        self.hosts = list(hosts)
        self.title = title
        self.events: list[Event] = []
        self._latest: dict[tuple[str, str], Event] = {}
        self._live: Live | None = None

    def __call__(self, event: Event) -> None:
        """Add an event, and update the table."""
        self.events.append(event)
        self._latest[event.host, event.step] = event
        if self._live:
            self._live.update(self.table())

    @contextlib.contextmanager
    def shown(self, console: Console) -> Generator[None]:
        """Show the table during the context: live on a terminal, otherwise once at the end."""
        with Live(self.table(), console=console, refresh_per_second=8) as self._live:
            yield
        self._live = None

    def table(self) -> Table:
        """Return the table: a row for each step, because most deployments have few hosts."""
        table = Table(title=self.title, title_justify="left", box=None, pad_edge=False)
        for column in ("step", *self.hosts):
            table.add_column(escape(column))
        for step in dict.fromkeys(event.step for event in self.events):
            table.add_row(step, *(self._cell(host, step) for host in self.hosts))
        return table

    def _cell(self, host: str, step: str) -> Text:
        event = self._latest.get((host, step))
        if event is None:
            return Text("")
        symbol, style = _SYMBOLS[event.state]
        duration = f" {event.seconds:.1f} s" if event.state in {"done", "failed"} else ""
        return Text(f"{symbol}{duration}", style=style)


def failure_text(error: FailedError) -> Group:
    """Return each failure: host, step, problem, and the command with its output."""
    lines: list[Text] = []
    for failure in error.failures:
        place = f"{failure.host}: {failure.step}: "
        lines.append(Text.assemble((place, "bold red"), failure.problem))
        if failure.command:
            lines.append(Text(f"  $ {failure.command}", style="dim"))
        lines += [Text(f"  {line}") for line in failure.output.splitlines()[-_OUTPUT_LINES:]]
    return Group(*lines, *([Text(error.note)] if error.note else []))


def result_data(
    events: Sequence[Event], outcome: Outcome | None, error: FailedError | None = None
) -> dict[str, Any]:
    """Return the result of a command for JSON."""
    return {
        "succeeded": error is None,
        "release": outcome.release if outcome else None,
        "seconds": round(outcome.seconds, 3) if outcome else None,
        "steps": [
            {**_fields(event, "host", "step", "state"), "seconds": round(event.seconds, 3)}
            for event in events
            if event.state != "running"
        ],
        "error": str(error) if error else None,
        "failures": [
            _fields(failure, "host", "step", "problem", "command", "output")
            for failure in (error.failures if error else ())
        ],
    }


def _fields(source: object, *names: str) -> dict[str, Any]:
    return {name: getattr(source, name) for name in names}


def status_table(statuses: Sequence[Status]) -> Table:
    """Return a table with a row for each host."""
    table = Table(box=None, pad_edge=False)
    for name in ("host", "serves", "since", "processes", "releases", "remarks"):
        # The end of a release tells it from others, so nothing may be cut off.
        table.add_column(name, overflow="fold", no_wrap=name == "serves")
    for status in statuses:
        running = status.running
        processes = running["processes"].items() if running else ()
        table.add_row(
            escape(status.host),
            (running and running["release"]) or "nothing",
            running["since"] if running else "",
            ", ".join(f"{count} {name}" for name, count in processes),
            str(len(status.releases)),
            escape("; ".join(_remarks(status))),
        )
    return table


def _remarks(status: Status) -> Iterator[str]:
    if status.problem:
        yield status.problem
        return
    if status.running is None:
        yield "the supervisor does not run. Run quartpatterns deploy bootstrap"
    elif status.running["changed"]:
        yield "the environment has changed. Deploy again to apply it"
    if status.locked:
        yield f"locked by {status.locked}"
