"""Progress, the event loop and the output of ``quartpatterns bench``."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click
from rich.console import RenderableType

from quartpatterns._shared.suggestions import did_you_mean
from quartpatterns.cli.console import OutputConsole
from quartpatterns.cli.errors import LateProblem, UsageProblem
from quartpatterns.compare.tables import MarkerError, Table, find_place, replace_between_markers

T = TypeVar("T")
WIDTH = 100  # of a table that is written to a file or a pipe


def print_progress(line: str) -> None:
    """Print *line* as an error output, so that the output is the result alone."""
    click.echo(line, err=True)


def print_estimate(what: str, seconds: float) -> None:
    """Print how long the measurement of *what* will take."""
    minutes, rest = divmod(round(seconds), 60)
    print_progress(f"{what}, about {f'{minutes} min ' if minutes else ''}{rest} s")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run *coroutine* on uvloop, as in hypercorn.toml, if it is installed."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(coroutine)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if importlib.util.find_spec("uvloop") is None:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module(
        "uvloop"
    ).new_event_loop
    return factory


class _Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


def select_by_name(known: Sequence[N], names: Sequence[str], mode: str) -> list[N]:
    """Return those of *known* that *names* select, with wildcards; all if there are no names.

    Raises:
        UsageProblem: A name selects none.
    """
    for name in names:
        if not any(fnmatchcase(each.name, name) for each in known):
            names_of_all = [each.name for each in known]
            listed = f"the cases of {mode} are {', '.join(names_of_all)}"
            hint = did_you_mean(name, names_of_all, otherwise=listed)
            raise UsageProblem(f"no case {name!r}; {hint}")
    return [
        each for each in known if not names or any(fnmatchcase(each.name, name) for name in names)
    ]


def show(tables: Sequence[RenderableType], data: dict[str, Any], *, as_json: bool) -> None:
    """Print *tables*, or *data* as JSON."""
    if as_json:
        click.echo(json.dumps(data, indent=2))
        return
    console = OutputConsole(width=None if sys.stdout.isatty() else WIDTH)
    for table in tables:
        console.print(table)


def check_place(file: Path | None, *names: str) -> str:
    """Return the first of *names* that *file* has a place for; without a file, the first.

    Call it before a long measurement.

    Raises:
        MarkerError: The file has none.
        UsageProblem: The file cannot be read.
    """
    if file is None:
        return names[0]
    with _file_errors(file):
        return find_place(file, *names)


@contextlib.contextmanager
def _file_errors(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageProblem(f"--write {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageProblem(f"--write {file}: not UTF-8: {error.reason}") from error


def write_tables(
    file: Path | None, name: str, tables: Sequence[Table], picture: Path | None = None
) -> None:
    """Write *tables* into the Markdown *file*, at the place for *name*.

    Arguments:
        file: The file; nothing is written without one.
        name: The name of the place.
        tables: The tables.
        picture: The file of a picture of the tables, to which the text refers.

    Raises:
        LateProblem: The file cannot be read or written, or has no place for the tables any more.
    """
    if file is None:
        return
    text = "\n".join(table.markdown() for table in tables)
    if picture is not None:
        path = os.path.relpath(picture, file.parent)
        text = f"![{tables[0].title}]({Path(path).as_posix()})\n\n{text}"
    try:
        with _file_errors(file):
            replace_between_markers(file, name, text)
    except (MarkerError, UsageProblem) as error:
        raise LateProblem(str(error)) from error


def write_picture(file: Path | None, draw: Callable[[], str]) -> None:
    """Write what *draw* returns to *file*."""
    if file is None:
        return
    try:
        file.write_text(draw(), encoding="utf-8")
    except OSError as error:
        raise LateProblem(f"--plot {file}: {error.strerror}") from error
