"""``quartpatterns bench``: what does a port cost, and what does its original?"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from quartpatterns.cli.errors import UsageProblem
from quartpatterns.cli.selection import select, selection_options
from quartpatterns.compare.bench import bench, estimate
from quartpatterns.compare.bench_report import as_data, render
from quartpatterns.compare.choice import choose
from quartpatterns.compare.load import wrk_program
from quartpatterns.compare.measurement import Outcome, Settings
from quartpatterns.compare.server_commands import ASGI_SERVERS, WSGI_SERVERS, ensure_installed
from quartpatterns.compare.subject import Subject

__all__ = ["command"]

DEFAULTS = Settings()
SERVERS = (*WSGI_SERVERS, *ASGI_SERVERS)
PLOT = click.Path(dir_okay=False, writable=True, path_type=Path)
WIDTH = 100  # of a table that goes into a file or a pipe
EPILOG = """
Each case must pass the comparison (quartpatterns parity) before it is measured. By default it is
one GET a check; sessions of several requests are not measured.

Exit code: 0 where all was measured, 1 where the sides differ or load brought errors, 2 for a
wrong call or a missing tool.
"""
NUMBER = click.IntRange(min=1)


def number(name: str, default: int | None, text: str) -> Callable[[Any], Any]:
    """An option that takes a number from 1 on."""
    return click.option(name, type=NUMBER, default=default, show_default=True, help=text)


def server(name: str, servers: Sequence[str], default: str, text: str) -> Callable[[Any], Any]:
    """An option that takes one of *servers*."""
    choice = click.Choice(servers)
    return click.option(name, type=choice, default=default, show_default=True, help=text)


@click.command(epilog=EPILOG)
@selection_options
@click.option("--case", "cases", multiple=True, metavar="NAME", help="Only this; * and ? match.")
@click.option("--in-process", is_flag=True, help="CPU time only, without servers and load.")
@number("--seconds", DEFAULTS.seconds, "Length of a run.")
@number("--runs", DEFAULTS.runs, "Runs for each side.")
@number("--connections", DEFAULTS.connections, "Connections that wrk keeps busy.")
@number("--workers", DEFAULTS.workers, "Workers of each server.")
@number("--threads", None, "Threads of a gthread or granian-wsgi worker; as many as connections.")
@server("--original-server", SERVERS, DEFAULTS.original_server, "Serves the original.")
@server("--port-server", ASGI_SERVERS, DEFAULTS.port_server, "Serves the port.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.option("--plot", type=PLOT, metavar="FILE.svg", help="Draw a picture too.")
@click.option("-v", "--verbose", is_flag=True, help="Show what the applications log.")
def command(
    patterns: tuple[str, ...],
    flask: str | None,
    quart: str | None,
    requests: Path | None,
    har: Path | None,
    cases: tuple[str, ...],
    in_process: bool,
    threads: int | None,
    as_json: bool,
    plot: Path | None,
    verbose: bool,
    **given: Any,
) -> None:
    """Measure a Quart port against its Flask original: in process, and behind servers.

    PATTERN is one of this project's (all that are built, by default). With --flask and --quart it
    is two applications of yours: every GET rule without arguments, or what a file says. Both may
    speak ASGI: --original-server hypercorn compares two ports.
    """
    settings = Settings(served=not in_process, threads=threads or given["connections"], **given)
    _ensure_ready(settings, plot)
    if not verbose:
        # With a handler on the root, Flask and Quart add none of their own.
        logging.getLogger().addHandler(logging.NullHandler())
    outcome = _measure(select(patterns, flask, quart, requests, har), cases, settings)
    if plot and outcome.measured:
        _draw(outcome, plot)
    if as_json:
        click.echo(json.dumps(as_data(outcome), indent=2))
    else:
        Console(width=None if sys.stdout.isatty() else WIDTH).print(render(outcome))
    sys.exit(0 if outcome.passed else 1)


def _ensure_ready(settings: Settings, plot: Path | None) -> None:
    """Find out what is missing before minutes have gone by."""
    if settings.served:
        wrk_program()
        ensure_installed(settings.original_server)
        ensure_installed(settings.port_server)
    if plot:
        importlib.import_module("matplotlib")
        if not plot.parent.is_dir():
            raise UsageProblem(f"--plot {plot}: there is no folder {plot.parent}")


def _measure(subjects: Sequence[Subject], cases: Sequence[str], settings: Settings) -> Outcome:
    chosen, skipped = choose(subjects, cases)
    count = sum(len(one.cases) for one in chosen)
    seconds = round(estimate(chosen, settings))
    duration = f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"
    _tell(f"{count} case(s), about {duration}")
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(bench(chosen, settings, skipped=skipped, progress=_tell))


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop, as in hypercorn.toml, where it is installed."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module(
        "uvloop"
    ).new_event_loop
    return factory


def _draw(outcome: Outcome, file: Path) -> None:
    from quartpatterns.compare.bench_plot import write_plot  # a second of import, for --plot only

    try:
        write_plot(outcome, file)
    except OSError as error:
        raise UsageProblem(f"--plot {file}: {error.strerror}") from error
