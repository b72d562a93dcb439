"""The vocabulary of a comparison: what is asked, what is compared, and what may differ."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Arrangement", "BodyForm", "Case", "Difference", "File", "Pairs", "Step", "Where"]

BodyForm = Literal["text", "json", "html", "ignore"]
Pairs = Mapping[str, str] | Sequence[tuple[str, str]]
Where = Literal["everywhere", "in process", "on the wire"]

ASPECT = re.compile(r"status|complete|body|header:[!#$%&'*+.^_`|~0-9a-z-]+")


@dataclass(frozen=True, slots=True)
class File:
    """A file in a multipart form.

    Arguments:
        content: The bytes of the part.
        name: The file name the client sends; the empty string is what a browser sends when
            nothing was chosen.
        content_type: The media type of the part.
    """

    content: bytes
    name: str
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Step:
    """One request, and what is compared of its answer.

    At most one of *form* (with or without *files*), *json* and *body* is given. In *path*,
    *query*, *headers* and *form* a captured value is written as ``{name}``.

    Arguments:
        path: The path, and the query where it is part of the line, as they are to stand in the
            request line.
        method: The HTTP method.
        query: Added to the path, percent-encoded.
        headers: Headers to send; ``Host`` is ``localhost`` unless it is given here.
        form: Fields of a form: urlencoded, or multipart where there are *files*.
        files: Parts of a multipart form, by field name.
        json: A value to send as JSON. ``None`` sends none: ``body=b"null"`` sends null.
        body: Sent as it is: bytes with a ``Content-Length``, a sequence of bytes chunked, one
            chunk an item.
        compare: How bodies are compared. ``text`` is exact to the byte, ``json`` compares
            values, ``html`` elements, attributes and words whatever the white space between
            them; ``ignore`` compares nothing and wants a reason in the case's comment.
        ignore_headers: Lower-case names of headers that are not compared, beyond those that
            belong to the server.
        capture: Values to take out of the answer for later steps: a name, and a regular
            expression with one group that is searched in the body. As the two sides may make
            different values, each is compared as ``{name}`` wherever it stands.
        until: The request is repeated until the body has a match of this regular expression;
            the last answer is the one that counts.
        patience: Seconds that *until* may take.
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
    patience: float = field(default=15.0, kw_only=True)

    def __post_init__(self) -> None:
        form = self.form is not None or self.files is not None
        if form + (self.json is not None) + (self.body is not None) > 1:
            raise ValueError("a step sends one of form (with or without files), json and body")
        for name in ("query", "headers"):
            given = getattr(self, name)
            pairs = given.items() if isinstance(given, Mapping) else given
            object.__setattr__(self, name, tuple((key, value) for key, value in pairs))


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the port answers otherwise than the original, on purpose.

    Both answers are part of it: a difference that no longer holds fails the comparison, as an
    undeclared one does.

    Arguments:
        aspect: ``status``, ``body``, ``header:<lower-case name>``, or ``complete`` (whether the
            answer arrived whole).
        original: What the original answers: a value, ``None`` for a header that is absent, or a
            compiled regular expression that must match the whole text.
        port: What the port answers, in the same way.
        reason: One sentence, for the reader of the report.
        step: The index of the step.
        where: The transport on which it holds.
    """

    aspect: str
    original: Any
    port: Any
    reason: str
    step: int = 0
    where: Where = "everywhere"

    def __post_init__(self) -> None:
        if not ASPECT.fullmatch(self.aspect):
            raise ValueError(
                f"{self.aspect!r} is not an aspect: write status, body, complete or"
                " header:<lower-case name>"
            )
        if not self.reason:
            raise ValueError("a difference has a reason")


@dataclass(frozen=True, slots=True, init=False)
class Case:
    """One exchange, or a session of several with one cookie jar, that both must answer alike.

    Arguments:
        name: A few words, unique in the pattern.
        steps: The requests, in order.
        checks: The numbered demands of the pattern's README.md that this case proves.
        differs: The differences that are meant.
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
    """The configuration that original and port are created with.

    A ``cases.py`` whose applications need something to be there (a database, a broker, a
    worker) has an asynchronous context manager ``arrange(folder)`` that yields one of these and
    cleans up behind itself. The values must survive :func:`repr`, as servers are given them on
    a command line.
    """

    original: Mapping[str, Any] = field(default_factory=dict[str, Any])
    port: Mapping[str, Any] = field(default_factory=dict[str, Any])
