"""The cases of single-page applications."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from quartpatterns.compare.case import Case, Difference, Kind, Step, same_settings
from quartpatterns.compare.error_page import error_page

__all__ = ["CASES", "EXTRAS", "arrange"]

arrange = same_settings(TRUSTED_HOSTS=["localhost", "other.example"])

MAIN = "/app/main-df74fee7.js"
FUTURE = "Wed, 01 Jan 2200 00:00:00 GMT"
FILES = Path(__file__).with_name("app")
INDEX = (FILES / "index.html").read_text()
# The headers of the index that a 404 does not have.
INDEX_HEADERS = {
    "accept-ranges": "bytes",
    "cache-control": "no-cache",
    "content-disposition": "inline; filename=index.html",
    "etag": re.compile(r'"[0-9.]+-[0-9]+-[0-9]+"'),
    "last-modified": re.compile("[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT"),
}


def same(name: str, path: str, check: str, *, method: str = "GET", **headers: str) -> Case:
    """Return a case without a difference."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return Case(name, Step(path, method=method, headers=named), checks=(check,))


def missing(name: str, path: str, check: str, reason: str, kind: Kind) -> Case:
    """Return a case in which the original sends the index in place of a missing file."""
    aspects = {
        "status": (200, 404),
        "body": (INDEX, error_page(404)),
        **{f"header:{name}": (value, None) for name, value in INDEX_HEADERS.items()},
    }
    differences = [
        Difference(aspect, *values, reason, kind=kind) for aspect, values in aspects.items()
    ]
    return Case(name, Step(path), checks=(check,), differs=differences)


CASES: tuple[Case, ...] = (
    same("the API", "/heartbeat", "SP-2"),
    same("HEAD of the API", "/heartbeat", "SP-2", method="HEAD"),
    same("OPTIONS of the API", "/heartbeat", "SP-2", method="OPTIONS"),
    same("another method of the API", "/heartbeat", "SP-2", method="POST"),
    same("the index", "/", "SP-3"),
    same("HEAD of the index", "/", "SP-3", method="HEAD"),
    same("two slashes", "//", "SP-3"),
    same("a client route", "/any/where", "SP-3"),
    same("a client route with a query", "/any/where?x=1&y=%C3%A9", "SP-3"),
    same("a client route that is not ASCII", "/%C3%BCber/uns", "SP-3"),
    same("a client route that is not UTF-8", "/%ff", "SP-3"),
    same("a client route with a blank", "/a%20b", "SP-3"),
    same("a client route of a blank", "/%20", "SP-3"),
    same("a client route with a null byte", "/a%00b", "SP-3"),
    same("a client route with a slash", "/any/where/", "SP-3"),
    same("a client route with two slashes", "/any//where", "SP-3"),
    same("a client route after two slashes", "//any", "SP-3"),
    same("a client route of another host", "/any", "SP-3", Host="other.example"),
    same("a client route with a dot", "/user/joe@example.ai", "SP-3"),
    same("a client route with two dots", "/any/../where", "SP-3"),
    same("a client route of two dots", "/..", "SP-3"),
    same("a client route of many characters", f"/{'a' * 3000}", "SP-3"),
    same("a host that is not trusted", "/any", "SP-3", Host="untrusted.example"),
    same("OPTIONS of a client route", "/any", "SP-3", method="OPTIONS"),
    same("another method of a client route", "/any", "SP-3", method="POST"),
    same("DELETE of the index", "/", "SP-3", method="DELETE"),
    same("a route that looks like an API", "/api", "SP-3"),
    same("a route below it", "/api/nope", "SP-3"),
    same("POST to it", "/api/nope", "SP-3", method="POST"),
    same("the folder", "/app", "SP-3"),
    same("the folder with its slash", "/app/", "SP-3"),
    same("the folder with two slashes", "/app//", "SP-3"),
    same("the index by name", "/index.html", "SP-3"),
    same("the index among the files", "/app/index.html", "SP-3"),
    same("the API with a slash", "/heartbeat/", "SP-3"),
    same("a folder that Flask has by default", "/static/nope", "SP-3"),
    same("a route that begins like the folder", "/apple", "SP-3"),
    same("the index not changed", "/any", "SP-6", If_Modified_Since=FUTURE),
    same("a part of the index", "/any", "SP-6", Range="bytes=0-14"),
    same("a file", "/app/style.css", "SP-1"),
    same("a file with a slash", "/app/style.css/", "SP-1"),
    same("HEAD of a file", "/app/style.css", "SP-1", method="HEAD"),
    same("another method of a file", "/app/style.css", "SP-1", method="PUT"),
    same("OPTIONS of a file", "/app/style.css", "SP-1", method="OPTIONS"),
    same("a file not changed", "/app/style.css", "SP-6", If_Modified_Since=FUTURE),
    same("any version of a file", "/app/style.css", "SP-6", If_None_Match="*"),
    same("another version of a file", "/app/style.css", "SP-6", If_None_Match='"x"'),
    same("a precondition that fails", "/app/style.css", "SP-6", If_Match='"x"'),
    same("the first bytes", "/app/style.css", "SP-6", Range="bytes=0-3"),
    same("the last bytes", "/app/style.css", "SP-6", Range="bytes=-3"),
    same("beyond the end", "/app/style.css", "SP-6", Range="bytes=100000-"),
    same("another unit", "/app/style.css", "SP-6", Range="lines=0-1"),
    same("a part of another version", "/app/style.css", "SP-6", Range="bytes=0-3", If_Range='"x"'),
    same("a missing file", "/app/nope.js", "SP-4"),
    same("a missing file with a slash", "/app/nope.js/", "SP-4"),
    same("a missing file without ending", "/app/nope", "SP-4"),
    same("a missing hidden file", "/app/.env", "SP-7"),
    same("a file of a missing repository", "/app/.git/config", "SP-7"),
    same("out of the folder", "/app/..%2Fport.py", "SP-7"),
    same("out of the folder, twice encoded", "/app/%252e%252e/port.py", "SP-7"),
    same("out of the folder with a backslash", "/app/..%5Cport.py", "SP-7"),
    same("an absolute path", "/app//etc/passwd", "SP-7"),
    same("out of the application", "/..%2Fport.py", "SP-7"),
    same("a null byte", "/app/%00", "SP-7"),
    same("a name of many characters", f"/app/{'a' * 3000}", "SP-7"),
    missing(
        "a missing script beside the routes",
        "/nope.js",
        "SP-4",
        "a browser would use and cache the page in place of the missing file",
        "http",
    ),
    missing(
        "a hidden file beside the routes",
        "/.env",
        "SP-7",
        "the port answers 404 for each name that starts with a dot",
        "security",
    ),
    Case(
        "a file that never changes",
        Step(MAIN),
        checks=("SP-5",),
        differs=[
            Difference(
                "header:cache-control",
                "no-cache",
                "public, max-age=31536000, immutable",
                "the name has a hash of the content, so the file never changes",
                kind="http",
            ),
            Difference(
                "header:vary",
                None,
                "Accept-Encoding",
                "there is a compressed file, so the response depends on Accept-Encoding",
                kind="http",
            ),
        ],
    ),
)


def main(
    name: str,
    status: int,
    body: bytes,
    *,
    method: str = "GET",
    coding: str | None = None,
    **sent: str,
) -> Case:
    """Return an extra that requests the file with a hash in its name."""
    headers = {key.replace("_", "-"): value for key, value in sent.items()}
    expected: dict[str, Any] = {
        "status": status,
        "header:cache-control": "public, max-age=31536000, immutable",
        "header:vary": "Accept-Encoding",
        "header:content-encoding": coding,
        "body": body.decode(errors="backslashreplace"),
    }
    if status != 304:
        length = len(SCRIPT) if method == "HEAD" else len(body)
        expected["header:content-length"] = str(length)
        expected["header:content-type"] = "text/javascript; charset=utf-8"
    step = Step(MAIN, method=method, headers=headers, expected=expected)
    return Case(name, step, checks=("SP-5", "SP-8"))


def refused(path: str) -> Case:
    """Return an extra for which the port answers 404, where the original sends the index."""
    html = "text/html; charset=utf-8"
    expected = {"status": 404, "header:content-type": html, "body": error_page(404)}
    return Case(f"no page for {path}", Step(path, expected=expected), checks=("SP-4", "SP-7"))


SCRIPT = (FILES / "main-df74fee7.js").read_bytes()
EXTRAS: tuple[Case, ...] = (
    main("HEAD of a file that never changes", 200, b"", method="HEAD"),
    main("a part of it", 206, SCRIPT[2:6], Range="bytes=2-5"),
    main("not changed", 304, b"", If_None_Match="*"),
    main("only unknown codings", 200, SCRIPT, Accept_Encoding="deflate, compress"),
    main(
        "the client accepts gzip",
        200,
        (FILES / "main-df74fee7.js.gz").read_bytes(),
        coding="gzip",
        Accept_Encoding="gzip, br;q=0",
    ),
    main(
        "the client accepts Brotli",
        200,
        (FILES / "main-df74fee7.js.br").read_bytes(),
        coding="br",
        Accept_Encoding="gzip, br",
    ),
    refused("/nope.js"),
    refused("/img/logo.png"),
    refused("/app//style.css"),
    refused("/.env"),
    refused("/.git/config"),
    refused("/.well-known/security.txt"),
)
