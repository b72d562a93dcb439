"""Report errors of the user as one line that names the remedy, with the exit code 2."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import click

from quartpatterns import catalog
from quartpatterns._shared.extras import (
    distribution,
    install_command,
    missing_libraries,
    requirements,
)

__all__ = [
    "LateProblem",
    "UsageProblem",
    "comparison_extras",
    "ensure_extra",
    "explain",
    "report_user_errors",
]

_COMMAND_EXTRAS = {
    "deploy": "deployment",
    "serve": "gallery",
    "tasks": "tasks",
    "worker": "tasks",
}
"""The extra that installs all that a command needs."""
_PATTERNS = {pattern.name: pattern for pattern in catalog.PATTERNS}


class UsageProblem(click.ClickException):
    """An error that the user can correct; exit code 2."""

    exit_code = 2


class LateProblem(UsageProblem):
    """A :exc:`UsageProblem` after the result has been printed.

    With ``--json`` the result is the only JSON of the output.
    """


def explain(error: BaseException, *extras: str) -> str | None:
    """Return the message for an error that the user can correct, or ``None`` for any other.

    These are the errors of this package, and libraries that are not installed.

    Arguments:
        error: The error.
        extras: The extras that install all that is needed where the error occurred.
    """
    if isinstance(error, click.ClickException):
        return error.message
    missing = [one for one in (error, error.__cause__) if isinstance(one, ModuleNotFoundError)]
    for one in missing:
        if message := _missing_library(one, extras):
            return message
    if type(error).__module__.startswith("quartpatterns."):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return _missing_library(error, _smallest_extra(error))
    return None


def _missing_library(error: ModuleNotFoundError, extras: Sequence[str]) -> str | None:
    """Return the message for a library that one of *extras* installs, or ``None`` for others.

    It names all *extras*: another error would follow if it named only this one.
    """
    name = distribution(error.name or "")
    if not any(name in requirements().get(extra, {}) for extra in extras):
        return None
    library = (error.name or "").partition(".")[0]
    return f"{library} is not installed: {install_command(*extras)}"


def _smallest_extra(error: ModuleNotFoundError) -> list[str]:
    """Return the extra that installs the missing library and the fewest others, if there is one."""
    name = distribution(error.name or "")
    known = {
        extra: len(names)
        for extra, names in requirements().items()
        if name in names and extra not in ("all", "dev")
    }
    return [min(known, key=lambda extra: (known[extra], extra))] if known else []


def ensure_extra(extra: str) -> None:
    """Raise :exc:`UsageProblem` if a library of *extra* is not installed."""
    if missing := missing_libraries(extra):
        others = f" and {len(missing) - 1} others are" if len(missing) > 1 else " is"
        raise UsageProblem(f"{missing[0]}{others} not installed: {install_command(extra)}")


def comparison_extras(*names: str) -> tuple[str, ...]:
    """Return the extras that install what comparisons need.

    Arguments:
        names: The patterns; other names are applications of the user.
    """
    patterns = [_PATTERNS[name] for name in names if name in _PATTERNS]
    own = {extra for pattern in patterns for extra in pattern.extras}
    return ("compare", *(["originals", *own] if patterns else []))


def command_extras(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the extras that install what a command needs.

    Arguments:
        arguments: The name of the subcommand, and its arguments.
    """
    name, *rest = arguments or [""]
    if name in ("parity", "bench"):
        named = any(each in _PATTERNS or each.partition("=")[0] == "--flask" for each in rest)
        return comparison_extras(*rest) if named else ("gallery",)
    extra = _COMMAND_EXTRAS.get(name)
    return (extra,) if extra else ()


@contextlib.contextmanager
def report_user_errors(*arguments: str) -> Iterator[None]:
    """Raise :exc:`UsageProblem` for every error that :func:`explain` explains.

    Arguments:
        arguments: The name of the subcommand, and its arguments.
    """
    try:
        yield
    except click.ClickException:
        raise
    except Exception as error:
        message = explain(error, *command_extras(arguments))
        if message is None:
            raise
        raise UsageProblem(message) from error
