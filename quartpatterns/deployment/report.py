"""The output of ``quartpatterns deploy``: a table that follows the steps, and results as JSON."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from quartpatterns.deployment.deployment import Outcome
from quartpatterns.deployment.errors import FailedError
from quartpatterns.deployment.host_group import Event
from quartpatterns.deployment.status import Status

__all__ = ["UNLIMITED", "Report", "failure_text", "print_statuses", "result_data"]

_SYMBOLS = {
    "running": ("…", "yellow"),
    "done": ("✓", "green"),
    "skipped": ("·", "dim"),
    "failed": ("✗", "bold red"),
}
_OUTPUT_LINES = 30
UNLIMITED = 10_000
"""The width of a file or a pipe, in characters: no line in it is wrapped."""


class Report:
    """Collects the events of a deployment, and shows them in a table with a column per host.

    If the terminal is too narrow for the columns, the table has a row per host, which contains
    the latest step.
    """

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
            self._live.update(self.table(self._live.console))

    @contextlib.contextmanager
    def shown(self, console: Console) -> Generator[None]:
        """Show the table during the context: live on a terminal, otherwise once at the end."""
        if not console.is_terminal:
            try:
                yield
            finally:
                console.print(self.table(console))
            return
        with Live(self.table(console), console=console, refresh_per_second=8) as self._live:
            yield
        self._live = None

    def table(self, console: Console) -> Table:
        """Return the table: a row for each step, because most deployments have few hosts."""
        table = self._new_table("step", *self.hosts)
        for step in dict.fromkeys(event.step for event in self.events):
            table.add_row(step, *(self._cell(host, step) for host in self.hosts))
        if _fits(console, table):
            return table
        table = self._new_table("host", "step", "")
        for host, step in {event.host: event.step for event in self.events}.items():
            table.add_row(escape(host), step, self._cell(host, step))
        return table

    def _new_table(self, *columns: str) -> Table:
        table = Table(title=self.title, title_justify="left", box=None, pad_edge=False)
        for column in columns:
            table.add_column(escape(column))
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


def print_statuses(statuses: Sequence[Status], console: Console) -> None:
    """Print a table with a row for each host, and the remarks below it.

    If the terminal is too narrow for the table, a paragraph for each host is printed instead.
    Nothing is cut off, because the end of a release tells it from others.
    """
    table = Table(box=None, pad_edge=False)
    names = ("host", "serves", "since", "processes", "releases")
    for name in names:
        table.add_column(name)
    rows = [_status_row(status) for status in statuses]
    for row in rows:
        table.add_row(*map(escape, row))
    if _fits(console, table):
        console.print(table)
    else:
        for host, *values in rows:
            _print_line(console, host)
            for name, value in zip(names[1:], values, strict=True):
                _print_line(console, f"  {name:10} {value}")
    for status in statuses:
        for remark in _remarks(status):
            _print_line(console, f"{status.host}: {remark}")


def _status_row(status: Status) -> tuple[str, str, str, str, str]:
    running = status.running
    if running is None:
        serves = "unknown" if status.problem else "nothing"
        return status.host, serves, "", "", "" if status.problem else str(len(status.releases))
    processes = ", ".join(f"{count} {name}" for name, count in running["processes"].items())
    release = running["release"] or "nothing"
    return status.host, release, running["since"], processes, str(len(status.releases))


def _fits(console: Console, table: Table) -> bool:
    """Return whether no cell of the table has to be wrapped."""
    unlimited = console.options.update(max_width=UNLIMITED)
    return Measurement.get(console, unlimited, table).maximum <= console.width


def _print_line(console: Console, line: str) -> None:
    console.print(Text(line.rstrip()), soft_wrap=True)


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
