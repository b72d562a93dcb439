"""The options of ``quartpatterns bench``, and which of them belong together."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quartpatterns.cli.errors import UsageProblem
from quartpatterns.compare.servers import Server

__all__ = ["BenchOptions"]

# Where the name of a value is not that of its option.
FLAGS = {
    "patterns": "a PATTERN",
    "names": "--case",
    "as_json": "--json",
    "read": "--from",
    "pairings": "--pairing",
}
SERVED = "seconds runs connections workers threads original_server port_server pairings".split()


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """The values of the options; ``given`` has the names of those that the user wrote."""

    given: frozenset[str]
    patterns: tuple[str, ...]
    flask: str | None
    quart: str | None
    requests: Path | None
    har: Path | None
    har_host: str | None
    names: tuple[str, ...]
    in_process: bool
    seconds: int | None
    runs: int | None
    connections: int | None
    workers: int | None
    threads: int | None
    original_server: Server
    port_server: Server
    pairings: tuple[str, ...]
    as_json: bool
    read: tuple[Path, ...]
    write: Path | None
    plot: Path | None

    @property
    def selection(self) -> tuple[Any, ...]:
        """The arguments of :func:`quartpatterns.cli.selection.select`."""
        return (self.patterns, self.flask, self.quart, self.requests, self.har, self.har_host)

    def refuse(self, *names: str, instead: str) -> None:
        """Raise :exc:`UsageProblem` if the user gave one of the options *names*.

        Arguments:
            names: Names of fields.
            instead: What these options need.
        """
        for flag in self._flags(names):
            raise UsageProblem(f"{flag} can only be used with {instead}")

    def refuse_other_than(self, mode: str, *names: str) -> None:
        """Raise :exc:`UsageProblem` if the user gave an option that *mode* does not use.

        Arguments:
            mode: The option of the mode.
            names: The names of the fields that it uses.
        """
        for flag in self._flags(name for name in self.__slots__ if name not in names):
            used = ", ".join(map(_flag, names))
            raise UsageProblem(f"{mode} cannot be used with {flag}; its options are {used}")

    def refuse_load_in_process(self) -> None:
        """Raise :exc:`UsageProblem` if the user gave ``--in-process`` and an option of a server."""
        for flag in self._flags(SERVED) if self.in_process else ():
            raise UsageProblem(f"--in-process uses no servers: leave out {flag}")

    def file_instead_of_measuring(self, mode: str, *names: str) -> Path | None:
        """Return the file of ``--from``, or None if *mode* shall measure.

        Arguments:
            mode: The option of the mode.
            names: The names of the fields that its measurement uses.

        Raises:
            UsageProblem: There are several files, or other options.
        """
        output = ("as_json", "write")
        if not self.read:
            self.refuse_other_than(mode, *names, *output)
            return None
        self.refuse_other_than(f"{mode} --from", "read", *output)
        if len(self.read) > 1:
            raise UsageProblem("give one --from: only --summary reads several files")
        return self.read[0]

    def _flags(self, names: Iterable[str]) -> Iterator[str]:
        """Yield those of the options that the user gave."""
        return (_flag(name) for name in names if name in self.given and getattr(self, name))

    def check_files(self) -> None:
        """Report what is missing for a chart before the measurements, which take minutes."""
        if self.plot:
            importlib.import_module("matplotlib")
            if not self.plot.parent.is_dir():
                raise UsageProblem(f"--plot {self.plot}: there is no folder {self.plot.parent}")
        if self.write and not self.write.is_file():
            raise UsageProblem(f"--write {self.write}: there is no such file")


def _flag(name: str) -> str:
    return FLAGS.get(name, f"--{name.replace('_', '-')}")
