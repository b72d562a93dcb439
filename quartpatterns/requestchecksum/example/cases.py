"""The cases of request content checksums."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from quartpatterns.compare.case import Case, Difference, Step, same_settings
from quartpatterns.compare.error_page import error_page

__all__ = ["CASES", "EXTRAS", "arrange"]

arrange = same_settings(TRUSTED_HOSTS=["localhost"])

URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
PART = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--b--\r\n'
LARGE = bytes(range(256)) * 4096


def checksum(data: bytes) -> str:
    return f"Hash was: {hashlib.sha1(data).hexdigest()}"


def declared(data: bytes) -> dict[str, str]:
    value = base64.b64encode(hashlib.sha256(data).digest()).decode()
    return {"Content-Digest": f"sha-256=:{value}:", "Content-Type": "application/octet-stream"}


def post(data: bytes | tuple[bytes, ...], headers: dict[str, str]) -> Step:
    return Step("/special-api", method="POST", body=data, headers=headers)


def unread(data: bytes) -> Difference:
    reason = "the original reads only forms, so it returns the checksum of nothing"
    return Difference("body", checksum(b""), checksum(data), reason, kind="input")


JSON = {"Content-Type": "application/json"}

CASES = (
    Case(
        "urlencoded",
        Step("/special-api", method="POST", form={"a": "b", "ü": "<&>"}),
        checks=("RC-1", "RC-2"),
    ),
    Case("empty form", post(b"", URLENCODED), checks=("RC-2",)),
    Case("urlencoded, not UTF-8", post(b"a=%FF&b=c", URLENCODED), checks=("RC-2",)),
    Case("multipart", post(PART, MULTIPART), checks=("RC-1", "RC-2")),
    Case(
        "multipart with a long epilogue",
        post(PART + b"epilogue" * 20_000, MULTIPART),
        checks=("RC-1", "RC-2"),
    ),
    Case("multipart, chunked", post((PART[:30], PART[30:]), MULTIPART), checks=("RC-2",)),
    Case("urlencoded, chunked", post((b"a=", b"b", b"&c"), URLENCODED), checks=("RC-2",)),
    Case("large multipart", post(PART[:-9] + LARGE + PART[-9:], MULTIPART), checks=("RC-2",)),
    Case(
        "multipart without a boundary",
        post(PART, {"Content-Type": "multipart/form-data"}),
        differs=[unread(PART)],
    ),
    Case("JSON", post(b'{"a": "b"}', JSON), checks=("RC-2",), differs=[unread(b'{"a": "b"}')]),
    Case("JSON, chunked", post((b"{", b"}"), JSON), checks=("RC-2",), differs=[unread(b"{}")]),
    Case("no content type", post(LARGE, {}), checks=("RC-2",), differs=[unread(LARGE)]),
    Case("no body", Step("/special-api", method="POST"), checks=("RC-2",)),
    Case("a host that is not trusted", Step("/special-api", headers={"Host": "untrusted.example"})),
    Case("GET", Step("/special-api")),
)

PAGE = Path(__file__).with_name("templates").joinpath("index.html").read_text()
URLS = {
    "{{ url_for('static', filename='style.css') }}": "/static/style.css",
    "{{ url_for('special_api') }}": "/special-api",
    "{{ url_for('list_documents') }}": "/documents",
    "{{ url_for('add_document') }}": "/documents",
}
for call, url in URLS.items():
    PAGE = PAGE.replace(call, url)

MISMATCH = error_page(
    400,
    "The sha-256 digest of the received content doesn't match Content-Digest:"
    " compute the digest of the bytes that you send, or send them again.",
)
INVALID = error_page(400, "Content-Digest is invalid: write sha-256=:digest in base64:")


def document(data: bytes, headers: dict[str, str], status: int = 201, body: str = "") -> Step:
    """Return a step that sends a document, which is stored unless *status* is another one."""
    expected = {
        "status": status,
        "header:content-type": "text/html; charset=utf-8",
        "header:want-content-digest": "sha-256=10, sha-512=10" if status == 400 else None,
        "body": body or f"{len(data)} bytes stored",
    }
    return Step("/documents", method="POST", body=data, headers=headers, expected=expected)


def lengths(*stored: int) -> Step:
    """Return a step that lists the lengths of the stored documents."""
    expected = {"status": 200, "header:content-type": "application/json", "body": [*stored]}
    return Step("/documents", compare="json", expected=expected)


MD5 = {"Content-Digest": "md5=:XUFAKrxLKna5cZ2REBfFkg==:"}

# A client declares the digest; this is not on the page.
EXTRAS: tuple[Case, ...] = (
    Case(
        "index",
        Step(
            "/",
            compare="html",
            expected={
                "status": 200,
                "header:content-type": "text/html; charset=utf-8",
                "body": PAGE,
            },
        ),
    ),
    Case("declared digest", document(b"hello", declared(b"hello")), lengths(5)),
    Case("no digest", document(b"hello", {})),
    Case("digest of nothing", document(b"", declared(b""))),
    Case(
        "wrong digest",
        document(b"hallo", declared(b"hello"), 400, MISMATCH),
        lengths(5, 5, 0),
    ),
    Case("digest of a body that is not UTF-8", document(b"\xff\0", declared(b"\xff\0"))),
    Case("digest with another algorithm", document(b"hello", MD5)),
    Case(
        "invalid digests",
        document(b"hello", {"Content-Digest": "md5="}, 400, INVALID),
        document(b"hello", {"Content-Digest": "sha-256=x"}, 400, INVALID),
        document(b"hello", {"Content-Digest": "\xff"}, 400, INVALID),
    ),
    Case(
        "the last ten documents",
        *(document(b"x" * number, {}) for number in range(1, 12)),
        lengths(*range(2, 12)),
    ),
)
