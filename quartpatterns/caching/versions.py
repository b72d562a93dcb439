"""Versions: names on which what is kept depends, to be deleted in place of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["MONTH", "Tags", "call_version", "versions_of"]

Tags = Iterable[str] | Callable[..., Iterable[str]]
"""Names by which what is kept is found again, or a function of the arguments that gives them."""

MONTH = 30 * 86400.0
"""Seconds for which a version is remembered after the last use, at least."""


def call_version(key: str) -> str:
    """The version on which the one result under *key* depends."""
    return f"call:{key}"


def versions_of(
    tags: Tags, lifetime: float, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, float]:
    """The versions that stand for *tags*, and how long they are remembered."""
    named = tags(*args, **kwargs) if callable(tags) else tags
    return {f"tag:{tag}": max(lifetime, MONTH) for tag in named}
