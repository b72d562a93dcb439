"""The options of ``quartpatterns bench``, and which of them belong together."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quartpatterns.cli.errors import UsageProblem
from quartpatterns.compare.servers import Server

__all__ = ["BenchOptions"]

# Where the name of a value is not that of its option.
FLAGS = {"names": "--case", "as_json": "--json", "read": "--from", "pairings": "--pairing"}


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
        for name in names:
            if getattr(self, name) and self._is_given(name):
                flag = "a PATTERN" if name == "patterns" else _flag(name)
                raise UsageProblem(f"{flag} can only be used with {instead}")

    def refuse_other_than(self, mode: str, *names: str) -> None:
        """Raise :exc:`UsageProblem` if the user gave an option that *mode* does not use.

        Arguments:
            mode: The option of the mode.
            names: The names of the fields that it uses.
        """
        for name in self.__slots__:
            if name not in (*names, "given") and getattr(self, name) and self._is_given(name):
                flag = "a PATTERN" if name == "patterns" else _flag(name)
                used = ", ".join(_flag(each) for each in names)
                raise UsageProblem(f"{mode} cannot be used with {flag}; its options are {used}")

    def single_file(self) -> Path:
        """Return the file of ``--from``; :exc:`UsageProblem` if there are several."""
        if len(self.read) > 1:
            raise UsageProblem("give one --from: only --summary reads several files")
        return self.read[0]

    def _is_given(self, name: str) -> bool:
        return {"read": "from"}.get(name, name) in self.given

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
