"""Declaring settings: the key, default, type, unit and meaning of each, in one place.

The settings of all helpers are declared in :mod:`quartpatterns._shared.settings_of`. That package
imports no helper, so ``configure()`` knows a setting even if its helper is not installed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from os import PathLike
from types import MappingProxyType
from typing import Any

__all__ = ["Declarations", "Path", "Seconds", "Setting", "SettingFamily", "Strings"]

_REQUIRED: Any = object()

Seconds = int | float | timedelta
"""The type of a number of seconds."""

Strings = list[str] | tuple[str, ...] | set | frozenset  # type: ignore[type-arg]
"""The type of several strings."""

Path = str | PathLike  # type: ignore[type-arg]
"""The type of a path."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting whose type is not the type of its default, or that has no default.

    Use it in the *defaults* of :func:`quartpatterns.appfactories.configure`:
    ``"PROXY": Setting(str | None, None)``. The ``SETTINGS`` of a helper are of this class too.

    Arguments:
        type: A class, a union, ``list[...]``, ``tuple[..., ...]``, ``dict[str, ...]`` or a
            ``Literal``.
        default: The value if no layer sets one. Without a default the setting is required.
        doc: What the setting means.
        unit: The unit of a number, such as ``bytes``.

    .. versionadded:: 0.1
    """

    type: Any
    default: Any = _REQUIRED
    doc: str = ""
    unit: str = ""

    @property
    def required(self) -> bool:
        """Whether the setting has no default."""
        return self.default is _REQUIRED


@dataclass(frozen=True, slots=True)
class SettingFamily:
    """Settings whose keys contain a name that the application chooses.

    Arguments:
        prefix: What each key starts with, such as ``UPLOADED_``.
        named: Whether a name follows the prefix, as in ``UPLOADED_PHOTOS_DEST``.
        members: The settings by the end of their keys, such as ``DEST``; or a function that
            returns them, if a library knows them.
        doc: What these settings mean, if the members do not say it.
    """

    prefix: str
    named: bool
    members: Mapping[str, Setting] | Callable[[], Mapping[str, Setting]]
    doc: str = ""

    def _members(self) -> Mapping[str, Setting]:
        return self.members() if callable(self.members) else self.members

    def get(self, key: str) -> Setting | None:
        """Return the setting with this key, or ``None``."""
        if not key.startswith(self.prefix):
            return None
        name = r"\w+?_" if self.named else ""
        for end, setting in self._members().items():
            if re.fullmatch(f"{re.escape(self.prefix)}{name}{re.escape(end)}", key):
                return setting
        return None

    def nearest(self, key: str) -> list[str]:
        """Return keys of the family that look like *key*, which is none."""
        if not key.startswith(self.prefix):
            return []
        parts = key.removeprefix(self.prefix).split("_")
        # The name may contain underscores as well.
        splits = range(1, len(parts)) if self.named else [0]
        return [
            self.prefix + "_".join([*parts[:split], end])
            for split in splits
            for end in difflib.get_close_matches("_".join(parts[split:]), self._members(), n=1)
        ]


class Declarations(Mapping[str, Setting]):
    """The settings of one helper, by key.

    It is a mapping, which :func:`quartpatterns.appfactories.configure` accepts as *defaults*.

    Arguments:
        settings: Each setting by its key.
        families: Settings whose keys contain a name.
        instead: Settings of the Flask extension that are not supported, and what to do instead.
        prefixes: What the keys start with that belong to this helper alone. A key with such a
            prefix that is not declared is misspelt.

    Attributes:
        defaults: The default of each setting.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        settings: Mapping[str, Setting],
        *,
        families: Iterable[SettingFamily] = (),
        instead: Mapping[str, str] = MappingProxyType({}),
        prefixes: tuple[str, ...] = (),
    ) -> None:
        self._settings = dict(settings)
        self.families = tuple(families)
        self.instead = instead
        self.prefixes = prefixes
        self.defaults: dict[str, Any] = {key: one.default for key, one in settings.items()}

    def __getitem__(self, key: str) -> Setting:
        return self._settings[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)

    def __repr__(self) -> str:
        return f"<settings {', '.join(self)}>"

    def find(self, key: str) -> Setting | None:
        """Return the setting with this key, also one of a family, or ``None``."""
        if key in self._settings:
            return self._settings[key]
        return next(filter(None, (family.get(key) for family in self.families)), None)
