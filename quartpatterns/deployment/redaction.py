"""Keep secrets out of what is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import unquote, urlsplit

from quartpatterns.deployment.errors import DeploymentError
from quartpatterns.deployment.onhost.environment import parse
from quartpatterns.deployment.settings import Host

__all__ = ["redactor", "secrets_of"]

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


def secrets_of(host: Host) -> list[str]:
    """The values in the environment of *host*.

    Raises:
        DeploymentError: The file can't be used.
    """
    if not host.environment:
        return []
    try:
        return list(parse(host.environment.read_text(encoding="utf-8")).values())
    except OSError as error:
        raise DeploymentError(
            f"{host.environment} can't be read ({error.strerror}): put the environment of"
            f" {host.name} there, or correct the setting environment"
        ) from error
    except ValueError as error:
        raise DeploymentError(f"{host.environment}: {error}") from error


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
