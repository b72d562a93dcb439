"""Report errors of the user as one line that names the remedy, with the exit code 2."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import click

__all__ = ["UsageProblem", "report_user_errors"]

# The extra that installs a module which a command imports.
EXTRAS = {
    "alembic": "sqlalchemy",
    "arq": "tasks",
    "asyncssh": "deployment",
    "celery": "originals",
    "flask_sqlalchemy": "originals",
    "httpx": "compare",
    "markdown_it": "gallery",
    "matplotlib": "bench",
    "msgspec": "compare",
    "psutil": "compare",
    "pygments": "gallery",
    "redis": "tasks",
    "rich": "compare",
    "sqlalchemy": "sqlalchemy",
}


class UsageProblem(click.ClickException):
    """An error that the user can correct; exit code 2."""

    exit_code = 2


def explain(error: BaseException) -> str | None:
    """Return the message for an error that the user can correct, or ``None`` for any other.

    These are the errors of this package, and libraries that are not installed.
    """
    if isinstance(error, click.ClickException):
        return error.message
    if type(error).__module__.startswith("quartpatterns."):
        return str(error)
    name = (error.name or "") if isinstance(error, ImportError) else ""
    package = name.partition(".")[0]
    if package in EXTRAS:
        return f"{package} is not installed: pip install 'quartpatterns[{EXTRAS[package]}]'"
    return None


@contextlib.contextmanager
def report_user_errors() -> Iterator[None]:
    """Raise :exc:`UsageProblem` for every error that :func:`explain` explains."""
    try:
        yield
    except click.ClickException:
        raise
    except Exception as error:
        message = explain(error)
        if message is None:
            raise
        raise UsageProblem(message) from error
