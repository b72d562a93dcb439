"""The cases of single-page applications."""

from __future__ import annotations

import re

from quartpatterns.compare import Case, Difference, Step

__all__ = ["CASES"]

MAIN = "/app/main-df74fee7.js"
FUTURE = "Wed, 01 Jan 2200 00:00:00 GMT"
# A page and a 404 differ in almost all headers.
UNLIKE = (
    "accept-ranges",
    "cache-control",
    "content-disposition",
    "content-length",
    "content-type",
    "etag",
    "last-modified",
)

NOT_FOUND = "a browser would use and cache the page in place of the missing file"
COMPRESSED = "the build has compressed the file, and the client accepts it"
NEGOTIATED = "the response depends on Accept-Encoding"
IMMUTABLE = Difference(
    "header:cache-control",
    "no-cache",
    "public, max-age=31536000, immutable",
    "the name has a hash of the content, so the file never changes",
)
VARY = Difference("header:vary", None, "Accept-Encoding", NEGOTIATED)


def same(name: str, path: str, check: str, *, method: str = "GET", **headers: str) -> Case:
    """Return a case without a difference."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return Case(name, Step(path, method=method, headers=named), checks=(check,))


def main(name: str, *differs: Difference, method: str = "GET", **headers: str) -> Case:
    """Return a case that requests the uncompressed file with a hash in its name."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    step = Step(MAIN, method=method, headers={"Accept-Encoding": "identity", **named})
    return Case(name, step, checks=("SP-5",), differs=[IMMUTABLE, VARY, *differs])


def missing(name: str, path: str, check: str = "SP-4") -> Case:
    """Return a case in which the original sends the index in place of a missing file."""
    step = Step(path, compare="ignore", ignore_headers=UNLIKE)
    return Case(name, step, checks=(check,), differs=[Difference("status", 200, 404, NOT_FOUND)])


CASES: tuple[Case, ...] = (
    same("the API", "/heartbeat", "SP-2"),
    same("HEAD of the API", "/heartbeat", "SP-2", method="HEAD"),
    same("another method of the API", "/heartbeat", "SP-2", method="POST"),
    same("the index", "/", "SP-3"),
    same("HEAD of the index", "/", "SP-3", method="HEAD"),
    same("a client route", "/any/where", "SP-3"),
    same("a client route with a query", "/any/where?x=1&y=%C3%A9", "SP-3"),
    same("a client route that is not ASCII", "/%C3%BCber/uns", "SP-3"),
    same("a client route that is not UTF-8", "/%ff", "SP-3"),
    same("a client route with a blank", "/a%20b", "SP-3"),
    same("a client route with a null byte", "/a%00b", "SP-3"),
    same("a client route with a slash", "/any/where/", "SP-3"),
    same("a client route with two slashes", "/any//where", "SP-3"),
    same("a client route of another host", "/any", "SP-3", Host="evil.example"),
    same("a client route with a dot", "/user/joe@example.ai", "SP-3"),
    same("a client route of many characters", f"/{'a' * 3000}", "SP-3"),
    same("OPTIONS of a client route", "/any", "SP-3", method="OPTIONS"),
    same("another method of a client route", "/any", "SP-3", method="POST"),
    same("DELETE of the index", "/", "SP-3", method="DELETE"),
    same("the folder", "/app", "SP-3"),
    same("the folder with its slash", "/app/", "SP-3"),
    same("the index by name", "/index.html", "SP-3"),
    same("the index among the files", "/app/index.html", "SP-3"),
    same("the API with a slash", "/heartbeat/", "SP-3"),
    same("a route that begins like the folder", "/apple", "SP-3"),
    same("the index not changed", "/any", "SP-6", If_Modified_Since=FUTURE),
    same("a part of the index", "/any", "SP-6", Range="bytes=0-14"),
    same("a file", "/app/style.css", "SP-1"),
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
    same("a missing file without ending", "/app/nope", "SP-4"),
    same("out of the folder", "/app/..%2Fport.py", "SP-7"),
    same("out of the folder, twice encoded", "/app/%252e%252e/port.py", "SP-7"),
    same("out of the folder with a backslash", "/app/..%5Cport.py", "SP-7"),
    same("a null byte", "/app/%00", "SP-7"),
    same("a name of many characters", f"/app/{'a' * 3000}", "SP-7"),
    missing("a missing script beside the routes", "/nope.js"),
    missing("a missing picture beside the routes", "/img/logo.png"),
    missing("an absolute path", "/app//etc/passwd", "SP-7"),
    missing("out of the application", "/..%2Fport.py", "SP-7"),
    main("a file that never changes"),
    main("HEAD of a file that never changes", method="HEAD"),
    main("a part of it", Range="bytes=2-5"),
    main("not changed", If_None_Match="*"),
    main("only unknown codings", Accept_Encoding="deflate, compress"),
    Case(
        "the client accepts gzip",
        Step(
            MAIN,
            headers={"Accept-Encoding": "gzip, br;q=0"},
            # Only the port's response is compressed.
            compare="ignore",
            ignore_headers=("etag", "last-modified"),
        ),
        checks=("SP-8",),
        differs=[
            IMMUTABLE,
            VARY,
            Difference("header:content-encoding", None, "gzip", COMPRESSED),
            Difference(
                "header:content-length", re.compile(r"\d{4}"), re.compile(r"\d{3}"), COMPRESSED
            ),
        ],
    ),
)
