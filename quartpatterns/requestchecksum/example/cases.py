"""The cases of request content checksums."""

from __future__ import annotations

import base64
import hashlib

from quartpatterns.compare import Case, Difference, Step

__all__ = ["CASES"]

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
    return Difference("body", checksum(b""), checksum(data), reason)


def rejected(step: int) -> tuple[Difference, ...]:
    reason = "the port's response says what to send instead"
    page = "<!doctype html>\n<html lang=en>\n<title>400 Bad Request</title>\n<h1>Bad Request</h1>\n"
    short = f"{page}<p>The sha-256 of the received content doesn&#39;t match Content-Digest.</p>\n"
    text = "The sha-256 digest of the received content doesn&#39;t match Content-Digest"
    remedy = "compute the digest of the bytes that you send, or send them again."
    long = f"{page}<p>{text}: {remedy}</p>\n"
    algorithms = "sha-256=10, sha-512=10"
    return (
        Difference("body", short, long, reason, step=step),
        Difference("header:content-length", str(len(short)), str(len(long)), reason, step=step),
        Difference("header:want-content-digest", None, algorithms, reason, step=step),
    )


JSON = {"Content-Type": "application/json"}

CASES = (
    Case("index", Step("/", compare="html")),
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
    Case("GET", Step("/special-api")),
    Case(
        "declared digest",
        Step("/documents", method="POST", body=b"hello", headers=declared(b"hello")),
        Step("/documents", compare="json"),
    ),
    Case("no digest", Step("/documents", method="POST", body=b"hello")),
    Case("digest of nothing", Step("/documents", method="POST", headers=declared(b""))),
    Case(
        "wrong digest",
        Step("/documents", compare="json"),
        Step("/documents", method="POST", body=b"hallo", headers=declared(b"hello")),
        Step("/documents", compare="json"),
        differs=rejected(1),
    ),
    Case(
        "digest of a body that is not UTF-8",
        Step("/documents", method="POST", body=b"\xff\0", headers=declared(b"\xff\0")),
    ),
)
