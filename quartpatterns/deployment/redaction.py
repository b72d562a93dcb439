"""Keep secrets out of what is shown."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from urllib.parse import unquote
from urllib.parse import urlsplit

__all__ = ["redactor"]

SHORTEST = 4
"""A shorter value, such as ``1`` or ``yes``, would take every other word out of a text."""


def redactor(values: Iterable[str]) -> Callable[[str], str]:
    """A function that replaces each of *values* in a text by ``***``, and passwords in URLs."""
    secrets = {part for value in values for part in _parts(value) if len(part) >= SHORTEST}
    ordered = sorted(secrets, key=len, reverse=True)

    def redact(text: str) -> str:
        for secret in ordered:
            text = text.replace(secret, "***")
        return text

    return redact


def _parts(value: str) -> Iterable[str]:
    yield value
    yield repr(value)[1:-1]
    try:
        password = urlsplit(value).password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)
