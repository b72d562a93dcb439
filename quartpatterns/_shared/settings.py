"""Reading and validating settings: the same rules and the same error style for all helpers."""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar, cast
from urllib.parse import urlsplit

from quart import Quart

__all__ = ["SettingError", "SettingsReader", "apply_defaults", "invalid_setting", "refuse_unknown"]

P = ParamSpec("P")
T = TypeVar("T")

_LONGEST = 100
"""Characters of a value that a message shows."""

# A form reads lists of strings several times, and a union would be made at each call.
_SEQUENCES = (list, tuple)
_LISTS = (*_SEQUENCES, set, frozenset)
_type: Callable[[Any], type[object]] = type

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_PARSE_HINT = (
    "Environment variables are strings: app.config.from_prefixed_env() parses them, other code"
    " has to convert them."
)


class SettingError(ValueError):
    """A setting has an invalid value, or is not supported.

    Arguments:
        key: The key of the setting, which stays available as an attribute.
        message: What is wrong and what to write instead.
    """

    def __init__(self, key: str, message: str) -> None:
        super().__init__(key, message)
        self.key = key
        self.message = message

    def __str__(self) -> str:
        """Return the message."""
        return self.message


@dataclass(frozen=True, slots=True)
class SettingsReader:
    """Reads validated settings from a configuration.

    Every method takes a key, returns the value of that setting and raises
    :class:`SettingError` if the value is invalid.

    Arguments:
        config: The configuration, such as ``app.config``.
        defaults: The values of settings that the configuration doesn't have.
    """

    config: Mapping[str, Any]
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def value(self, key: str) -> Any:
        """Return the value as it is.

        Raises:
            SettingError: Neither the configuration nor the defaults have the key.
        """
        if key in self.config:
            return self.config[key]
        if key in self.defaults:
            return self.defaults[key]
        raise SettingError(key, f"{key} must be set.")

    def optional(
        self,
        read: Callable[Concatenate[str, P], T],
        key: str,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T | None:
        """Return None if the value is None, else what *read* returns.

        For example: ``reader.optional(reader.seconds, "CACHE_TIMEOUT", zero=True)``.

        Arguments:
            read: A method of this reader.
            key: The key, which is passed to *read* with the other arguments.
        """
        return None if self.value(key) is None else read(key, *args, **kwargs)

    def count(self, key: str, *, minimum: int = 1, maximum: int | None = None) -> int:
        """Return a whole number; a float, a bool and a string are invalid."""
        return self._whole_number(key, "a whole number", minimum, maximum)

    def size(self, key: str, *, minimum: int = 1, maximum: int | None = None) -> int:
        """Return a whole number of bytes."""
        return self._whole_number(key, "a whole number of bytes,", minimum, maximum)

    def seconds(self, key: str, *, zero: bool = False) -> float:
        """Return seconds, which are set as a finite number or a ``timedelta``.

        Arguments:
            key: The key.
            zero: Whether 0 is valid.
        """
        value = self.value(key)
        number = value.total_seconds() if isinstance(value, timedelta) else value
        if isinstance(number, int | float) and not isinstance(number, bool):
            seconds = _float(number)
            if math.isfinite(seconds) and (seconds > 0 or (zero and seconds == 0)):
                return seconds
        bound = "0 or more" if zero else "more than 0"
        raise invalid_setting(key, f"a number of seconds or a timedelta, {bound}", value)

    def boolean(self, key: str) -> bool:
        """Return a bool; no other type is valid, because ``"false"`` is true in Python."""
        value = self.value(key)
        if isinstance(value, bool):
            return value
        raise invalid_setting(key, "True or False", value, parsed=True)

    def choice(self, key: str, choices: Sequence[T]) -> T:
        """Return the one of *choices* that the value equals; the types have to match."""
        value = self.value(key)
        for one in choices:
            if type(one) is type(value) and one == value:
                return one
        raise invalid_setting(key, _either(choices), value, parsed=False)

    def text(
        self, key: str, *, empty: bool = False, example: str | None = None, secret: bool = False
    ) -> str:
        """Return a string.

        Arguments:
            key: The key.
            empty: Whether an empty string is valid.
            example: A valid value, for the message.
            secret: Whether the message must not show the value.
        """
        value = self.value(key)
        if isinstance(value, str) and (value or empty):
            return value
        requirement = "a string" if empty else "a string that is not empty"
        raise invalid_setting(key, _with_example(requirement, example), value, secret=secret)

    def path(self, key: str, *, example: str | None = None) -> str:
        """Return a path as a string; it is set as a string or an ``os.PathLike``."""
        value: Any = self.value(key)
        try:
            path = cast("object", os.fspath(value))
        except TypeError:
            path = None
        if isinstance(path, str) and path:
            return path
        raise invalid_setting(key, _with_example("a path", example), value)

    def url(self, key: str, schemes: Sequence[str], *, example: str | None = None) -> str:
        """Return a URL; no message shows the value, as it may contain a password.

        Arguments:
            key: The key.
            schemes: The valid schemes, such as ``redis`` and ``rediss``.
            example: A valid value, for the message.
        """
        value = self.value(key)
        if isinstance(value, str):
            match = _SCHEME.match(value)
            if match and match[1].lower() in schemes:
                if not _has_valid_port(value):
                    raise invalid_setting(
                        key, "a URL with a valid host and a port up to 65535", value, secret=True
                    )
                return value
        starts = _either([f"{scheme}://" for scheme in schemes], quoted=False)
        requirement = _with_example(f"a URL that starts with {starts}", example)
        raise invalid_setting(key, requirement, value, secret=True)

    def strings(self, key: str) -> tuple[str, ...]:
        """Return several strings, which are set as a list, a tuple or a set.

        A single string is invalid, because Python would iterate over its characters. The strings
        of a set are sorted.
        """
        value: Any = self.value(key)
        if issubclass(_type(value), _LISTS) and all([isinstance(item, str) for item in value]):
            return tuple(value if issubclass(_type(value), _SEQUENCES) else sorted(value))
        raise invalid_setting(key, "a list or tuple of strings", value)

    def mapping(self, key: str, *, secret: bool = False) -> dict[str, Any]:
        """Return a copy of a mapping whose keys are strings.

        Arguments:
            key: The key.
            secret: Whether the message must not show the value.
        """
        value: Any = self.value(key)
        if issubclass(cast("type[object]", type(value)), Mapping):
            if all(isinstance(name, str) for name in value):
                return dict(value)
        raise invalid_setting(key, "a mapping with strings as keys", value, secret=secret)

    def _whole_number(self, key: str, what: str, minimum: int, maximum: int | None) -> int:
        value = self.value(key)
        if (
            isinstance(value, int)
            and not isinstance(value, bool)
            and value >= minimum
            and (maximum is None or value <= maximum)
        ):
            return value
        bound = f"{minimum} or more" if maximum is None else f"{minimum} to {maximum}"
        preposition = " " if what.endswith(",") else " of "
        raise invalid_setting(key, f"{what}{preposition}{bound}", value)


def invalid_setting(
    key: str, requirement: str, value: object, *, secret: bool = False, parsed: bool | None = None
) -> SettingError:
    """Return the error for an invalid value: ``KEY must be <requirement>, not <value>.``

    Arguments:
        key: The key of the setting.
        requirement: What is valid.
        value: The invalid value.
        secret: Whether the message must not show the value; it shows the type.
        parsed: Whether a string may be a value that nobody has parsed, which the message then
            explains. By default, strings that look like numbers are.
    """
    if secret and isinstance(value, str):
        hidden = "The value is not shown because it may contain a secret."
        return SettingError(key, f"{key} must be {requirement}. {hidden}")
    shown = f"a value of type {type(value).__name__}" if secret else _shown(value)
    message = f"{key} must be {requirement}, not {shown}."
    if isinstance(value, str):
        if parsed or (parsed is None and _is_number(value)):
            message = f"{message} {_PARSE_HINT}"
    return SettingError(key, message)


def apply_defaults(app: Quart, defaults: Mapping[str, Any]) -> None:
    """Set the settings in *defaults* that the configuration of *app* doesn't have.

    Lists, sets and dictionaries are copied, so that two applications don't share one.
    """
    config = cast("dict[str, Any]", app.config)
    for key, value in defaults.items():
        if key not in config:
            mutable = issubclass(cast("type[object]", type(value)), dict | list | set)
            config[key] = value.copy() if mutable else value


def refuse_unknown(
    config: Iterable[str],
    prefixes: str | tuple[str, ...],
    known: Collection[str],
    instead: Mapping[str, str] | None = None,
) -> None:
    """Raise an error if a setting has one of the prefixes but is not known.

    Arguments:
        config: The configuration, or only its keys.
        prefixes: What the keys of a helper start with, such as ``"SQLITE_"``.
        known: The keys that the helper reads.
        instead: Settings of the Flask extension that the helper doesn't support, with or without
            the prefix, and for each a sentence that says what to use instead.

    Raises:
        SettingError: A setting is not supported or not known; the message names the remedy.
    """
    instead = instead or {}
    for key in sorted(config):
        if key in known:
            continue
        if key in instead:
            raise SettingError(key, f"{key} is not supported: {instead[key].rstrip('.')}.")
        if key.startswith(prefixes):
            if close := difflib.get_close_matches(key, known, n=1):
                raise SettingError(key, f"{key} is unknown; did you mean {close[0]}?")
            names = ", ".join(sorted(known))
            raise SettingError(key, f"{key} is unknown. The settings are {names}.")


def _has_valid_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:  # an int that is larger than any float
        return math.inf


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _with_example(requirement: str, example: str | None) -> str:
    return requirement if example is None else f"{requirement}, for example {example!r}"


def _either(choices: Sequence[object], *, quoted: bool = True) -> str:
    names = [repr(one) if quoted else str(one) for one in choices]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
