"""The configuration of an application, read from several layers."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from quart import Quart

from quartpatterns._shared.declarations import Setting
from quartpatterns._shared.settings_of import all_declarations

from .conversion import (
    convert,
    describe,
    is_dict,
    is_list,
    is_mapping,
    is_supported,
    json_or_text,
    parse,
)

__all__ = ["ConfigError", "Setting", "Source", "configure", "sources"]

EXTENSION = "quartpatterns.appfactories"

# Environment variables of Quart's command line, and of its subcommands, which are not settings.
_COMMAND_VARIABLES = frozenset({"APP", "ENV_FILE", "SKIP_DOTENV"})
_SUBCOMMANDS = frozenset({"ROUTES", "RUN", "SHELL"})


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
    overrides the layers before it. Valid settings are those in *defaults*, those that are already
    in ``app.config``, such as Quart's own, and those of all helpers of this package and of
    quart-schema. A setting of a helper that no layer sets gets its default from the ``init_app`` of
    the helper. The default of your own setting determines its type::

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
            upper case. A setting of Quart or of a helper may get another default, and keeps its
            type. The ``SETTINGS`` of a helper are valid defaults too.
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
    if not is_mapping(cast("object", defaults)):
        raise TypeError(
            "defaults must be a mapping of the names of settings to their defaults, such as"
            " {'SITE': 'Guestbook'}, or the SETTINGS of a helper, not a"
            f" {type(defaults).__name__}"
        )
    known = _KnownSettings(cast("Mapping[str, Any]", app.config), defaults)
    path = Path(app.config.root_path, file) if file is not None else None
    problems: list[str] = []
    assignments = [
        *_read_file(path, problems),
        *_read_environment(
            os.environ if environ is None else environ, prefix, known, app.cli.commands
        ),
        *(_Assignment(key, value, Source("override")) for key, value in (overrides or {}).items()),
    ]
    values = {key: _copy(one.default) for key, one in known.set.items() if not one.required}
    found = {key: Source("default", known.origin(key)) for key in values}
    for one in assignments:
        setting = known.find(one.key)
        if setting is None:
            problems.append(known.problem(one))
            continue
        lower = None if setting.required else setting.default
        try:
            values[one.key] = one.convert(setting.type, values.get(one.key, lower))
            found[one.key] = one.source
        except ValueError as error:
            problems.append(f"{one.key} {error} ({one.source})")
    missing = known.set.keys() - values.keys() - {one.key for one in assignments}
    for key in sorted(missing):
        or_file = f", or add it to {path}" if path else ""
        problems.append(
            f"{key} must be set to {describe(known.set[key].type)}: set {prefix}_{key}{or_file}"
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


class _KnownSettings:
    """The settings that may be set.

    Arguments:
        config: The configuration of the application.
        defaults: The *defaults* of :func:`configure`.

    Attributes:
        set: The settings that have a value or must get one, by key.
    """

    def __init__(self, config: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        self._declared_by = all_declarations()
        self._quart = self._declared_by["quart"]
        self._defaults = defaults
        self.set = {key: Setting(self._type(key, value), value) for key, value in config.items()}
        self.set |= {key: self._setting(key, default) for key, default in defaults.items()}

    def find(self, key: str) -> Setting | None:
        """Return the setting with this key, or ``None``."""
        return self.set.get(key) or self._declared(key)

    def origin(self, key: str) -> str:
        """Return who has set the default of a setting, or an empty string for the application."""
        if key in self._defaults:
            return ""
        return self._helper(key) or "Quart"

    def problem(self, assignment: _Assignment) -> str:
        """Return what is wrong with the key of an assignment, which is not known."""
        key, source = assignment.key, assignment.source
        for one in self._declared_by.values():
            if key in one.instead:
                return f"{key} is not supported ({source}): {one.instead[key].rstrip('.')}"
        upper = key.upper()
        close = [
            near
            for one in self._declared_by.values()
            for family in one.families
            for near in family.nearest(upper)
        ]
        close = difflib.get_close_matches(upper, [*close, *self._keys()], n=1)
        remedy = f"did you mean {close[0]}?" if close else "add it to the defaults, or remove it"
        return f"{key} is not a setting ({source}): {remedy}"

    def _keys(self) -> set[str]:
        helpers = (one for one in self._declared_by.values() if one is not self._quart)
        return self.set.keys() | {key for one in helpers for key in one}

    def _helper(self, key: str) -> str | None:
        """Return the name of the helper, or of the library, that declares a setting."""
        for name, one in self._declared_by.items():
            if one is not self._quart and one.find(key):
                return name
        return None

    def _declared(self, key: str) -> Setting | None:
        helper = self._helper(key)
        return None if helper is None else self._declared_by[helper].find(key)

    def _type(self, key: str, value: Any) -> Any:
        """Return the type of a setting that has a value already."""
        if declared := self._declared(key) or self._quart.get(key):
            return declared.type
        return Any if value is None else cast("Any", type(value))

    def _setting(self, key: str, default: Any) -> Setting:
        """Return the setting that the application declares with a default or a ``Setting``."""
        if not key.isupper():
            raise TypeError(f"{key!r} is not a valid name of a setting: write {key.upper()!r}")
        known = self.find(key)
        if isinstance(default, Setting):
            setting = default
        elif known is not None and known.type is not Any:
            setting = Setting(known.type, default, known.doc, known.unit)
        elif default is None:
            raise TypeError(
                f"None does not show the type of {key}: write Setting(str | None, None), with the"
                " type of the setting"
            )
        else:
            setting = Setting(type(default), default)
        if not is_supported(setting.type):
            raise TypeError(
                f"{key} cannot have the type {setting.type!r}: it must be a class, a union,"
                " list[type], tuple[type, ...], dict[str, type] or a Literal"
            )
        if setting.required:
            return setting
        try:
            value = convert(setting.default, setting.type)
        except ValueError as error:
            owner = self._helper(key)
            hint = (
                f". It is a setting of the helper {owner}; if yours is another one, give it another"
                f" name, or write Setting({type(default).__name__}, ...)"
                if owner and not isinstance(default, Setting)
                else ""
            )
            raise TypeError(f"the default of {key} {error}{hint}") from error
        return Setting(setting.type, value, setting.doc, setting.unit)


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
    environ: Mapping[str, str], prefix: str, known: _KnownSettings, commands: Collection[str]
) -> Iterator[_Assignment]:
    subcommands = _SUBCOMMANDS.union(name.upper().replace("-", "_") for name in commands)
    options = tuple(f"{name}_" for name in subcommands)
    for name in sorted(environ):
        if not name.startswith(f"{prefix}_"):
            continue
        full_key = name.removeprefix(f"{prefix}_")
        key, *entry = [full_key] if known.find(full_key) else full_key.split("__")
        if known.find(key) or not (key in _COMMAND_VARIABLES or key.startswith(options)):
            yield _Assignment(key, environ[name], Source("environment", name), tuple(entry))


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
    new: dict[Any, Any] = {**mapping} if is_mapping(mapping) else {}
    old = new.get(key)
    if rest:
        new[key] = _with_entry(old, tuple(rest), text)
    else:
        new[key] = json_or_text(text) if old is None else parse(text, type(old))
    return new
