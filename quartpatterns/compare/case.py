"""The data of a comparison: which requests are sent, what is compared, and what may differ."""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from quartpatterns import catalog

__all__ = [
    "Arrangement",
    "BodyForm",
    "Case",
    "Comparison",
    "Config",
    "Difference",
    "File",
    "Pairs",
    "Step",
    "Transport",
    "Where",
    "pattern_comparison",
]

BodyForm = Literal["text", "json", "html", "ignore"]
Config = Mapping[str, Any]
Pairs = Mapping[str, str] | Sequence[tuple[str, str]]
Transport = Literal["in process", "on the wire"]
Where = Literal["everywhere", "in process", "on the wire"]

_ASPECT = re.compile(r"status|complete|body|header:[!#$%&'*+.^_`|~0-9a-z-]+")


@dataclass(frozen=True, slots=True)
class File:
    """A file in a multipart form.

    Arguments:
        content: The bytes of the file.
        name: The file name. A browser sends an empty string if no file was selected.
        content_type: The media type.

    .. versionadded:: 0.1
    """

    content: bytes
    name: str
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Step:
    """One request, and what is compared of its response.

    Give at most one of *form* (with or without *files*), *json* and *body*. ``{name}`` in *path*,
    *query*, *headers* and *form* is replaced by the value that an earlier step captured.

    Arguments:
        path: The path, and optionally the query, exactly as in the request line.
        method: The HTTP method.
        query: Added to the path, percent-encoded.
        headers: Request headers. ``Host`` is ``localhost`` by default.
        form: Form fields: URL-encoded, or multipart if there are *files*.
        files: Files of a multipart form, by field name.
        json: A value to send as JSON. ``None`` sends no body; ``body=b"null"`` sends null.
        body: Bytes, sent with a ``Content-Length``, or a sequence of bytes, sent as chunks.
        compare: How bodies are compared. ``text`` compares every byte, ``json`` values, ``html``
            elements, attributes and words but not white space. ``ignore`` compares no bodies;
            say why in a comment.
        ignore_headers: Lower-case names of response headers that are not compared.
        capture: Values to take from the body for later steps: by name, a regular expression with
            one group. The two applications may generate different values, so each is compared as
            ``{name}`` wherever it occurs.
        until: Repeat the request until the body matches this regular expression. Only the last
            response is compared.
        timeout: Seconds after which *until* gives up.

    .. versionadded:: 0.1
    """

    path: str = "/"
    method: str = field(default="GET", kw_only=True)
    query: Pairs = field(default=(), kw_only=True)
    headers: Pairs = field(default=(), kw_only=True)
    form: Mapping[str, str | Sequence[str]] | None = field(default=None, kw_only=True)
    files: Mapping[str, File] | None = field(default=None, kw_only=True)
    json: Any = field(default=None, kw_only=True)
    body: bytes | Sequence[bytes] | None = field(default=None, kw_only=True)
    compare: BodyForm = field(default="text", kw_only=True)
    ignore_headers: tuple[str, ...] = field(default=(), kw_only=True)
    capture: Mapping[str, str] = field(default_factory=dict[str, str], kw_only=True)
    until: str | None = field(default=None, kw_only=True)
    timeout: float = field(default=60.0, kw_only=True)

    def __post_init__(self) -> None:
        form = self.form is not None or self.files is not None
        if form + (self.json is not None) + (self.body is not None) > 1:
            raise ValueError(
                "a step can have only one body: form (with or without files), json or body"
            )
        for name in ("query", "headers"):
            given = getattr(self, name)
            pairs = given.items() if isinstance(given, Mapping) else given
            object.__setattr__(self, name, tuple((key, value) for key, value in pairs))


@dataclass(frozen=True, slots=True)
class Difference:
    """An intended difference between the responses of the original and the port.

    It contains both values. If one of them no longer holds, the comparison fails, as it does for a
    difference that is not declared.

    Arguments:
        aspect: ``status``, ``body``, ``header:<lower-case name>``, or ``complete`` (whether the
            whole response arrived).
        original: The value of the original, ``None`` for a missing header, or a compiled regular
            expression that must match the whole text.
        port: The value of the port, in the same form.
        reason: One sentence for the reader of the report.
        step: The index of the step.
        where: The transport on which the difference occurs.

    .. versionadded:: 0.1
    """

    aspect: str
    original: Any
    port: Any
    reason: str
    step: int = 0
    where: Where = "everywhere"

    def __post_init__(self) -> None:
        if not _ASPECT.fullmatch(self.aspect):
            raise ValueError(
                f"{self.aspect!r} is not an aspect: write status, body, complete or"
                " header:<lower-case name>"
            )
        if not self.reason:
            raise ValueError("a difference needs a reason")


@dataclass(frozen=True, slots=True, init=False)
class Case:
    """A request, or a session of several requests, with equal responses from both applications.

    The requests of a session share their cookies.

    Arguments:
        name: A few words, unique in the pattern.
        steps: The requests, in order.
        checks: The ids of the checks in the pattern's README.md that this case proves.
        differs: The intended differences.

    .. versionadded:: 0.1
    """

    name: str
    steps: tuple[Step, ...]
    checks: tuple[str, ...]
    differs: tuple[Difference, ...]

    def __init__(
        self,
        name: str,
        *steps: Step,
        checks: Sequence[str] = (),
        differs: Sequence[Difference] = (),
    ) -> None:
        if not steps:
            raise ValueError(f"case {name!r} has no step")
        for difference in differs:
            if not 0 <= difference.step < len(steps):
                raise ValueError(f"case {name!r} has no step {difference.step}")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "checks", tuple(checks))
        object.__setattr__(self, "differs", tuple(differs))


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The configuration that the original and the port are created with.

    If the applications of a ``cases.py`` need a database, a broker or a worker, it defines an
    asynchronous context manager ``arrange(folder)``. It starts them, yields an ``Arrangement``, and
    stops them. The :func:`repr` of each value must be a literal: servers receive it as text.

    Arguments:
        original: The configuration of the original.
        port: The configuration of the port.

    .. versionadded:: 0.1
    """

    original: Config = field(default_factory=dict[str, Any])
    port: Config = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two applications and the cases to compare them with.

    Arguments:
        name: The name in reports.
        original: The name of the original, as
            :func:`~quartpatterns.compare.applications.load_application` takes it.
        port: The name of the port.
        cases: The cases.
        arrange: See :class:`Arrangement`. Without it, both are created without a configuration.
    """

    name: str
    original: str
    port: str
    cases: Sequence[Case]
    arrange: Callable[[Path], AbstractAsyncContextManager[Arrangement]] | None = None

    @contextlib.asynccontextmanager
    async def configurations(
        self, folder: Path
    ) -> AsyncIterator[tuple[Config | None, Config | None]]:
        """Start what the applications need, and yield the configurations of original and port."""
        if self.arrange is None:
            yield None, None
            return
        async with self.arrange(folder) as arrangement:
            yield arrangement.original, arrangement.port


def pattern_comparison(name: str) -> Comparison:
    """Return the comparison of the pattern *name*.

    Raises:
        LookupError: No such pattern.
    """
    catalog.get(name)
    example = f"quartpatterns.{name}.example"
    cases = importlib.import_module(f"{example}.cases")
    original, port = f"{example}.original:create_app", f"{example}.port:create_app"
    return Comparison(name, original, port, cases.CASES, getattr(cases, "arrange", None))
