"""The data of a comparison: which requests are sent, what is compared, and what may differ."""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, get_args

from quartpatterns import catalog

__all__ = [
    "Arrangement",
    "BodyForm",
    "Capture",
    "Case",
    "Close",
    "Comparison",
    "Config",
    "Difference",
    "File",
    "Kind",
    "Pairs",
    "Receive",
    "Send",
    "Step",
    "Transport",
    "Where",
    "pattern_comparison",
    "same_settings",
]

BodyForm = Literal["text", "json", "html", "ignore"]
Config = Mapping[str, Any]
Kind = Literal["security", "input", "http", "interface", "text"]
Pairs = Mapping[str, str] | Sequence[tuple[str, str]]
Transport = Literal["in process", "on the wire"]
Where = Literal["everywhere", "in process", "on the wire", "hypercorn", "uvicorn", "granian"]

_HEADER = r"header:[!#$%&'*+.^_`|~0-9a-z-]+"
_ASPECT = re.compile(rf"status|complete|body|{_HEADER}")
# What a declared regular expression must not match: most of the first, all of another.
_RANDOM = "Zk3vQ9wL0sXbT7uYhR2mNc8dJf5gAeKpV1oWiC4q"
_UNRELATED_TEXTS = ("", "0", "x", "text/html", "Internal Server Error", "<p>No</p>", _RANDOM)
_NUMBERS = ("0", "7", "265", "1048576")
_WORDS = ("x", "index", _RANDOM)
_PLACE = re.compile(rf"body|{_HEADER}")


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
class Capture:
    """A part of a response: what the group of a regular expression matches.

    Arguments:
        pattern: A regular expression with one group.
        place: ``body``, or ``header:<lower-case name>``. The text of a header is the one that is
            compared: that of ``Set-Cookie`` has the content of a signed cookie.

    Raises:
        ValueError: The pattern has no group or several, or there is no such place.

    .. versionadded:: 0.1
    """

    pattern: str
    place: str = "body"

    def __post_init__(self) -> None:
        groups = _check_pattern(self.pattern)
        if groups != 1:
            raise ValueError(
                f"{self.pattern!r} has {groups} groups: put the value into (...), and everything"
                " else that needs parentheses into (?:...)"
            )
        if not _PLACE.fullmatch(self.place):
            raise ValueError(
                f"{self.place!r} is not a place: write body or header:<lower-case name>"
            )

    @classmethod
    def of(cls, given: str | Capture) -> Capture:
        """Return *given*, or the part of the body that it matches."""
        return cls(given) if isinstance(given, str) else given


def _check_pattern(pattern: str) -> int:
    """Return the number of groups of *pattern*."""
    try:
        return re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error


@dataclass(frozen=True, slots=True)
class Send:
    """A part of a websocket conversation: the client sends a message.

    Arguments:
        data: The message, text or binary.

    .. versionadded:: 0.1
    """

    data: str | bytes


@dataclass(frozen=True, slots=True)
class Receive:
    """A part of a conversation: wait for what the application sends.

    Arguments:
        until: A regular expression. In a stream it is searched in the text that has arrived since
            the last part, and what follows the match is left for the next one, so let it end with
            something definite, such as ``\\n``. In a websocket messages are received until one
            matches. Without it, it is the rest of a stream, or one message of a websocket.

    .. versionadded:: 0.1
    """

    until: str | None = None

    def __post_init__(self) -> None:
        if self.until is not None:
            _check_pattern(self.until)


@dataclass(frozen=True, slots=True)
class Close:
    """The last part of a conversation: the client closes the connection.

    Arguments:
        code: The close code of a websocket.

    .. versionadded:: 0.1
    """

    code: int = 1000


@dataclass(frozen=True, slots=True)
class Step:
    """One request, and what is compared of its response.

    Give at most one of *form* (with or without *files*), *json* and *body*. ``{name}`` in *path*,
    *query*, *headers* and *form* is replaced by the value that a step before captured.

    Arguments:
        path: The path, and optionally the query, exactly as in the request line.
        method: The HTTP method.
        query: Added to the path, percent-encoded.
        headers: Request headers. ``Host`` is ``localhost`` by default.
        cookies: Cookies of the client, in addition to those that responses have set. They are sent
            as they are given, unless a response has set one of that name.
        form: Form fields: URL-encoded, or multipart if there are *files*.
        files: Files of a multipart form, by field name.
        json: A value to send as JSON. ``None`` sends no body; ``body=b"null"`` sends null.
        body: Bytes, sent with a ``Content-Length``, or a sequence of bytes, sent as chunks.
        compare: How bodies are compared. ``text`` compares every byte, ``json`` values, ``html``
            elements, attributes and words but not white space. ``ignore`` compares no bodies.
        reason: Why no bodies are compared, for ``compare="ignore"``.
        ignore_headers: Lower-case names of response headers that are not compared.
        capture: Values that the two applications generate, such as ids: by name, a regular
            expression for the body, or a :class:`Capture`. What the group matches is compared as
            ``{name}``, and used in later steps. It is an error if nothing matches.
        mask: Where captured values occur again, by name. If a group matches the captured value, it
            is compared as ``{name}``; other text remains. It is an error if nothing matches.
        expected: The response of an extra, a request that only the port can answer: values by
            aspect, as a :class:`Difference` has them, at least of ``status`` and ``body``.
        until: Repeat the request until the body matches this regular expression. Only the last
            response is compared.
        websocket: Open a websocket, and do this. The close code of the application is compared, if
            the last part is not a :class:`Close`. The status of an open websocket is 101.
        stream: Read the body in these parts, and send other requests in between, while it is open.
            If the last part is not a :class:`Close`, the body is read to its end.
        timeout: Seconds for the response, for *until*, and for each part of a conversation; more is
            an error.

    Raises:
        ValueError: The arguments contradict each other.

    .. versionadded:: 0.1
    """

    path: str = "/"
    method: str = field(default="GET", kw_only=True)
    query: Pairs = field(default=(), kw_only=True)
    headers: Pairs = field(default=(), kw_only=True)
    cookies: Pairs = field(default=(), kw_only=True)
    form: Mapping[str, str | Sequence[str]] | None = field(default=None, kw_only=True)
    files: Mapping[str, File] | None = field(default=None, kw_only=True)
    json: Any = field(default=None, kw_only=True)
    body: bytes | Sequence[bytes] | None = field(default=None, kw_only=True)
    compare: BodyForm = field(default="text", kw_only=True)
    reason: str = field(default="", kw_only=True)
    ignore_headers: tuple[str, ...] = field(default=(), kw_only=True)
    capture: Mapping[str, str | Capture] = field(
        default_factory=dict[str, "str | Capture"], kw_only=True
    )
    mask: Mapping[str, Sequence[str | Capture]] = field(
        default_factory=dict[str, "Sequence[str | Capture]"], kw_only=True
    )
    expected: Mapping[str, Any] | None = field(default=None, kw_only=True)
    until: str | None = field(default=None, kw_only=True)
    websocket: Sequence[Send | Receive | Close] | None = field(default=None, kw_only=True)
    stream: Sequence[Receive | Step | Close] | None = field(default=None, kw_only=True)
    timeout: float = field(default=60.0, kw_only=True)

    def __post_init__(self) -> None:
        if self._bodies > 1:
            raise ValueError(
                "a step can have only one body: form (with or without files), json or body"
            )
        for name in ("query", "headers", "cookies"):
            given = getattr(self, name)
            pairs = given.items() if isinstance(given, Mapping) else given
            object.__setattr__(self, name, tuple((key, value) for key, value in pairs))
        if (self.compare == "ignore") != bool(self.reason):
            raise ValueError(
                'reason is for compare="ignore": this step compares the body'
                if self.reason
                else 'compare="ignore" needs a reason; values that differ can be captured instead'
            )
        if "set-cookie" in self.ignore_headers:
            raise ValueError(
                "set-cookie can't be ignored: capture what the applications generate, with"
                ' Capture(..., place="header:set-cookie")'
            )
        self._check_names()
        self._check_expected()
        self._check_conversation()

    @property
    def _bodies(self) -> int:
        form = self.form is not None or self.files is not None
        return form + (self.json is not None) + (self.body is not None)

    def _check_conversation(self) -> None:
        if self.websocket is None and self.stream is None:
            return
        if self.websocket is not None and self.stream is not None:
            raise ValueError("a step is a websocket or a stream, and not both")
        if self.until is not None or self.compare in ("json", "html"):
            raise ValueError(
                "a websocket or a stream is compared as text, and its parts have until:"
                " leave out compare and until"
            )
        parts = self.stream or self.websocket or ()
        if any(isinstance(part, Close) for part in parts[:-1]):
            raise ValueError("Close is the last part of a conversation")
        inner = [part for part in parts if isinstance(part, Step)]
        if any(step.stream is not None or step.expected is not None for step in inner):
            raise ValueError("a step in a stream can't have stream or expected")
        wrong = Send if self.websocket is None else Step
        if any(isinstance(part, wrong) for part in parts):
            raise ValueError(
                "a websocket has the parts Send, Receive and Close; a stream has Receive, Step and"
                " Close"
            )
        if self.websocket is not None and self.method != "GET":
            raise ValueError("a websocket is opened with GET")
        if self.websocket is not None and self._bodies:
            raise ValueError("a websocket is opened without a body: leave out form, json and body")

    def _check_names(self) -> None:
        for name in {*self.capture, *self.mask}:
            if not name.isidentifier():
                raise ValueError(f"{name!r} is not a name that {{name}} can have: use letters")
        for name, masks in self.mask.items():
            if isinstance(masks, str | Capture) or not masks:
                raise ValueError(f"mask needs a list of regular expressions for {name!r}")
        for given in (
            *self.capture.values(),
            *(one for each in self.mask.values() for one in each),
        ):
            Capture.of(given)

    def _check_expected(self) -> None:
        if self.expected is None:
            return
        for aspect, value in self.expected.items():
            _check_aspect(aspect)
            _check_value(value)
        if missing := {"status", "body"} - self.expected.keys():
            raise ValueError(f"expected has no {' and no '.join(sorted(missing))}")


@dataclass(frozen=True, slots=True)
class Difference:
    """An intended difference between the responses of the original and the port.

    It contains both values. If one of them no longer holds, the comparison fails, as it does for a
    difference that is not declared. A ``Content-Length`` that is the length of a body needs no
    difference where that of the body is declared.

    Arguments:
        aspect: ``status``, ``body``, ``header:<lower-case name>``, or ``complete`` (whether the
            whole response arrived).
        original: The value of the original, ``None`` for a missing header, or a compiled regular
            expression that must match the whole text, and not nearly any text.
        port: The value of the port, in the same form.
        reason: One sentence for the reader of the report.
        kind: ``security``: the port refuses, escapes or hides what the original lets through.
            ``input``: the original fails or misreads unusual input, and the port does not.
            ``http``: status, header or method are nearer to the standard. ``interface``: it follows
            from ASGI and WSGI, or from the server. ``text``: the same meaning in other words.
        step: The index of the step.
        where: The transport on which the difference occurs, or the server of the port.

    .. versionadded:: 0.1
    """

    aspect: str
    original: Any
    port: Any
    reason: str
    step: int = 0
    where: Where = "everywhere"
    kind: Kind | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_aspect(self.aspect)
        _check_value(self.original)
        _check_value(self.port)
        if not self.reason:
            raise ValueError("a difference needs a reason")
        if self.kind is not None and self.kind not in get_args(Kind):
            raise ValueError(f"{self.kind!r} is not a kind: write {', '.join(get_args(Kind))}")


def _check_aspect(aspect: str) -> None:
    if not _ASPECT.fullmatch(aspect):
        raise ValueError(
            f"{aspect!r} is not an aspect: write status, body, complete or header:<lower-case name>"
        )


def _check_value(value: Any) -> None:
    """Raise :exc:`ValueError` if *value* is a regular expression that nearly any text matches."""
    if not isinstance(value, re.Pattern):
        return

    def matches(text: str) -> bool:
        return any(value.fullmatch(each) for each in (text, f"{text}\n"))

    texts = sum(map(matches, _UNRELATED_TEXTS))
    if (
        2 * texts > len(_UNRELATED_TEXTS)
        or all(map(matches, _NUMBERS))
        or all(map(matches, _WORDS))
    ):
        raise ValueError(
            f"{value.pattern!r} matches nearly any text, so that a wrong answer passes: write the"
            " value, or words that only the right answer has, as in (?s).*Not Found.*; a right"
            " Content-Length needs no difference, if that of the body is declared"
        )


@dataclass(frozen=True, slots=True, init=False)
class Case:
    """A request, or a session of several requests, with equal responses from both applications.

    The requests of a session share their cookies. A case whose steps have ``expected`` is an extra:
    it is sent to the port alone.

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
        extra = [step.expected is not None for step in steps]
        if any(extra) and not all(extra):
            raise ValueError(f"case {name!r}: expected is for all of its steps or for none")
        if any(extra) and differs:
            raise ValueError(f"case {name!r} is an extra of the port, which differs from nothing")
        captured: set[str] = set()
        for index, step in enumerate(steps):
            inner = [part for part in step.stream or () if isinstance(part, Step)]
            for each in (*inner, step):  # in the order of their responses
                captured |= each.capture.keys()
                for missing in each.mask.keys() - captured:
                    raise ValueError(
                        f"case {name!r}: step {index} masks {missing!r}, not captured yet"
                    )
        for difference in differs:
            if not 0 <= difference.step < len(steps):
                raise ValueError(f"case {name!r} has no step {difference.step}")
        for first, second in combinations(differs, 2):
            if (first.step, first.aspect) != (second.step, second.aspect):
                continue
            if "everywhere" in (first.where, second.where) or first.where == second.where:
                raise ValueError(
                    f"case {name!r} declares two differences of {first.aspect} in step {first.step}"
                )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "checks", tuple(checks))
        object.__setattr__(self, "differs", tuple(differs))

    @property
    def extra(self) -> bool:
        """Whether it is sent to the port alone."""
        return self.steps[0].expected is not None


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


Arrange = Callable[[Path], AbstractAsyncContextManager[Arrangement]]


def same_settings(**settings: Any) -> Arrange:
    """Return an ``arrange`` function that creates both applications with the same settings.

    .. code-block:: python

        arrange = same_settings(TRUSTED_HOSTS=["localhost"])

    Arguments:
        settings: The settings by name.

    .. versionadded:: 0.1
    """

    return partial(_arrange, settings)


@contextlib.asynccontextmanager
async def _arrange(settings: Config, folder: Path) -> AsyncIterator[Arrangement]:
    yield Arrangement(settings, settings)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two applications and the cases to compare them with.

    Arguments:
        name: The name in reports.
        original: The name of the original, as
            :func:`~quartpatterns.compare.applications.load_application` takes it.
        port: The name of the port.
        cases: The cases, with the extras of the port.
        arrange: See :class:`Arrangement`. Without it, both are created without a configuration.
    """

    name: str
    original: str
    port: str
    cases: Sequence[Case]
    arrange: Arrange | None = None

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
    """Return the comparison of the pattern *name*: ``CASES`` and ``EXTRAS`` of its ``cases.py``.

    Raises:
        LookupError: No such pattern.
        ValueError: An extra is not in ``EXTRAS``, or another case is.
    """
    catalog.get(name)
    example = f"quartpatterns.{name}.example"
    cases = importlib.import_module(f"{example}.cases")
    original, port = f"{example}.original:create_app", f"{example}.port:create_app"
    extras: Sequence[Case] = getattr(cases, "EXTRAS", ())
    misplaced = [case for case in cases.CASES if case.extra]
    misplaced += [case for case in extras if not case.extra]
    for case in misplaced:
        raise ValueError(
            f"{name}: {case.name!r}: cases with expected values, and only they, are EXTRAS"
        )
    return Comparison(
        name, original, port, (*cases.CASES, *extras), getattr(cases, "arrange", None)
    )
