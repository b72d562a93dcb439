"""``quartpatterns bench``: compare the speed of two applications."""

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
from quartpatterns.compare.bench import bench, estimated_seconds, select_cases
from quartpatterns.compare.bench_report import as_data, render
from quartpatterns.compare.bench_results import BenchmarkResult, BenchmarkSettings
from quartpatterns.compare.case import Comparison
from quartpatterns.compare.load_test import wrk_program
from quartpatterns.compare.servers import ASGI_SERVERS, WSGI_SERVERS, ensure_installed

__all__ = ["command"]

DEFAULTS = BenchmarkSettings()
WIDTH = 100  # of a table that is written to a file or a pipe
EPILOG = """
Each case must pass the comparison (quartpatterns parity) before it is measured. By default the
first GET of each check is measured; sessions of several requests cannot be measured.

Exit code: 0 if everything was measured, 1 if responses differ or there were errors under load, 2
for a usage error or a missing tool.
"""


def number(name: str, default: int | None, text: str) -> Callable[[Any], Any]:
    """Return an option for a number of at least 1."""
    return click.option(
        name, type=click.IntRange(min=1), default=default, show_default=True, help=text
    )


def server(name: str, servers: Sequence[str], default: str, text: str) -> Callable[[Any], Any]:
    """Return an option for one of *servers*."""
    choice = click.Choice(servers)
    return click.option(name, type=choice, default=default, show_default=True, help=text)


@click.command(epilog=EPILOG)
@selection_options
@click.option(
    "--case", "names", multiple=True, metavar="NAME", help="Only this case; * and ? are wildcards."
)
@click.option("--in-process", is_flag=True, help="Only CPU time, without servers and load.")
@number("--seconds", DEFAULTS.seconds, "Duration of a run.")
@number("--runs", DEFAULTS.runs, "Runs for each application.")
@number("--connections", DEFAULTS.connections, "Connections of wrk.")
@number("--workers", DEFAULTS.workers, "Workers of each server.")
@number("--threads", None, "Threads of a gthread or granian-wsgi worker; by default --connections.")
@server(
    "--original-server",
    (*WSGI_SERVERS, *ASGI_SERVERS),
    DEFAULTS.original_server,
    "The server of the original.",
)
@server("--port-server", ASGI_SERVERS, DEFAULTS.port_server, "The server of the port.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE.svg",
    help="Also write a chart.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show the logs of the applications.")
def command(
    patterns: tuple[str, ...],
    flask: str | None,
    quart: str | None,
    requests: Path | None,
    har: Path | None,
    har_host: str | None,
    names: tuple[str, ...],
    in_process: bool,
    threads: int | None,
    as_json: bool,
    plot: Path | None,
    verbose: bool,
    **options: Any,
) -> None:
    """Measure a Flask original and its Quart port: in process, and behind servers.

    PATTERN is a pattern of this project; by default all are measured. To measure two applications
    of your own, use --flask and --quart. The requests are those in a file (--requests or --har), or
    one GET request for every URL rule without arguments.

    The original can also be an ASGI application: --original-server hypercorn compares two ports.
    """
    threads = threads or options["connections"]
    settings = BenchmarkSettings(served=not in_process, threads=threads, **options)
    _check_requirements(settings, plot)
    if not verbose:
        # Flask and Quart only add a handler of their own if the root logger has none.
        logging.getLogger().addHandler(logging.NullHandler())
    result = _measure(select(patterns, flask, quart, requests, har, har_host), names, settings)
    if plot and result.cases:
        _draw(result, plot)
    if as_json:
        click.echo(json.dumps(as_data(result), indent=2))
    else:
        Console(width=None if sys.stdout.isatty() else WIDTH).print(render(result))
    sys.exit(0 if result.passed else 1)


def _check_requirements(settings: BenchmarkSettings, plot: Path | None) -> None:
    """Report what is missing before the measurements, which take minutes."""
    if settings.served:
        wrk_program()
        ensure_installed(settings.original_server)
        ensure_installed(settings.port_server)
    if plot:
        importlib.import_module("matplotlib")
        if not plot.parent.is_dir():
            raise UsageProblem(f"--plot {plot}: there is no folder {plot.parent}")


def _measure(
    comparisons: Sequence[Comparison], names: Sequence[str], settings: BenchmarkSettings
) -> BenchmarkResult:
    selections, skipped = select_cases(comparisons, names)
    count = sum(len(selection.cases) for selection in selections)
    seconds = round(estimated_seconds(selections, settings))
    duration = f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"
    _print_progress(f"{count} case(s), about {duration}")
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(bench(selections, settings, skipped=skipped, progress=_print_progress))


def _print_progress(line: str) -> None:
    click.echo(line, err=True)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop, as in hypercorn.toml, if it is installed."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module(
        "uvloop"
    ).new_event_loop
    return factory


def _draw(result: BenchmarkResult, file: Path) -> None:
    from quartpatterns.compare.bench_plot import write_plot  # takes a second to import

    try:
        write_plot(result, file)
    except OSError as error:
        raise UsageProblem(f"--plot {file}: {error.strerror}") from error
