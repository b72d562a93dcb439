"""``quartpatterns port``: move a Flask project and its tests to Quart."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from quartpatterns.cli.errors import UsageProblem
from quartpatterns.cli.groups import SuggestingChoice
from quartpatterns.cli.port_parity import compare_responses
from quartpatterns.porting import MOVES, STAGES, Plan, make_plan, refuse_uncommitted, write
from quartpatterns.porting.oracle import run_before, run_ported
from quartpatterns.porting.report import as_html, as_json, as_text

__all__ = ["command"]

EPILOG = """
\b
Look first. Nothing is written without --write:
  quartpatterns port shop                       what changes, and what is left to you
  quartpatterns port shop --diff                the changes
  quartpatterns port shop --run "pytest -q"     the tests before and after, in a copy
  quartpatterns port shop --write               change the files
  quartpatterns port shop --check               exit code 1 if something is left to do
  quartpatterns port shop --only shop.admin     first the views of one module
\b
Stages:
  modernise   names that Flask 3.1, Werkzeug and extensions have removed
  serve       modernise, and asgi.py: Flask runs unchanged, in threads, beside new routes.
              With --greenlets on the event loop, where SQLAlchemy waits without a thread
  async       modernise, and the move: imports, views, hooks, decorators, tests, await
  data        async, and what waits for data: databases, caches, tasks, requests, time.sleep
\b
Kinds of places that are left to you:
  breaks      does not work until you change it
  blocks      works, and stops all other requests while it waits
  differs     may behave in another way
  skipped     a file that cannot be read, and stays as it is
  missed      a place that fails in the tests of --run, and that nothing above names
\b
In a git repository with uncommitted changes, --write needs --force. Then, without git, and if git
ignores a file that changes, the files from before are kept in before-port.zip.
--only MODULE, --only PACKAGE and --only ROUTE select views. The whole project runs on Quart, and
what has to be awaited is awaited everywhere. Other views stay synchronous and run in threads, if
they await nothing and use neither g nor sqlite3, which must stay in one thread.
If the tests of --run pass in the stages async and data, each GET route without arguments is
requested before and after the port. Differences are printed, and the exit code is 1. The requests
reach your databases and services, like those of the tests; --no-parity leaves them out.
Extensions that no rule knows are reported. --rules adds TOML files like those of this package.
Exit code: 0 for success, 1 if --check finds something to do, the tests of --run fail or responses
differ, 2 if the project cannot be ported.
"""
TIMEOUT = 600.0  # seconds for each run of the tests
MAX_TIMEOUT = 1_000_000
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(epilog=EPILOG)
@click.argument("folder", type=FOLDER, metavar="DIR")
@click.option(
    "--stage",
    type=SuggestingChoice(STAGES),
    default="async",
    show_default=True,
    help="How far to go.",
)
@click.option("--check", is_flag=True, help="Exit with 1 if something is left to do.")
@click.option("--diff", is_flag=True, help="Print the changes instead of the report.")
@click.option("--write", "writes", is_flag=True, help="Write the changes.")
@click.option("--force", is_flag=True, help="Go on with uncommitted changes or failing tests.")
@click.option(
    "--report",
    type=SuggestingChoice(["text", "json", "html"]),
    default="text",
    show_default=True,
    help="The form of the report.",
)
@click.option(
    "--rules",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="A file of rules, or a folder with them; can be repeated.",
)
@click.option(
    "--only",
    metavar="MODULE|ROUTE",
    multiple=True,
    help="Make only these views asynchronous; can be repeated.",
)
@click.option(
    "--tests",
    "test_folders",
    type=click.Path(path_type=Path),
    metavar="DIR",
    multiple=True,
    help="Where the tests are, if they have no usual names; can be repeated.",
)
@click.option(
    "--greenlets",
    is_flag=True,
    help="In the stage serve: Flask in greenlets, for applications that wait for SQLAlchemy.",
)
@click.option("--run", "tests", metavar="COMMAND", help="Run the tests before and after.")
@click.option("--no-parity", is_flag=True, help="With --run: compare no responses.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    help=f"Seconds for each run of the tests.  [default: {TIMEOUT:g}]",
)
def command(
    folder: Path,
    stage: str,
    check: bool,
    diff: bool,
    writes: bool,
    force: bool,
    report: str,
    rules: tuple[Path, ...],
    only: tuple[str, ...],
    greenlets: bool,
    test_folders: tuple[Path, ...],
    tests: str | None,
    no_parity: bool,
    timeout: float | None,
) -> None:
    """Move the Flask project in DIR, and its tests, to Quart.

    Without --write this prints what would change, and what is left to you.
    """
    if diff and report != "text":
        raise UsageProblem("--diff prints no report: leave out --report")
    if check and writes:
        raise UsageProblem("give one of --check and --write")
    if timeout is not None and tests is None:
        raise UsageProblem("--timeout is for the tests of --run: add --run, or leave it out")
    if force and not writes and tests is None:
        raise UsageProblem("--force is for --write and --run: add one of them, or leave it out")
    if timeout is not None and not timeout <= MAX_TIMEOUT:  # also false for NaN
        raise UsageProblem(f"--timeout is at most {MAX_TIMEOUT:g} seconds")
    if no_parity and stage not in MOVES:
        raise UsageProblem(f"--no-parity is for the stages {' and '.join(MOVES)}, not for {stage}")
    if no_parity and tests is None:
        raise UsageProblem("--no-parity is for --run: add it, or leave it out")
    plan = make_plan(folder, stage, rules, tests=test_folders, only=only, greenlets=greenlets)
    passed = True
    if writes and plan.changes and not force:
        refuse_uncommitted(plan.folder)  # before the tests, which can take long
    if tests is not None:
        plan, passed = _run_tests(plan, tests, timeout or TIMEOUT, force=force)
        if passed and stage in MOVES and not no_parity:
            passed = compare_responses(plan)
    if diff:
        for change in plan.changes:
            click.echo(change.patch(), nl=False)
    elif report == "json":
        click.echo(as_json(plan))
    elif report == "html":
        click.echo(as_html(plan), nl=False)
    else:
        click.echo("\n".join(as_text(plan)))
    if writes and (passed or force):
        _write(plan, force=force)
    elif writes:
        click.echo(
            "Nothing is written, because tests fail, find missed places, or responses differ."
            " --force writes.",
            err=True,
        )
    if not passed or (check and not plan.is_done):
        sys.exit(1)


def _run_tests(plan: Plan, tests: str, timeout: float, *, force: bool) -> tuple[Plan, bool]:
    click.echo("Running the tests before the port.", err=True)
    before = run_before(plan.folder, tests, timeout)
    click.echo(f"Before: {before.summary}", err=True)
    if before.code and not force:
        raise UsageProblem(
            f"the tests fail before the port (exit code {before.code}): correct them, or use"
            f" --force. The last lines:\n{before.end}"
        )
    click.echo("Running the tests after the port, in a copy.", err=True)
    after, missed = run_ported(plan, tests, timeout)
    click.echo(f"After: {after.summary}", err=True)
    fails = any(each.kind == "missed" for each in missed)
    if after.code and not fails:
        click.echo(after.end, err=True)
    if after.hides_warnings:
        click.echo(
            "pytest hides its warnings, which say where an await is missing: run it without"
            " --disable-warnings",
            err=True,
        )
    if after.passed < before.passed:
        click.echo(f"{before.passed} tests passed before, and {after.passed} pass now.", err=True)
        return plan.with_findings(missed), False
    return plan.with_findings(missed), after.code == 0 and not fails


def _write(plan: Plan, *, force: bool) -> None:
    if not plan.changes:
        click.echo("Nothing to write.", err=True)
        return
    backup = write(plan, force=force)
    way_back = (
        f"The files from before are in {backup}." if backup else "git has the files from before."
    )
    click.echo(f"{len(plan.changes)} files are written. {way_back}", err=True)
