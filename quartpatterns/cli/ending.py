"""How each command ends: its exit code, errors as one line or as JSON, Ctrl-C and closed pipes.

0   success
1   the command ran, and the result is negative: responses differ, a host failed, no worker runs
2   wrong use, or something that the command needs is missing
130 Ctrl-C
141 the program that read the output has ended, as ``head`` does
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

import click

from quartpatterns.cli.errors import LateProblem

__all__ = [
    "BROKEN_PIPE",
    "EXIT_CODES",
    "INTERRUPTED",
    "Interrupted",
    "PipeClosed",
    "closed_pipe_ends",
    "exit_with",
    "use_color",
]

INTERRUPTED = 130
BROKEN_PIPE = 141
EXIT_CODES = """
\b
Exit codes of all commands:
  0    success
  1    the command ran, and the result is negative
  2    wrong use, or something that the command needs is missing
  130  Ctrl-C; serve and worker exit with 0, because this is how they are stopped
  141  the program that reads the output has ended, as head does
"""


# Click 8.1 prints the help itself.
_NO_ARGUMENTS: type[click.UsageError] | tuple[()] = getattr(
    click.exceptions, "NoArgsIsHelpError", ()
)


class Interrupted(click.ClickException):
    """Ctrl-C; the message says what the command has left, and how to continue."""

    exit_code = INTERRUPTED


class PipeClosed(BaseException):
    """The program that read the output has ended; click would exit with 1."""


@contextlib.contextmanager
def closed_pipe_ends() -> Iterator[None]:
    """End the command with :data:`BROKEN_PIPE` if nobody reads its output."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise PipeClosed from error


def exit_with(main: Callable[[], object], arguments: Sequence[str]) -> NoReturn:
    """Exit with the code that *main* returns, or with that of its error, which is printed.

    Arguments:
        main: Runs the command.
        arguments: The arguments of the command. With ``--json``, an error is also printed as JSON.
    """
    try:
        result = main()
        code = result if isinstance(result, int) else 0
    except click.ClickException as error:
        code = _show(error, arguments)
    except click.Abort as error:
        interrupted = isinstance(error.__cause__ or error.__context__, KeyboardInterrupt)
        code = INTERRUPTED if interrupted else 1
        _print_error("interrupted" if interrupted else "aborted", code, arguments)
    except PipeClosed:
        code = BROKEN_PIPE
        _discard_output()
    sys.exit(code)


def use_color() -> bool | None:
    """Return whether the output has colours, or None if that depends on the terminal.

    ``NO_COLOR`` and ``FORCE_COLOR`` are conventions: see https://no-color.org and
    https://force-color.org.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return False if os.environ.get("TERM") == "dumb" else None


def _show(error: click.ClickException, arguments: Sequence[str]) -> int:
    """Print *error*, and return its exit code."""
    if isinstance(error, _NO_ARGUMENTS) and "--json" not in arguments:
        error.show()  # the help
        return error.exit_code
    message = error.format_message()
    if isinstance(error, click.UsageError) and error.ctx is not None:
        message = " ".join(message.split())
        end = "" if message.endswith((".", "?")) else "."
        message = f"{message}{end} See: {error.ctx.command_path} --help"
    _print_error(message, error.exit_code, () if isinstance(error, LateProblem) else arguments)
    return error.exit_code


def _print_error(message: str, code: int, arguments: Sequence[str]) -> None:
    with contextlib.suppress(BrokenPipeError):
        click.echo(f"Error: {message}", err=True)
        if "--json" in arguments:
            click.echo(json.dumps({"error": message, "exit_code": code}, indent=2))


def _discard_output() -> None:
    """Let the interpreter flush at its exit what nobody reads."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(null, stream.fileno())
