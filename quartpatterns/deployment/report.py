"""A table of hosts and steps that follows a deployment, and its result as data."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from quartpatterns.deployment.errors import DeploymentError, FailedError, StepFailedError
from quartpatterns.deployment.events import Event, Outcome
from quartpatterns.deployment.inspection import Status

__all__ = ["Report", "failure_text", "result_data", "status_table"]

SIGNS = {
    "runs": ("…", "yellow"),
    "done": ("✓", "green"),
    "was done": ("·", "dim"),
    "failed": ("✗", "bold red"),
}


class Report:
    """Collects events, and shows them while they come.

    Arguments:
        hosts: The names of the hosts, one a line.
        title: What is done.
    """

    def __init__(self, hosts: Sequence[str], title: str) -> None:
        self.hosts = list(hosts)
        self.title = title
        self.events: list[Event] = []
        self._last: dict[tuple[str, str], Event] = {}
        self._live: Live | None = None

    def __call__(self, event: Event) -> None:
        """Take one event."""
        self.events.append(event)
        self._last[event.host, event.step] = event
        if self._live:
            self._live.update(self.table())

    @contextlib.contextmanager
    def shown(self, console: Console) -> Generator[None]:
        """Show the table while the context lasts: live on a terminal, else once at the end."""
        with Live(self.table(), console=console, refresh_per_second=8) as self._live:
            yield
        self._live = None

    def table(self) -> Table:
        """Hosts and steps, as they are now."""
        steps = list(dict.fromkeys(event.step for event in self.events))
        # A step a line where there are few hosts: a terminal has more lines than columns.
        table = Table(title=self.title, title_justify="left", box=None, pad_edge=False)
        table.add_column("step")
        for host in self.hosts:
            table.add_column(escape(host))
        for step in steps:
            table.add_row(step, *(self._cell(host, step) for host in self.hosts))
        return table

    def _cell(self, host: str, step: str) -> Text:
        event = self._last.get((host, step))
        if event is None:
            return Text("")
        sign, style = SIGNS[event.state]
        took = f" {event.seconds:.1f} s" if event.state in {"done", "failed"} else ""
        return Text(f"{sign}{took}", style=style)


def failure_text(error: DeploymentError) -> Group | Text:
    """What went wrong: host, step, what to do, and the command with what it printed."""
    if isinstance(error, StepFailedError):
        return Group(*_lines(error))
    if not isinstance(error, FailedError):
        return Text(str(error), style="red")
    lines = [line for failure in error.failures for line in _lines(failure)]
    return Group(*lines, *([Text(error.note)] if error.note else []))


def result_data(
    events: Sequence[Event], outcome: Outcome | None, error: DeploymentError | None = None
) -> dict[str, Any]:
    """A deployment as JSON has it."""
    failures = error.failures if isinstance(error, FailedError) else ()
    return {
        "succeeded": error is None,
        "release": outcome.release if outcome else None,
        "seconds": round(outcome.seconds, 3) if outcome else None,
        "steps": [
            {
                "host": event.host,
                "step": event.step,
                "state": event.state,
                "seconds": round(event.seconds, 3),
            }
            for event in events
            if event.state != "runs"
        ],
        "error": str(error) if error else None,
        "failures": [
            {
                "host": failure.host,
                "step": failure.step,
                "problem": failure.problem,
                "command": failure.command,
                "output": failure.output,
            }
            for failure in failures
        ],
    }


def status_table(found: Sequence[Status]) -> Table:
    """How hosts are."""
    table = Table(box=None, pad_edge=False)
    for name in ("host", "serves", "since", "processes", "releases", "remarks"):
        table.add_column(name)
    for one in found:
        running = one.running or {}
        processes = ", ".join(f"{n} {name}" for name, n in running.get("processes", {}).items())
        table.add_row(
            escape(one.host),
            running.get("release") or "nothing",
            running.get("since", ""),
            processes,
            str(len(one.releases)),
            escape("; ".join(_remarks(one))),
        )
    return table


def _remarks(status: Status) -> Iterator[str]:
    if status.problem:
        yield status.problem
        return
    if status.running is None:
        yield "no supervisor runs: deploy bootstrap starts it"
    elif status.running.get("changed"):
        yield "its environment has changed: deploy again, and it is read"
    if status.locked:
        yield f"locked by {status.locked}"


def _lines(failure: StepFailedError) -> Iterator[Text]:
    yield Text.assemble((f"{failure.host}: {failure.step}: ", "bold red"), failure.problem)
    if failure.command:
        yield Text(f"  $ {failure.command}", style="dim")
    for line in failure.output.splitlines()[-30:]:
        yield Text(f"  {line}")
