"""Bring a response into a form in which two responses can be compared.

A value is only rewritten if its order has no meaning in the standard (``Allow``, ``Vary``, cookie
attributes), if it contains a time or a random number (the signature of a signed cookie), or if a
case says so (``compare``, ``capture``).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from quartpatterns.compare.case import BodyForm

# Headers of the server, hop by hop: RFC 9110 6.6.1 and 10.2.4, RFC 9112 6.1 and 9.3, RFC 7838.
SERVER_HEADERS = frozenset(
    {"alt-svc", "connection", "date", "keep-alive", "server", "transfer-encoding"}
)
# Lists whose order has no meaning (RFC 9110 10.2.1 and 12.5.5).
_UNORDERED = frozenset({"allow", "vary"})
# itsdangerous: payload, timestamp, and a SHA-1 signature of 20 bytes, all in URL-safe base64.
_SIGNED = re.compile(r"(?P<compressed>\.?)(?P<payload>[\w-]+)\.[\w-]{4,8}\.[\w-]{27}")


@dataclass(frozen=True, slots=True)
class Response:
    """A response as it was received."""

    status: int  # 0 if the connection was closed before a status arrived
    headers: tuple[tuple[str, str], ...]  # names in lower case and values, in order
    body: bytes
    complete: bool = True  # whether the whole body was received
    error: str | None = None  # the exception of the application, if it is known

    @property
    def text(self) -> str:
        """The body as text, with an escape for each byte that is not UTF-8."""
        return self.body.decode(errors="backslashreplace")


def aspects(
    response: Response, form: BodyForm, ignore: Iterable[str] = (), captured: Mapping[str, str] = {}
) -> dict[str, Any]:
    """Return all that is compared of *response*, by aspect: ``status``, ``header:vary``, ``body``.

    Arguments:
        response: The response.
        form: How the body is compared.
        ignore: Lower-case names of headers to leave out, beyond :data:`SERVER_HEADERS`.
        captured: Captured values by name. Each occurrence is replaced by ``{name}``.
    """

    def mask(text: str) -> str:
        for name, value in captured.items():
            text = text.replace(value, f"{{{name}}}") if value else text
        return text

    found: dict[str, Any] = {"status": response.status, "complete": response.complete}
    for name in sorted({name for name, _ in response.headers} - SERVER_HEADERS.union(ignore)):
        values = [value for key, value in response.headers if key == name]
        found[f"header:{name}"] = mask(_normalize_header(name, values))
    if form != "ignore":
        found["body"] = normalize_body(mask(response.text), form)
    return found


def _normalize_header(name: str, values: list[str]) -> str:
    if name in _UNORDERED:
        tokens = (token.strip() for value in values for token in value.split(","))
        return ", ".join(sorted(tokens, key=str.lower))
    if name == "set-cookie":
        return "\n".join(sorted(map(_normalize_cookie, values)))
    return "\n".join(values)


def _normalize_cookie(value: str) -> str:
    """Sort the attributes of a cookie, and replace a signed value by its payload."""
    pair, *attributes = (part.strip() for part in value.split(";"))
    name, _, content = pair.partition("=")
    if match := _SIGNED.fullmatch(content):
        content = _signed_payload(match["payload"], bool(match["compressed"])) or content
    return "; ".join([f"{name}={content}", *sorted(attributes, key=str.lower)])


def _signed_payload(payload: str, compressed: bool) -> str | None:
    try:
        data = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        return f"signed({(zlib.decompress(data) if compressed else data).decode()})"
    except (binascii.Error, zlib.error, UnicodeDecodeError):
        return None


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
        data = data if self._verbatim_depth else " ".join(data.split())
        if data:
            self.lines.append(data)

    def handle_decl(self, decl: str) -> None:
        self.lines.append(f"<!{decl}>")

    def handle_comment(self, data: str) -> None:
        self.lines.append(f"<!--{data}-->")
