"""Show what a command does while it takes long: on the error output, so that results stay alone."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator

import click

__all__ = ["progress"]

DELAY = 0.5
"""Seconds before something is shown: what is quick needs no progress."""

VARIABLE = "QUARTPATTERNS_PROGRESS"


@contextlib.contextmanager
def progress(text: str) -> Iterator[Callable[[str], None]]:
    """Show *text*, and yield a function that shows another text.

    On a terminal the text appears after :data:`DELAY`, and disappears at the end. In a file or a
    pipe nothing is written, unless the environment variable ``QUARTPATTERNS_PROGRESS`` is
    ``lines``: then each text is a line.
    """
    if os.environ.get(VARIABLE) == "lines":
        _print_line(text)
        yield _print_line
        return
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda text: None
        return
    try:
        from rich.console import Console
    except ImportError:
        _print_line(text)
        yield lambda text: None
        return
    status = Console(stderr=True).status(text)
    timer = threading.Timer(DELAY, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield status.update
    finally:
        timer.cancel()
        timer.join()
        status.stop()


def _print_line(text: str) -> None:
    if text:
        click.echo(text, err=True)
