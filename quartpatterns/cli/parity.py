"""``quartpatterns parity``: compare the responses of two applications."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from quartpatterns import catalog
from quartpatterns.cli.errors import UsageProblem
from quartpatterns.cli.groups import SuggestingChoice
from quartpatterns.cli.parity_run import found_cases, run, show
from quartpatterns.cli.progress import progress
from quartpatterns.cli.selection import FILE, explore, selection_options
from quartpatterns.compare import extension_names
from quartpatterns.compare.case import Transport
from quartpatterns.compare.extension_names import Extension
from quartpatterns.compare.servers import ASGI_SERVERS, ASGIServer, ensure_installed

__all__ = ["command"]

EPILOG = """
\b
A pattern, or all of them:
  quartpatterns parity streaming
  quartpatterns parity --wire
  quartpatterns parity --wire --server granian   # or uvicorn
\b
Two applications of your own. The command requests every GET rule without arguments, and follows
the links in the responses. It lists the rules and methods that no request reached:
  quartpatterns parity --flask old:app --quart new:create_app
\b
Rules with arguments, such as /users/<int:id>, get values from a file:
  quartpatterns parity --flask old:app --quart new:app --values values.toml
    [arguments]
    id = [1, 99]                   # one request for each
    [rules."/users/<name>"]        # only for this rule
    name = "ada"
    [fields]                       # for --forms
    email = "ada@example.com"
\b
Each form of the pages is sent with its fields and without them. This changes data, so use a
database for tests:
  quartpatterns parity --flask old:app --quart new:app --forms
\b
Your own requests, to two applications or to a pattern:
  quartpatterns parity --flask old:app --quart new:app --requests cases.toml
  quartpatterns parity wtforms --requests cases.toml
    [[case]]
    name = "log in"
    [[case.step]]
    path = "/login"
    method = "POST"
    form = { username = "admin", password = "secret" }
    [[case.step]]
    path = "/"
    compare = "html"               # or text (every byte), json
    [[case.differs]]               # an intended difference
    aspect = "header:cache-control"
    original = "no-cache"
    port = "public, max-age=43200"
    reason = "static files are cached for 12 hours"
    step = 1
\b
Requests that a browser or a proxy recorded ("Save all as HAR" in its network tools):
  quartpatterns parity --flask old:app --quart new:app --har shop.har
\b
List the changes of the port that the requests do not notice. A file has reasons for some:
  quartpatterns parity --flask old:app --quart new:app --mutate --survivors survivors.toml
    [[survivor]]
    file = "shop/new.py"
    line = "if name not in PRICES:"          # the text of the line
    change = "name not in PRICES -> False"   # as the report shows it
    reason = "Why no response shows this change."
\b
Exit code: 0 if all responses are equal or differ as declared, 1 if not, 2 for a usage error or if
something could not be run. With --mutate: 0 if each change is noticed or has a reason, 1 if not,
2 also if the cases fail on the unchanged port at the end.
"""


@click.command(epilog=EPILOG)
@selection_options
@click.option(
    "--values", type=FILE, help="With --flask and --quart: a TOML file with values for URL rules."
)
@click.option(
    "--forms",
    is_flag=True,
    help="With --flask and --quart: send the forms of the pages. This changes data.",
)
@click.option("--wire", is_flag=True, help="Use real servers: gunicorn, and one for the port.")
@click.option(
    "--server",
    type=SuggestingChoice(ASGI_SERVERS),
    default="hypercorn",
    show_default=True,
    help="With --wire: the server of the port.",
)
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
@click.option(
    "--mutate",
    is_flag=True,
    help="Change the port in one place at a time, and list the changes that no case notices.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=os.cpu_count() or 1,
    help="With --mutate: how many changes are tested at the same time; default: one per CPU.",
)
@click.option(
    "--survivors",
    type=FILE,
    help="With --mutate: a TOML file with the reasons why a change cannot be noticed.",
)
def command(
    wire: bool,
    server: ASGIServer,
    as_json: bool,
    verbose: bool,
    table: bool,
    names: bool,
    config_keys: bool,
    extension: bool,
    values: Path | None,
    forms: bool,
    mutate: bool,
    jobs: int,
    survivors: Path | None,
    **selection: Any,
) -> None:
    """Send the same requests to a Flask original and its Quart port, and compare the responses.

    PATTERN is a pattern of this project; by default all are compared. To compare two applications
    of your own, use --flask and --quart. The requests are those in a file (--requests or --har).
    Without a file, each URL rule gets a GET request. Rules with arguments need --values.

    --mutate shows what the requests do not test: it changes the port in one place at a time, and
    lists the changes after which no response differs.
    """
    reports = {"--table": table, "--names": names, "--config-keys": config_keys}
    reports["--extension"] = extension
    _check_options([name for name, given in reports.items() if given], mutate=mutate, wire=wire)
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
    selected = explore(**selection, values=values, forms=forms)
    if mutate:
        if wire:
            raise UsageProblem("--mutate runs in process: leave out --wire")
        from quartpatterns.cli.parity_mutate import mutate as run_mutate

        for note in selected.notes:
            click.echo(note, err=True)
        exit_code = run_mutate(
            found_cases(selected),
            selected.not_run,
            jobs=jobs,
            survivors=survivors,
            as_json=as_json,
            verbose=verbose,
        )
        sys.exit(exit_code)
    transport: Transport = "on the wire" if wire else "in process"
    if wire:
        ensure_installed(server)
    outcome = run(selected, transport, server)
    show(outcome, selected, transport, server, as_json=as_json, verbose=verbose)
    sys.exit(outcome.exit_code)


def _check_options(reports: Sequence[str], *, mutate: bool, wire: bool) -> None:
    """Raise :exc:`UsageProblem` if an option would have no effect.

    Arguments:
        reports: The given options that print something else than a comparison.
        mutate: Whether ``--mutate`` is given.
        wire: Whether ``--wire`` is given.
    """
    context = click.get_current_context()
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if isinstance(parameter, click.Option)
        and parameter.name
        and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    ]
    for option in ("--jobs", "--survivors"):
        if option in given and not mutate:
            raise UsageProblem(f"{option} needs --mutate")
    if "--server" in given and not wire:
        raise UsageProblem("--server needs --wire")
    others = [option for option in given if option not in (*reports[:1], "--json")]
    if reports and others:
        raise UsageProblem(f"{reports[0]} runs no comparison: leave out {', '.join(others)}")


def _print_table(patterns: Sequence[str], *, as_json: bool) -> None:
    """Print where Quart differs from Flask, measured now, as Markdown or JSON."""
    if list(patterns) != ["subclassing"]:
        raise UsageProblem("--table only works with subclassing: parity subclassing --table")
    from quartpatterns.subclassing.example import differences

    with warnings.catch_warnings(), progress("running all applications"):
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

    with progress("comparing the names of Flask and Quart"):
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

    with progress("running all applications"):
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
