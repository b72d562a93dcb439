"""Where settings come from: a file, the environment, the caller."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .kinds import converted, is_list, is_table, parsed

__all__ = ["Given", "Source", "caller", "copied", "environment", "toml"]

# What Quart's command reads from variables with its prefix: settings of the command itself.
COMMAND = frozenset({"APP", "ENV_FILE", "SKIP_DOTENV"})
SUBCOMMANDS = frozenset({"ROUTES", "RUN", "SHELL"})


@dataclass(frozen=True, slots=True)
class Source:
    """Where the value of a setting comes from.

    Arguments:
        layer: Which layer; ``code`` has assigned it to ``app.config`` after all of them.
        place: The path of the file, or the name of the environment variable.
    """

    layer: Literal["default", "file", "environment", "override", "code"]
    place: str = ""

    def __str__(self) -> str:
        return f"{self.layer} {self.place}".strip()


@dataclass(frozen=True, slots=True)
class Given:
    """A setting that a layer has.

    Arguments:
        key: Its name.
        value: A text where the layer is the environment.
        source: Where it stands.
        entry: The keys down to the one entry that is set, where it is a table.
    """

    key: str
    value: Any
    source: Source
    entry: tuple[str, ...] = ()

    def read(self, kind: Any, below: Any) -> Any:
        """The value, over *below*, that of the layers below.

        Raises:
            ValueError: It is not of *kind*.
        """
        if self.source.layer != "environment":
            return copied(converted(self.value, kind))
        if not self.entry:
            return parsed(self.value, kind)
        return converted(_with_entry(below, self.entry, self.value), kind)


def toml(path: Path) -> Iterator[Given]:
    """The settings in the TOML file at *path*.

    Raises:
        OSError: It can't be opened.
        ValueError: It is not TOML, or not UTF-8.
    """
    for key, value in tomllib.loads(path.read_text(encoding="utf-8")).items():
        yield Given(key, value, Source("file", str(path)))


def environment(
    environ: Mapping[str, str], prefix: str, known: Collection[str], commands: Collection[str]
) -> Iterator[Given]:
    """The settings in *environ*, without the variables that Quart's command reads.

    Arguments:
        environ: The variables.
        prefix: What those of the application start with, before an underscore.
        known: The names of settings.
        commands: The names of subcommands beyond Quart's own, whose options are variables too.
    """
    options = tuple(f"{name}_" for name in SUBCOMMANDS.union(map(_as_variable, commands)))
    for name in sorted(environ):
        if not name.startswith(f"{prefix}_"):
            continue
        key, *entry = name.removeprefix(f"{prefix}_").split("__")
        if (whole := "__".join([key, *entry])) in known:
            key, entry = whole, []
        if key in known or not (key in COMMAND or key.startswith(options)):
            yield Given(key, environ[name], Source("environment", name), tuple(entry))


def _as_variable(command: str) -> str:
    return command.upper().replace("-", "_")


def caller(overrides: Mapping[str, Any]) -> Iterator[Given]:
    """The settings that the caller gives."""
    for key, value in overrides.items():
        yield Given(key, value, Source("override"))


def copied(value: Any) -> Any:
    """*value* with tables and lists of its own, at any depth."""
    if is_table(value):
        return {key: copied(one) for key, one in value.items()}
    if is_list(value):
        return [copied(one) for one in value]
    return value


def _with_entry(table: Any, entry: tuple[str, ...], text: str) -> dict[Any, Any]:
    """A copy of *table* in which *text* stands at the keys of *entry*."""
    key, *rest = entry
    new: dict[Any, Any] = {**table} if is_table(table) else {}
    below = new.get(key)
    if rest:
        new[key] = _with_entry(below, tuple(rest), text)
    else:
        new[key] = _json_or_text(text) if below is None else parsed(text, type(below))
    return new


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
