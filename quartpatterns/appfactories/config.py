"""The configuration of an application, read from several layers."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, cast

from quart import Quart

from .conversion import convert, describe, is_dict, is_list, is_supported, parse

__all__ = ["ConfigError", "Setting", "Source", "configure", "sources"]

EXTENSION = "quartpatterns.appfactories"

# The types of Quart's settings whose default does not show them.
_QUART_TYPES: dict[str, Any] = {
    "BACKGROUND_TASK_SHUTDOWN_TIMEOUT": int | float | None,
    "BODY_TIMEOUT": int | float | None,
    "DEBUG": bool,
    "MAX_CONTENT_LENGTH": int | None,
    "MAX_FORM_MEMORY_SIZE": int | None,
    "MAX_FORM_PARTS": int | None,
    "PERMANENT_SESSION_LIFETIME": timedelta,
    "PROPAGATE_EXCEPTIONS": bool | None,
    "RESPONSE_TIMEOUT": int | float | None,
    "SECRET_KEY": str | bytes | None,
    "SECRET_KEY_FALLBACKS": list[str | bytes] | None,
    "SEND_FILE_MAX_AGE_DEFAULT": timedelta | None,
    "SERVER_NAME": str | None,
    "SESSION_COOKIE_DOMAIN": str | bool | None,
    "SESSION_COOKIE_PATH": str | None,
    "SESSION_COOKIE_SAMESITE": str | None,
    "TEMPLATES_AUTO_RELOAD": bool | None,
    "TRAP_BAD_REQUEST_ERRORS": bool | None,
    "TRUSTED_HOSTS": list[str] | None,
}
# Environment variables of Quart's command line, and of its subcommands, which are not settings.
_COMMAND_VARIABLES = frozenset({"APP", "ENV_FILE", "SKIP_DOTENV"})
_SUBCOMMANDS = frozenset({"ROUTES", "RUN", "SHELL"})
_REQUIRED: Any = object()


class ConfigError(ValueError):
    """The configuration is invalid. :func:`configure` raises one error for all problems.

    Arguments:
        problems: One sentence for each problem; they are also in the attribute ``problems``. The
            sentences do not contain the values of settings, which may be secrets.

    .. versionadded:: 0.1
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting whose type is not the type of its default, or that has no default.

    Use it in the *defaults* of :func:`configure`: ``"PROXY": Setting(str | None, None)``.

    Arguments:
        type: A class, a union, ``list[...]``, ``dict[str, ...]`` or a ``Literal``.
        default: The value if no layer sets one. Without a default the setting is required.

    .. versionadded:: 0.1
    """

    type: Any
    default: Any = _REQUIRED

    @property
    def required(self) -> bool:
        """Whether the setting has no default."""
        return self.default is _REQUIRED


@dataclass(frozen=True, slots=True)
class Source:
    """Where the value of a setting comes from.

    Arguments:
        layer: The layer; ``code`` means an assignment to ``app.config`` after :func:`configure`.
        place: The path of the file, or the name of the environment variable.

    .. versionadded:: 0.1
    """

    layer: Literal["default", "file", "environment", "override", "code"]
    place: str = ""

    def __str__(self) -> str:
        """Return layer and place, such as ``environment QUART_SITE``."""
        return f"{self.layer} {self.place}".strip()


@dataclass(frozen=True, slots=True)
class _Assignment:
    """A value that a layer assigns to a setting, or to one entry of a mapping."""

    key: str
    value: Any
    source: Source
    entry: tuple[str, ...] = ()

    def convert(self, type_: Any, lower: Any) -> Any:
        """Return the new value of the setting; *lower* is the value of the lower layers."""
        if self.source.layer != "environment":
            return _copy(convert(self.value, type_))
        if not self.entry:
            return parse(self.value, type_)
        return convert(_with_entry(lower, self.entry, self.value), type_)


def configure(
    app: Quart,
    defaults: Mapping[str, Any],
    *,
    file: str | os.PathLike[str] | None = None,
    prefix: str = "QUART",
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Mapping[str, Source]:
    """Set ``app.config`` from several layers, and return the source of each value.

    The layers are *defaults*, *file*, *environ* and *overrides*, in this order. Each layer
    overrides the layers before it. Valid settings are those in *defaults* and those that are
    already in ``app.config``, such as Quart's own. The default of a setting determines its type::

        DEFAULTS = {
            "SITE": "Guestbook",  # a string
            "MAX_ENTRIES": 100,  # a whole number
            "MAIL_URL": Setting(str),  # a required string
            "PROXY": Setting(str | None, None),
        }

    The type determines how an environment variable is parsed: ``QUART_SECRET_KEY=1`` is a string.
    ``QUART_MAIL__PORT=25`` sets one entry of the mapping ``MAIL``. Variables of Quart's command,
    such as ``QUART_APP`` and ``QUART_RUN_PORT``, are ignored.

    Lists and mappings are copied, so that applications do not share them. If there is an error,
    ``app.config`` is not changed.

    Arguments:
        app: The application.
        defaults: The default or a :class:`Setting` for each setting of the application. Names are
            upper case.
        file: A TOML file. A relative path is relative to the folder of the application's module,
            as for ``app.config.from_file``.
        prefix: The prefix of environment variables, without the underscore.
        environ: The environment; by default that of the process.
        overrides: Values of the caller, for example of a test.

    Raises:
        ConfigError: A setting is unknown, missing or of the wrong type, or the file cannot be read.
        TypeError: *defaults* are invalid.

    .. versionadded:: 0.1
    """
    config = cast("Mapping[str, Any]", app.config)
    quart = {
        key: Setting(_QUART_TYPES.get(key, Any if value is None else type(value)), value)
        for key, value in config.items()
    }
    known = quart | {key: _setting(key, default) for key, default in defaults.items()}
    path = Path(app.config.root_path, file) if file is not None else None
    problems: list[str] = []
    assignments = [
        *_read_file(path, problems),
        *_read_environment(
            os.environ if environ is None else environ, prefix, known, app.cli.commands
        ),
        *(_Assignment(key, value, Source("override")) for key, value in (overrides or {}).items()),
    ]
    values = {key: _copy(one.default) for key, one in known.items() if not one.required}
    found = {key: Source("default", "" if key in defaults else "Quart") for key in values}
    for one in assignments:
        if one.key not in known:
            problems.append(_unknown(one, known))
            continue
        try:
            values[one.key] = one.convert(known[one.key].type, values.get(one.key))
            found[one.key] = one.source
        except ValueError as error:
            problems.append(f"{one.key} {error} ({one.source})")
    missing = known.keys() - values.keys() - {one.key for one in assignments}
    for key in sorted(missing):
        or_file = f", or add it to {path}" if path else ""
        problems.append(
            f"{key} must be set to {describe(known[key].type)}: set {prefix}_{key}{or_file}"
        )
    if problems:
        raise ConfigError(problems)
    app.config.from_mapping(values)
    app.extensions[EXTENSION] = {key: (values[key], source) for key, source in found.items()}
    return found


def sources(app: Quart) -> dict[str, Source]:
    """Return the source of each value in ``app.config``.

    Raises:
        LookupError: :func:`configure` was not called for this application.

    .. versionadded:: 0.1
    """
    if EXTENSION not in app.extensions:
        raise LookupError(
            f"the application {app.name!r} was not configured: call"
            " quartpatterns.appfactories.configure(app, ...) first"
        )
    recorded: Mapping[str, tuple[Any, Source]] = app.extensions[EXTENSION]
    code = None, Source("code")

    def source(key: str, value: Any) -> Source:
        configured, origin = recorded.get(key, code)
        return origin if value is configured else Source("code")

    config = cast("Mapping[str, Any]", app.config)
    return {key: source(key, value) for key, value in config.items()}


def _setting(key: str, default: Any) -> Setting:
    if not key.isupper():
        raise TypeError(f"{key!r} is not a valid name of a setting: write {key.upper()!r}")
    if default is None:
        raise TypeError(
            f"None does not show the type of {key}: write Setting(str | None, None), with the type"
            " of the setting"
        )
    setting = default if isinstance(default, Setting) else Setting(type(default), default)
    if not is_supported(setting.type):
        raise TypeError(
            f"{key} cannot have the type {setting.type!r}: it must be a class, a union, list[type],"
            " dict[str, type] or a Literal"
        )
    if setting.required:
        return setting
    try:
        return Setting(setting.type, convert(setting.default, setting.type))
    except ValueError as error:
        raise TypeError(f"the default of {key} {error}") from error


def _read_file(path: Path | None, problems: list[str]) -> list[_Assignment]:
    if path is None:
        return []
    source = Source("file", str(path))
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
        return [_Assignment(key, value, source) for key, value in settings.items()]
    except FileNotFoundError:
        files = sorted(file.name for file in path.parent.glob("*.toml"))
        others = f"; the folder contains {', '.join(files)}" if files else ""
        problems.append(f"file not found: {path}{others}")
    except (OSError, ValueError) as error:
        problems.append(f"{path} cannot be read: {error}")
    return []


def _read_environment(
    environ: Mapping[str, str], prefix: str, known: Collection[str], commands: Collection[str]
) -> Iterator[_Assignment]:
    subcommands = _SUBCOMMANDS.union(name.upper().replace("-", "_") for name in commands)
    options = tuple(f"{name}_" for name in subcommands)
    for name in sorted(environ):
        if not name.startswith(f"{prefix}_"):
            continue
        full_key = name.removeprefix(f"{prefix}_")
        key, *entry = [full_key] if full_key in known else full_key.split("__")
        if key in known or not (key in _COMMAND_VARIABLES or key.startswith(options)):
            yield _Assignment(key, environ[name], Source("environment", name), tuple(entry))


def _unknown(assignment: _Assignment, known: Collection[str]) -> str:
    close = difflib.get_close_matches(assignment.key.upper(), known, n=1)
    remedy = f"did you mean {close[0]}?" if close else "add it to the defaults, or remove it"
    return f"{assignment.key} is not a setting ({assignment.source}): {remedy}"


def _copy(value: Any) -> Any:
    """Return a deep copy of lists and mappings; other values are not copied."""
    if is_dict(value):
        return {key: _copy(one) for key, one in value.items()}
    if is_list(value):
        return [_copy(one) for one in value]
    return value


def _with_entry(mapping: Any, entry: tuple[str, ...], text: str) -> dict[Any, Any]:
    """Return a copy of *mapping* with a new value at the keys of *entry*."""
    key, *rest = entry
    new: dict[Any, Any] = {**mapping} if is_dict(mapping) else {}
    old = new.get(key)
    if rest:
        new[key] = _with_entry(old, tuple(rest), text)
    else:
        new[key] = _json_or_text(text) if old is None else parse(text, type(old))
    return new


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
