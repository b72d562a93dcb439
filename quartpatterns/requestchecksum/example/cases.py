"""What original and port must answer alike, and what the original computes of nothing."""

from __future__ import annotations

import base64
import hashlib

from quartpatterns.compare import Case, Difference, Step

__all__ = ["CASES"]

URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
PART = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--b--\r\n'
LARGE = bytes(range(256)) * 4096


def hashed(data: bytes) -> str:
    return f"Hash was: {hashlib.sha1(data).hexdigest()}"


def declared(data: bytes) -> dict[str, str]:
    value = base64.b64encode(hashlib.sha256(data).digest()).decode()
    return {"Content-Digest": f"sha-256=:{value}:", "Content-Type": "application/octet-stream"}


def sent(data: bytes | tuple[bytes, ...], headers: dict[str, str]) -> Step:
    return Step("/special-api", method="POST", body=data, headers=headers)


def unread(data: bytes) -> Difference:
    reason = "the original reads nothing but forms, and answers with the checksum of nothing"
    return Difference("body", hashed(b""), hashed(data), reason)


def wrong(step: int) -> tuple[Difference, ...]:
    reason = "a client that is refused learns what to send instead"
    page = "<!doctype html>\n<html lang=en>\n<title>400 Bad Request</title>\n<h1>Bad Request</h1>\n"
    text = "The sha-256 of the content received is not the one in Content-Digest"
    short = f"{page}<p>{text}.</p>\n"
    remedy = "compute it over the bytes that are sent, or send them again."
    long = f"{page}<p>{text}: {remedy}</p>\n"
    wanted = "sha-256=10, sha-512=10"
    return (
        Difference("body", short, long, reason, step=step),
        Difference("header:content-length", str(len(short)), str(len(long)), reason, step=step),
        Difference("header:want-content-digest", None, wanted, reason, step=step),
    )


JSON = {"Content-Type": "application/json"}

CASES = (
    Case("index", Step("/", compare="html")),
    Case(
        "urlencoded",
        Step("/special-api", method="POST", form={"a": "b", "ü": "<&>"}),
        checks=("RC-1", "RC-2"),
    ),
    Case("empty form", sent(b"", URLENCODED), checks=("RC-2",)),
    Case("urlencoded, not UTF-8", sent(b"a=%FF&b=c", URLENCODED), checks=("RC-2",)),
    Case("multipart", sent(PART, MULTIPART), checks=("RC-1", "RC-2")),
    Case(
        "multipart with a long epilogue",
        sent(PART + b"epilogue" * 20_000, MULTIPART),
        checks=("RC-1", "RC-2"),
    ),
    Case("multipart, chunked", sent((PART[:30], PART[30:]), MULTIPART), checks=("RC-2",)),
    Case("urlencoded, chunked", sent((b"a=", b"b", b"&c"), URLENCODED), checks=("RC-2",)),
    Case("large multipart", sent(PART[:-9] + LARGE + PART[-9:], MULTIPART), checks=("RC-2",)),
    Case(
        "multipart without a boundary",
        sent(PART, {"Content-Type": "multipart/form-data"}),
        differs=[unread(PART)],
    ),
    Case("JSON", sent(b'{"a": "b"}', JSON), checks=("RC-2",), differs=[unread(b'{"a": "b"}')]),
    Case("JSON, chunked", sent((b"{", b"}"), JSON), checks=("RC-2",), differs=[unread(b"{}")]),
    Case("bytes of no type", sent(LARGE, {}), checks=("RC-2",), differs=[unread(LARGE)]),
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
        differs=wrong(1),
    ),
    Case(
        "digest of something that is not UTF-8",
        Step("/documents", method="POST", body=b"\xff\0", headers=declared(b"\xff\0")),
    ),
)
