"""``quartpatterns parity``: compare the responses of two applications."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console

from quartpatterns.cli.errors import UsageProblem
from quartpatterns.cli.selection import select, selection_options
from quartpatterns.compare.case import Comparison, Transport
from quartpatterns.compare.parity import ParityResult, run_comparison
from quartpatterns.compare.parity_report import as_data, render

__all__ = ["command"]

EPILOG = """
\b
A file for --requests:
  [[case]]
  name = "log in"
  [[case.step]]
  path = "/login"
  method = "POST"
  form = { username = "admin", password = "secret" }
  [[case.step]]
  path = "/"
  compare = "html"          # or text (every byte), json, ignore
\b
  [[case.differs]]          # an intended difference
  aspect = "header:cache-control"
  original = "no-cache"
  port = "public, max-age=43200"
  reason = "static files are cached for 12 hours"
  step = 1
\b
Exit code: 0 if all responses are equal or differ as declared, 1 if not, 2 for a usage error.
"""


@click.command(epilog=EPILOG)
@selection_options
@click.option("--wire", is_flag=True, help="Use real servers: gunicorn and Hypercorn.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-v", "--verbose", is_flag=True, help="Show declared differences and the log.")
@click.option(
    "--table",
    is_flag=True,
    help="Only with subclassing: show where Flask, Quart and FaithfulQuart differ.",
)
@click.option(
    "--config-keys",
    is_flag=True,
    help="Only with subclassing: show the effect of each configuration key of Flask.",
)
def command(
    wire: bool, as_json: bool, verbose: bool, table: bool, config_keys: bool, **selection: Any
) -> None:
    """Send the same requests to a Flask original and its Quart port, and compare the responses.

    PATTERN is a pattern of this project; by default all are compared. To compare two applications
    of your own, use --flask and --quart. The requests are those in a file (--requests or --har), or
    one GET request for every URL rule without arguments.
    """
    if table:
        _print_table(selection["patterns"], as_json=as_json)
        return
    if config_keys:
        _print_config_keys(selection["patterns"], as_json=as_json)
        return
    if not verbose:
        # Flask and Quart only add a handler of their own if the root logger has none. The report
        # shows the exceptions of views.
        logging.getLogger().addHandler(logging.NullHandler())
    transport: Transport = "on the wire" if wire else "in process"
    results = asyncio.run(_run(select(**selection), transport))
    data = as_data(results, transport)
    if as_json:
        click.echo(json.dumps(data, indent=2, default=str))
    else:
        Console().print(render(results, transport, verbose=verbose))
    sys.exit(0 if data["passed"] else 1)


def _print_table(patterns: Sequence[str], *, as_json: bool) -> None:
    """Print where Quart differs from Flask, measured now, as Markdown or JSON."""
    if list(patterns) != ["subclassing"]:
        raise UsageProblem("--table only works with subclassing: parity subclassing --table")
    from quartpatterns.subclassing.example import differences

    with warnings.catch_warnings(), Console(stderr=True).status("running all applications"):
        # Quart does not await some coroutines; the table shows it.
        warnings.simplefilter("ignore", RuntimeWarning)
        measurements = differences.main()
    data = [dataclasses.asdict(measured) for measured in measurements]
    click.echo(json.dumps(data, indent=2) if as_json else differences.markdown(measurements))


def _print_config_keys(patterns: Sequence[str], *, as_json: bool) -> None:
    """Print the effects of Flask's configuration keys, measured now, as Markdown or JSON."""
    if list(patterns) != ["subclassing"]:
        raise UsageProblem(
            "--config-keys only works with subclassing: parity subclassing --config-keys"
        )
    from quartpatterns.subclassing.example import config_keys

    with Console(stderr=True).status("running all applications"):
        effects = config_keys.main()
    data = [dataclasses.asdict(effect) for effect in effects]
    click.echo(json.dumps(data, indent=2) if as_json else config_keys.markdown(effects))


async def _run(
    comparisons: Sequence[Comparison], transport: Transport
) -> dict[str, list[ParityResult]]:
    all_results: dict[str, list[ParityResult]] = {}
    for comparison in comparisons:
        all_results[comparison.name] = results = []
        with Console(stderr=True).status("") as status:
            async for result in run_comparison(comparison, transport):
                results.append(result)
                progress = f"{len(results)} of {len(comparison.cases)} cases"
                status.update(f"{comparison.name}: {progress}")
    return all_results
