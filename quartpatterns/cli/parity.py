"""``quartpatterns parity``: compare the responses of two applications."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import importlib.util
import json
import logging
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console

from quartpatterns import catalog
from quartpatterns.cli.errors import UsageProblem
from quartpatterns.cli.selection import select, selection_options
from quartpatterns.compare import extension_names
from quartpatterns.compare.case import Comparison, Transport
from quartpatterns.compare.extension_names import Extension
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
    "--names",
    is_flag=True,
    help="Only with subclassing: show which public names of Flask are missing or differ.",
)
@click.option(
    "--config-keys",
    is_flag=True,
    help="Only with subclassing: show the effect of each configuration key of Flask.",
)
@click.option(
    "--extension",
    is_flag=True,
    help="Only with one pattern that replaces a Flask extension: show what becomes of its names.",
)
def command(
    wire: bool,
    as_json: bool,
    verbose: bool,
    table: bool,
    names: bool,
    config_keys: bool,
    extension: bool,
    **selection: Any,
) -> None:
    """Send the same requests to a Flask original and its Quart port, and compare the responses.

    PATTERN is a pattern of this project; by default all are compared. To compare two applications
    of your own, use --flask and --quart. The requests are those in a file (--requests or --har), or
    one GET request for every URL rule without arguments.
    """
    if table:
        _print_table(selection["patterns"], as_json=as_json)
        return
    if names:
        _print_names(selection["patterns"], as_json=as_json)
        return
    if config_keys:
        _print_config_keys(selection["patterns"], as_json=as_json)
        return
    if extension:
        _print_extension(selection["patterns"], as_json=as_json)
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


def _print_names(patterns: Sequence[str], *, as_json: bool) -> None:
    """Print the public names of Flask that are missing or differ, as Markdown or JSON."""
    if list(patterns) != ["subclassing"]:
        raise UsageProblem("--names only works with subclassing: parity subclassing --names")
    from quartpatterns.subclassing.example import api_names

    differences = list(api_names.compare())
    if as_json:
        data = [
            dataclasses.asdict(each) | {"reason": api_names.reason(each)} for each in differences
        ]
        click.echo(json.dumps(data, indent=2))
    else:
        click.echo(api_names.markdown(differences))


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


def _print_extension(patterns: Sequence[str], *, as_json: bool) -> None:
    """Print what becomes of the names of the Flask extension that a pattern replaces."""
    module: Any = None
    if len(patterns) == 1 and any(known.name == patterns[0] for known in catalog.PATTERNS):
        name = f"quartpatterns.{patterns[0]}.example.extension_names"
        if importlib.util.find_spec(name) is not None:
            module = importlib.import_module(name)
    if module is None:
        raise UsageProblem(
            "--extension needs one pattern that replaces a Flask extension:"
            " parity caching --extension"
        )
    extension: Extension = module.EXTENSION
    counts = extension_names.summary(extension)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(extension) | {"counts": counts}, indent=2))
    else:
        click.echo(extension_names.markdown(extension))
        click.echo("\n" + ", ".join(f"{count} {state}" for state, count in counts.items()))


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
