"""``quartpatterns parity``: do two applications answer alike?"""

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
from quartpatterns.compare.parity import Result, Transport
from quartpatterns.compare.parity_report import as_data, render
from quartpatterns.compare.subject import Subject, compare_subject

__all__ = ["command"]

EPILOG = """
\b
A file of requests, for --requests:
  [[case]]
  name = "log in, and see the page"
  [[case.step]]
  path = "/login"
  method = "POST"
  form = { username = "admin", password = "secret" }
  [[case.step]]
  path = "/"
  compare = "html"          # or text (to the byte), json, ignore
\b
  [[case.differs]]          # a difference that is meant
  aspect = "header:cache-control"
  original = "no-cache"
  port = "public, max-age=43200"
  reason = "static files may be kept for half a day"
  step = 1
\b
Exit code: 0 where all answers are alike or declared, 1 where one is not, 2 for a wrong call.
"""


@click.command(epilog=EPILOG)
@selection_options
@click.option("--wire", is_flag=True, help="Ask real servers: gunicorn and Hypercorn.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.option("-v", "--verbose", is_flag=True, help="Show declared differences, and the log.")
@click.option(
    "--table",
    is_flag=True,
    help="With subclassing alone: ask Flask, Quart and FaithfulQuart where they differ.",
)
def command(wire: bool, as_json: bool, verbose: bool, table: bool, **selection: Any) -> None:
    """Send the same requests to a Flask original and its Quart port, and compare the answers.

    PATTERN is one of this project's (all that are built, by default). With --flask and --quart it
    is two applications of yours: every GET rule without arguments is asked, or what a file says.
    """
    if table:
        _print_table(selection["patterns"], as_json=as_json)
        return
    if not verbose:
        # With a handler on the root, Flask and Quart add none of their own: what a view raises is
        # in the report, its traceback need not be.
        logging.getLogger().addHandler(logging.NullHandler())
    transport: Transport = "on the wire" if wire else "in process"
    subjects = select(**selection)
    outcome = asyncio.run(_compare(subjects, transport))
    data = as_data(outcome, transport)
    if as_json:
        click.echo(json.dumps(data, indent=2, default=str))
    else:
        Console().print(render(outcome, transport, verbose=verbose))
    sys.exit(0 if data["passed"] else 1)


def _print_table(patterns: Sequence[str], *, as_json: bool) -> None:
    """The places where Quart answers otherwise, measured now, as Markdown or JSON."""
    if list(patterns) != ["subclassing"]:
        raise UsageProblem("--table goes with the pattern subclassing: parity subclassing --table")
    from quartpatterns.subclassing.example import rows

    with warnings.catch_warnings(), Console(stderr=True).status("asking all three"):
        # What Quart leaves unawaited is in the table.
        warnings.simplefilter("ignore", RuntimeWarning)
        lines = rows.main()
    click.echo(
        json.dumps([dataclasses.asdict(line) for line in lines], indent=2)
        if as_json
        else rows.markdown(lines)
    )


async def _compare(subjects: Sequence[Subject], transport: Transport) -> dict[str, list[Result]]:
    outcome: dict[str, list[Result]] = {}
    console = Console(stderr=True)
    for subject in subjects:
        outcome[subject.name] = results = []
        with console.status("") as status:
            async for result in compare_subject(subject, transport):
                results.append(result)
                status.update(f"{subject.name}: {len(results)} of {len(subject.cases)} cases")
    return outcome
