"""What came back, brought into a form in which two answers can be compared.

Nothing here makes different answers alike: a value is rewritten only where the standard gives
its order no meaning (``Allow``, ``Vary``, cookie attributes), where a clock or a random number is
in it (the signature of a signed cookie), or where a case says so (``compare``, ``capture``).
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

__all__ = ["SERVER_HEADERS", "Answer", "aspects", "body_aspect", "canonical_json"]

# RFC 9110 6.6.1 and 10.2.4, RFC 9112 6.1 and 9.3, RFC 7838: made by the server, hop by hop.
SERVER_HEADERS = frozenset(
    {"alt-svc", "connection", "date", "keep-alive", "server", "transfer-encoding"}
)
# Lists whose order means nothing (RFC 9110 10.2.1 and 12.5.5).
_SETS = frozenset({"allow", "vary"})
# itsdangerous: payload, timestamp, and a SHA-1 signature of 20 bytes, all URL-safe base64.
_SIGNED = re.compile(r"(?P<zipped>\.?)(?P<payload>[\w-]+)\.[\w-]{4,8}\.[\w-]{27}")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it was received.

    Arguments:
        status: The status code; 0 where the connection broke off before there was one.
        headers: Names in lower case and values, in their order.
        body: What arrived of the body.
        complete: Whether all of it arrived; false where the connection broke off.
        error: What the application raised, where that can be known.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    complete: bool = True
    error: str | None = None

    @property
    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 stay visible as escapes."""
        return self.body.decode(errors="backslashreplace")


def aspects(
    answer: Answer, form: BodyForm, ignore: Iterable[str] = (), names: Mapping[str, str] = {}
) -> dict[str, Any]:
    """All that is compared of *answer*, by aspect: ``status``, ``header:vary``, ``body`` ...

    Arguments:
        answer: What was received.
        form: How the body is compared.
        ignore: Lower-case names of headers that are left out, beyond those of the server.
        names: Captured values by name; where one stands it is replaced by ``{name}``.
    """
    ignored = SERVER_HEADERS.union(ignore)
    found: dict[str, Any] = {"status": answer.status, "complete": answer.complete}
    for name in sorted({name for name, _ in answer.headers} - ignored):
        values = [value for key, value in answer.headers if key == name]
        found[f"header:{name}"] = _masked(_header(name, values), names)
    if form != "ignore":
        found["body"] = body_aspect(_masked(answer.text, names), form)
    return found


def _masked(text: str, names: Mapping[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(value, f"{{{name}}}") if value else text
    return text


def _header(name: str, values: list[str]) -> str:
    if name in _SETS:
        tokens = (token.strip() for value in values for token in value.split(","))
        return ", ".join(sorted(tokens, key=str.lower))
    if name == "set-cookie":
        return "\n".join(sorted(map(_cookie, values)))
    return "\n".join(values)


def _cookie(value: str) -> str:
    """A cookie with its attributes in order, and a signed value without its time and signature."""
    pair, *attributes = (part.strip() for part in value.split(";"))
    name, _, content = pair.partition("=")
    if match := _SIGNED.fullmatch(content):
        content = _signed_payload(match["payload"], zipped=bool(match["zipped"])) or content
    return "; ".join([f"{name}={content}", *sorted(attributes, key=str.lower)])


def _signed_payload(payload: str, *, zipped: bool) -> str | None:
    try:
        data = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        return f"signed({(zlib.decompress(data) if zipped else data).decode()})"
    except (binascii.Error, zlib.error, UnicodeDecodeError):
        return None


def body_aspect(text: str, form: BodyForm) -> str:
    """*text* in the form in which it is compared; what is no JSON stays text."""
    if form == "json":
        try:
            return canonical_json(json.loads(text))
        except ValueError:
            return text
    return normal_html(text) if form == "html" else text


def canonical_json(value: Any) -> str:
    """*value* as JSON in one way of writing it, in which 1, 1.0 and true are three values."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, indent=1)


def normal_html(text: str) -> str:
    """*text* with one tag or run of words a line: white space and the order of attributes gone.

    White space is kept where it shows: in ``pre``, ``textarea``, ``script`` and ``style``.
    """
    parser = _Normal()
    parser.feed(text)
    parser.close()
    return "\n".join(parser.lines)


class _Normal(HTMLParser):
    _KEPT = frozenset({"pre", "textarea", "script", "style"})

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._kept = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        words = [
            tag,
            *(f"{key}={value!r}" if value else key for key, value in sorted(attrs, key=str)),
        ]
        self.lines.append(f"<{' '.join(words)}>")
        self._kept += tag in self._KEPT

    def handle_endtag(self, tag: str) -> None:
        self.lines.append(f"</{tag}>")
        self._kept -= tag in self._KEPT and self._kept > 0

    def handle_data(self, data: str) -> None:
        data = data if self._kept else " ".join(data.split())
        if data:
            self.lines.append(data)

    def handle_decl(self, decl: str) -> None:
        self.lines.append(f"<!{decl}>")

    def handle_comment(self, data: str) -> None:
        self.lines.append(f"<!--{data}-->")
