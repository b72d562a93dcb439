"""The settings of an application, put together from layers."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from quart import Quart

from .kinds import described
from .known import Setting, known_settings
from .layers import Given, Source, caller, copied, environment, toml

__all__ = ["ConfigError", "configure", "sources"]

EXTENSION = "quartpatterns.appfactories"


class ConfigError(ValueError):
    """Settings are wrong; ``problems`` has a sentence for each, none with a value in it."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def configure(
    app: Quart,
    defaults: Mapping[str, Any],
    *,
    file: str | os.PathLike[str] | None = None,
    prefix: str = "QUART",
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Mapping[str, Source]:
    """Set ``app.config`` from layers, and return where each value came from.

    From the lowest layer to the highest: *defaults*, the TOML *file*, the environment,
    *overrides*. The known settings are those of *defaults* and those that ``app.config`` has
    already, which are Quart's. What each may be, its default says::

        DEFAULTS = {
            "SITE": "Guestbook",  # a text
            "MAX_ENTRIES": 100,  # a whole number
            "MAIL_URL": Setting(str),  # a text that one of the layers must have
            "PROXY": Setting(str | None, None),
        }

    A variable of the environment is read as what its setting may be: ``QUART_SECRET_KEY=1`` is a
    text. ``QUART_MAIL__PORT=25`` sets one entry of the table ``MAIL``. The variables of Quart's
    own command, such as ``QUART_APP`` and ``QUART_RUN_PORT``, are no settings.

    Tables and lists are copied, so that two applications of one factory share none. Where
    anything is wrong, ``app.config`` stays as it was.

    Arguments:
        app: The application that the factory is making.
        defaults: A value or a :class:`Setting` for each setting of the application's own, by
            name; names are in capitals.
        file: The TOML file; a relative path starts beside the application's module, as it does
            for ``app.config.from_file``.
        prefix: What the variables' names start with, before an underscore.
        environ: The environment; that of the process where none is given.
        overrides: The values of the caller, such as a test.

    Raises:
        ConfigError: A setting is unknown, of the wrong kind, or missing, or the file can't be
            read. All that is wrong is in one error.
        TypeError: *defaults* say something that can't be.
    """
    quarts, own = known_settings(app.config, defaults)
    known = quarts | own
    path = Path(app.config.root_path, file) if file is not None else None
    variables = environment(
        os.environ if environ is None else environ, prefix, known, app.cli.commands
    )
    problems: list[str] = []
    given = [*_file(path, problems), *variables, *caller(overrides or {})]
    values = {key: copied(one.default) for key, one in known.items() if not one.required}
    found = {key: Source("default", "" if key in own else "Quart") for key in values}
    for one in given:
        if one.key not in known:
            problems.append(_unknown(one, known))
            continue
        try:
            values[one.key] = one.read(known[one.key].kind, values.get(one.key))
            found[one.key] = one.source
        except ValueError as error:
            problems.append(f"{one.key} {error} ({one.source})")
    missing = known.keys() - values.keys() - {one.key for one in given}
    problems += (_missing(key, known[key], prefix, path) for key in sorted(missing))
    if problems:
        raise ConfigError(problems)
    app.config.from_mapping(values)
    app.extensions[EXTENSION] = {key: (values[key], source) for key, source in found.items()}
    return found


def sources(app: Quart) -> dict[str, Source]:
    """Where the value of each setting of *app* comes from.

    Raises:
        LookupError: :func:`configure` has not set them.
    """
    if EXTENSION not in app.extensions:
        raise LookupError(f"the settings of {app.name} have no layers: call configure() first")
    return dict(_sources(app.config, app.extensions[EXTENSION]))


def _sources(
    config: Mapping[str, Any], noted: Mapping[str, tuple[Any, Source]]
) -> Iterator[tuple[str, Source]]:
    for key, value in config.items():
        then, source = noted.get(key, (None, Source("code")))
        yield key, source if value is then else Source("code")


def _file(path: Path | None, problems: list[str]) -> Iterable[Given]:
    if path is None:
        return ()
    try:
        return tuple(toml(path))
    except FileNotFoundError:
        there = sorted(file.name for file in path.parent.glob("*.toml"))
        beside = f"; in that folder there is {', '.join(there)}" if there else ""
        problems.append(f"there is no file {path}{beside}")
    except (OSError, ValueError) as error:
        problems.append(f"{path} can't be read: {error}")
    return ()


def _unknown(given: Given, known: Collection[str]) -> str:
    close = difflib.get_close_matches(given.key.upper(), known, n=1)
    remedy = f"did you mean {close[0]}?" if close else "add it to the defaults, or take it away"
    return f"{given.key} is no setting ({given.source}): {remedy}"


def _missing(key: str, setting: Setting, prefix: str, path: Path | None) -> str:
    into = f", or write it into {path}" if path else ""
    kind = described(setting.kind)
    return f"{key} has no value, and is to be {kind}: set {prefix}_{key}{into}"
