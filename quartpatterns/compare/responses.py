"""Bring a response into a form in which two responses can be compared.

A value is only rewritten if its order has no meaning in the standard (``Allow``, ``Vary``, cookie
attributes), if it contains a time (``Expires``) or a signature
(:mod:`~quartpatterns.compare.cookies`), or if a case says so (``compare``, ``capture``, ``mask``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from html import escape
from html.parser import HTMLParser
from typing import Any

from quartpatterns.compare.case import BodyForm
from quartpatterns.compare.cookies import CookieReader, normalize_cookie, relative_time
from quartpatterns.compare.masking import BARE, Masks

# Headers of the server, hop by hop: RFC 9110 6.6.1 and 10.2.4, RFC 9112 6.1 and 9.3, RFC 7838.
SERVER_HEADERS = frozenset(
    {"alt-svc", "connection", "date", "keep-alive", "server", "transfer-encoding"}
)
# Lists whose order has no meaning (RFC 9110 10.2.1 and 12.5.5).
_UNORDERED = frozenset({"allow", "vary"})
_UNDECODED = re.compile("[\udc80-\udcff]")  # bytes, with the error handler surrogateescape
_WORD = re.compile(r"[^ \t\n\f\r]+")  # white space of HTML: a no-break space is none


@dataclass(frozen=True, slots=True)
class Response:
    """A response as it was received."""

    status: int  # 0 if the connection was closed before a status arrived
    headers: tuple[tuple[str, str], ...]  # names in lower case and values, in order
    body: bytes
    complete: bool = True  # whether the whole body was received
    error: str | None = None  # the exception of the application, if it is known
    received: float | None = None  # when; a POSIX timestamp
    method: str = "GET"  # of the request
    target: str = "/"  # of the request: path and query, percent-encoded

    @property
    def text(self) -> str:
        """The body as text, with an escape for each byte that is not UTF-8."""
        return self.body.decode(errors="backslashreplace")

    def values(self, name: str) -> list[str]:
        """Return the values of a header, in order; *name* is in lower case."""
        return [value for key, value in self.headers if key == name]

    @property
    def date(self) -> float | None:
        """The time in ``Date``, or that of the arrival; a POSIX timestamp."""
        try:
            return parsedate_to_datetime(self.values("date")[0]).timestamp()
        except (IndexError, ValueError):
            return self.received


@dataclass(frozen=True, slots=True)
class StepResult:
    """The response to one step, what is compared of it, and what the step awaits in vain."""

    response: Response
    aspects: Mapping[str, Any]
    errors: Mapping[str, str] = field(default_factory=dict[str, str])
    unverified: Set[str] = frozenset()  # names of signed cookies, the key of which is not known

    @property
    def has_length(self) -> bool:
        """Whether ``Content-Length`` is the length of the body."""
        return self.response.values("content-length") == [str(len(self.response.body))]


def places(response: Response, reader: CookieReader | None = None) -> dict[str, str]:
    """Return the texts of *response* in which values are found: ``body``, ``header:vary``.

    A byte of the body that is not UTF-8 is a lone surrogate.

    Arguments:
        response: The response.
        reader: Reads its signed cookies.
    """
    texts = {"body": response.body.decode(errors="surrogateescape")}
    for name in {name for name, _ in response.headers}:
        values = response.values(name)
        if name == "set-cookie":
            cookie_reader = reader or CookieReader()
            values = [normalize_cookie(value, cookie_reader, response.date) for value in values]
            # The order of one name has a meaning: the last cookie replaces the others.
            values.sort(key=lambda value: value.partition("=")[0])
        if name == "expires":
            values = [relative_time(value, response.date) for value in values]
        texts[f"header:{name}"] = _normalize_header(name, values)
    return texts


def aspects(
    response: Response,
    form: BodyForm,
    ignore: Iterable[str] = (),
    masks: Masks | None = None,
    reader: CookieReader | None = None,
) -> dict[str, Any]:
    """Return all that is compared of *response*, by aspect: ``status``, ``header:vary``, ``body``.

    A byte of the body that is not UTF-8 is a lone surrogate; :func:`printable` shows it.

    Arguments:
        response: The response.
        form: How the body is compared.
        ignore: Lower-case names of headers to leave out, beyond :data:`SERVER_HEADERS`.
        masks: The values that are replaced by their names. Where ``Content-Length`` is the length
            of the body, it becomes the length of the body with names.
        reader: Reads signed cookies.
    """
    masks = masks or Masks()
    found: dict[str, Any] = {"status": response.status, "complete": response.complete}
    ignored = {f"header:{name}" for name in SERVER_HEADERS.union(ignore)}
    texts = places(response, reader)
    for place in sorted(texts.keys() - ignored - {"body"}):
        found[place] = masks.replace(place, texts[place])
    if texts.get("header:content-length") == str(len(response.body)):
        length = len(response.body) - masks.surplus("body", texts["body"])
        found |= {"header:content-length": str(length)} if "header:content-length" in found else {}
    if form != "ignore":
        found["body"] = _masked_body(texts["body"], form, masks)
    return found


def _masked_body(text: str, form: BodyForm, masks: Masks) -> str:
    if form == "json":
        try:
            value = json.loads(masks.replace_in_json("body", text))
            return re.sub(f'"{BARE}(.*?){BARE}"', r"{\1}", canonical_json(value))
        except ValueError:
            pass
    return normalize_body(masks.replace("body", text), form)


def printable(text: str) -> str:
    r"""Return *text* with an escape such as ``\xff`` for each lone surrogate.

    Other text may contain the same escape: two texts that are equal in this form can differ.
    """
    text = _UNDECODED.sub(lambda match: f"\\x{ord(match[0]) - 0xDC00:02x}", text)
    return text.encode(errors="backslashreplace").decode()


def _normalize_header(name: str, values: list[str]) -> str:
    if name in _UNORDERED:
        tokens = (token.strip() for value in values for token in value.split(","))
        return ", ".join(sorted(tokens, key=str.lower))
    return "\n".join(values)


def normalize_body(text: str, form: BodyForm) -> str:
    """Return *text* in the form in which it is compared; invalid JSON remains text."""
    if form == "json":
        try:
            return canonical_json(json.loads(text))
        except ValueError:
            return text
    return normalize_html(text) if form == "html" else text


def canonical_json(value: Any) -> str:
    """Return *value* as JSON with sorted keys; 1, 1.0 and true remain different."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, indent=1)


def normalize_html(text: str) -> str:
    """Return *text* with one tag or one run of words on each line.

    Attributes are sorted and white space is normalized, except in ``pre``, ``textarea``,
    ``script`` and ``style``, where it is significant.
    """
    parser = _Normalizer()
    parser.feed(text)
    parser.close()
    return "\n".join(parser.lines)


class _Normalizer(HTMLParser):
    _VERBATIM = frozenset({"pre", "textarea", "script", "style"})

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._verbatim_depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        ordered = sorted(attrs, key=str)
        words = [tag, *(f"{key}={value!r}" if value else key for key, value in ordered)]
        self.lines.append(f"<{' '.join(words)}>")
        self._verbatim_depth += tag in self._VERBATIM

    def handle_endtag(self, tag: str) -> None:
        self.lines.append(f"</{tag}>")
        self._verbatim_depth -= tag in self._VERBATIM and self._verbatim_depth > 0

    def handle_data(self, data: str) -> None:
        data = data if self._verbatim_depth else " ".join(_WORD.findall(data))
        if data:
            # The parser has decoded it: without this, &lt;br&gt; would be equal to an element.
            self.lines.append(escape(data, quote=False))

    def handle_decl(self, decl: str) -> None:
        self.lines.append(f"<!{decl}>")

    def handle_comment(self, data: str) -> None:
        self.lines.append(f"<!--{data}-->")

    def handle_pi(self, data: str) -> None:
        self.lines.append(f"<?{data}>")

    def unknown_decl(self, data: str) -> None:
        self.lines.append(f"<![{data}]>")
