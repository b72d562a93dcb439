"""``quartpatterns bench``: compare the speed of two applications."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from quartpatterns import catalog
from quartpatterns.cli.bench_options import BenchOptions
from quartpatterns.cli.bench_output import (
    print_estimate,
    print_progress,
    run,
    show,
    write_picture,
)
from quartpatterns.cli.errors import UsageProblem
from quartpatterns.cli.groups import SuggestingChoice
from quartpatterns.cli.pattern_texts import cases
from quartpatterns.cli.selection import select, selection_options
from quartpatterns.compare.bench import bench, estimated_seconds
from quartpatterns.compare.bench_report import as_data, render
from quartpatterns.compare.bench_results import BenchmarkSettings
from quartpatterns.compare.bench_selection import select_cases
from quartpatterns.compare.servers import ASGI_SERVERS, WSGI_SERVERS, ensure_installed
from quartpatterns.compare.wrk import wrk_program

__all__ = ["command"]

DEFAULTS = BenchmarkSettings()
EPILOG = """
\b
  quartpatterns bench streaming --in-process       CPU time of each case
  quartpatterns bench streaming --case large.csv   behind gunicorn and Hypercorn, with load
  quartpatterns bench --flask old:app --quart new:app --port-server granian
  quartpatterns bench --summary --plot speed.svg   means, wins and losses of all patterns

Each case must pass the comparison (quartpatterns parity) before it is measured. By default the
first GET of each check is measured; sessions of several requests cannot be measured.

The page docs/benchmark.md explains how to read the results.

Exit code: 0 if everything was measured, 1 if responses differ or there were errors under load, 2
for a usage error or a missing tool.
"""
MODES = {
    "summary": "quartpatterns.cli.bench_summary",
    "waiting": "quartpatterns.cli.bench_waiting",
    "growth": "quartpatterns.cli.bench_growth",
}
"""The options that measure something else, each with the module that does it."""


def complete_case(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the cases of the patterns in the arguments, by default of all, for a shell."""
    patterns = ctx.params.get("patterns") or [pattern.name for pattern in catalog.PATTERNS]
    found: dict[str, str] = {}
    for pattern in patterns:
        for case in cases(catalog.get(pattern))[0]:
            found.setdefault(case["name"], pattern)
    return [
        CompletionItem(name, help=pattern)
        for name, pattern in found.items()
        if name.startswith(incomplete)
    ]


def number(name: str, text: str) -> Callable[[Any], Any]:
    """Return an option for a number of at least 1."""
    return click.option(name, type=click.IntRange(min=1), help=text)


def server(name: str, servers: Sequence[str], default: str, text: str) -> Callable[[Any], Any]:
    """Return an option for one of *servers*."""
    choice = SuggestingChoice(servers)
    return click.option(name, type=choice, default=default, show_default=True, help=text)


def file(name: str, metavar: str, text: str, *names: str, **options: Any) -> Callable[[Any], Any]:
    """Return an option for a file; *names* are those of its value."""
    path = click.Path(dir_okay=False, path_type=Path)
    return click.option(name, *names, type=path, metavar=metavar, help=text, **options)


@click.command(epilog=EPILOG)
@selection_options
@click.option(
    "--case",
    "names",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_case,
    help="Only this case; * and ? are wildcards.",
)
@click.option("--in-process", is_flag=True, help="Only CPU time, without servers and load.")
@click.option(
    "--summary",
    is_flag=True,
    help="Means, wins and losses for each pattern, behind several servers.",
)
@click.option(
    "--waiting",
    is_flag=True,
    help="Requests that wait: for time, another server, a query; idle streams; jobs.",
)
@click.option(
    "--growth",
    is_flag=True,
    help="How time and memory grow with rows, file size and connections.",
)
@number("--seconds", "Duration of a run; by default 3, and 1 with --summary.")
@number("--runs", "Runs for each application; by default 3.")
@number("--connections", "Connections of wrk; by default 16, and 200 with --waiting.")
@number("--workers", "Workers of each server; by default 1.")
@number(
    "--threads",
    "Threads of a gthread or granian-wsgi worker; by default --connections, and 16 with --waiting"
    " and --growth.",
)
@server(
    "--original-server",
    (*WSGI_SERVERS, *ASGI_SERVERS),
    DEFAULTS.original_server,
    "The server of the original.",
)
@server("--port-server", ASGI_SERVERS, DEFAULTS.port_server, "The server of the port.")
@click.option(
    "--pairing",
    "pairings",
    multiple=True,
    metavar="ORIGINAL:PORT",
    help="With --summary: two servers; repeat it for several pairings.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@file(
    "--from",
    "FILE.json",
    "With --summary, --waiting or --growth: show this JSON instead of measuring.",
    "read",
    multiple=True,
)
@file("--write", "FILE.md", "With the same: also write the table to its place in the file.")
@file("--plot", "FILE.svg", "Also write a chart.")
@click.option("-v", "--verbose", is_flag=True, help="Show the logs of the applications.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    summary: bool,
    waiting: bool,
    growth: bool,
    verbose: bool,
    **values: Any,
) -> None:
    """Measure a Flask original and its Quart port: in process, and behind servers.

    PATTERN is a pattern of this project; by default all are measured. To measure two applications
    of your own, use --flask and --quart. The requests are those in a file (--requests or --har), or
    one GET request for every URL rule without arguments.

    The original can also be an ASGI application: --original-server hypercorn compares two ports.

    --summary, --waiting and --growth each measure something else, and need no PATTERN.
    """
    given = frozenset(
        name
        for name in ctx.params
        if ctx.get_parameter_source(name) not in (ParameterSource.DEFAULT, None)
    )
    options = BenchOptions(given=given, **values)
    if not verbose:
        # Flask and Quart only add a handler of their own if the root logger has none.
        logging.getLogger().addHandler(logging.NullHandler())
    modes = [name for name in MODES if name in given]
    if len(modes) > 1:
        raise UsageProblem(f"give one of --{' and --'.join(modes)}")
    options.check_files()
    if modes:
        passed = importlib.import_module(MODES[modes[0]]).run_mode(options)
    else:
        passed = _run(options)
    sys.exit(0 if passed else 1)


def _run(options: BenchOptions) -> bool:
    """Measure original and port behind one server each; return whether all cases passed."""
    options.refuse("pairings", "read", "write", instead="--summary, --waiting or --growth")
    options.refuse_load_in_process()
    connections = options.connections or DEFAULTS.connections
    settings = BenchmarkSettings(
        served=not options.in_process,
        original_server=options.original_server,
        port_server=options.port_server,
        workers=options.workers or DEFAULTS.workers,
        threads=options.threads or connections,
        connections=connections,
        seconds=options.seconds or DEFAULTS.seconds,
        runs=options.runs or DEFAULTS.runs,
    )
    if settings.served:
        wrk_program()
        ensure_installed(settings.original_server)
        ensure_installed(settings.port_server)
    selections, skipped = select_cases(select(*options.selection), options.names)
    count = sum(len(selection.cases) for selection in selections)
    print_estimate(f"{count} case(s)", estimated_seconds(selections, settings))
    result = run(bench(selections, settings, skipped=skipped, progress=print_progress))
    show([render(result)], as_data(result), as_json=options.as_json)
    if options.plot and result.cases:
        from quartpatterns.compare.bench_plot import plot  # takes a second to import

        write_picture(options.plot, lambda: plot(result))
    return result.passed
