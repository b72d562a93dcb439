"""The end of ``quartpatterns port --run``: compare the responses before and after the port."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from quartpatterns._shared.extras import requires_extra
from quartpatterns.cli.errors import explain
from quartpatterns.porting import FoundApplication, Plan
from quartpatterns.porting.oracle import copied

__all__ = ["compare_responses"]

MOST = 3  # applications that are compared; folders of examples have many


def compare_responses(plan: Plan) -> bool:
    """Print whether the routes are answered alike before and after the port, and return it.

    An application that cannot be found or loaded is named in one line, and is no failure.

    Arguments:
        plan: The port.
    """
    if reason := _reason_not_to(plan):
        _not_compared(reason)
        return True
    return all([_compare_one(plan, application) for application in plan.applications])


def _compare_one(plan: Plan, application: FoundApplication) -> bool:
    name = application.name
    click.echo(f"Comparing the responses of {name} before and after the port.", err=True)
    try:
        return _compare(plan, application)
    except Exception as error:
        reason = explain(error, "compare")
        if reason is None and not isinstance(error, LookupError | OSError):
            raise
        _not_compared((reason or str(error.args[0])).splitlines()[0])
        return True


def _reason_not_to(plan: Plan) -> str:
    if not plan.changes:
        return "the port changes nothing"
    if not plan.applications:
        return "no application and no function create_app() was found"
    if len(plan.applications) > MOST:
        names = ", ".join(each.name for each in plan.applications)
        return f"there are more than {MOST} applications: {names}"
    return ""


def _not_compared(reason: str) -> None:
    click.echo(f"Responses are not compared: {reason}.", err=True)


def _compare(plan: Plan, application: FoundApplication) -> bool:
    with requires_extra("compare", needed_by="the comparison of responses"):
        from quartpatterns.compare.parity_report import failure_text
        from quartpatterns.compare.versions import ApplicationVersion, compare_versions

    def version(folder: Path) -> ApplicationVersion:
        return ApplicationVersion(application.name, folder, folder / application.folder)

    # An old application can only be loaded after it is modernised.
    original = copied(plan.folder, plan.modernised)
    with original as before, copied(plan.folder, plan.changes) as after:
        compared = asyncio.run(compare_versions(version(before), version(after)))
    total = len(compared.equal) + len(compared.different) + len(compared.unstable)
    click.echo(
        f"Responses: {len(compared.equal)} of {total} GET routes without arguments are equal,"
        f" {len(compared.different)} differ.",
        err=True,
    )
    if compared.failing:
        click.echo(
            f"{compared.failing} of the equal ones are errors of the application (status 500 or"
            " more), before and after: it may need data.",
            err=True,
        )
    for result in compared.unstable:
        click.echo(
            f"{result.case.name} is not compared: two processes of the application differ before"
            " the port.",
            err=True,
        )
    if compared.different:
        click.echo(failure_text(compared.different), err=True)
    return not compared.different
