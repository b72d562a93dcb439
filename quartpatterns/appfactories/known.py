"""Which settings an application knows, and what each may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from .kinds import converted, is_kind

__all__ = ["Setting", "known_settings"]

_REQUIRED: Any = object()

# Settings of Quart's whose default does not say, or not wholly, what they may be.
_QUART: Mapping[str, Any] = MappingProxyType(
    {
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
)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a setting may be, where a default can't say it.

    Arguments:
        kind: A type, a union, ``list[...]``, ``dict[str, ...]`` or a ``Literal``.
        default: Its value where no layer has one; without it, one of them must.
    """

    kind: Any
    default: Any = _REQUIRED

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is _REQUIRED


def known_settings(
    config: Mapping[str, Any], defaults: Mapping[str, Any]
) -> tuple[dict[str, Setting], dict[str, Setting]]:
    """The settings that *config* has already, and those of *defaults*, by name.

    Raises:
        TypeError: *defaults* say something that can't be.
    """
    has = {key: Setting(_QUART.get(key, _kind(value)), value) for key, value in config.items()}
    return has, {key: _setting(key, default) for key, default in defaults.items()}


def _kind(value: object) -> Any:
    return Any if value is None else type(value)


def _setting(key: str, default: Any) -> Setting:
    if not key.isupper():
        raise TypeError(f"{key!r} is no name of a setting: write {key.upper()!r}")
    if default is None:
        raise TypeError(
            f"None does not say what {key} may be: write Setting(str | None, None),"
            " or whatever type it has"
        )
    setting = default if isinstance(default, Setting) else Setting(type(default), default)
    if not is_kind(setting.kind):
        raise TypeError(
            f"{key} can't be {setting.kind!r}: its kind is a type, a union of kinds, list[kind],"
            " dict[str, kind] or a Literal"
        )
    if setting.required:
        return setting
    try:
        return Setting(setting.kind, converted(setting.default, setting.kind))
    except ValueError as error:
        raise TypeError(f"the default of {key} {error}") from error
