"""What original and port must answer alike: the pages, where the API's JSON is a standard's."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from quartpatterns.compare import Case, Difference, Step

__all__ = ["CASES"]

ID = "the-request"
STANDARD = "the port writes problem documents (RFC 9457), the original members of its own"
ASKED = "the port looks at the Accept header, the original has HTML for everybody"
VARIES = "an answer that depends on Accept says so to caches"
KEPT = "a handler that renders a page keeps the headers of the error (RFC 9110, 15.5.6)"
TOLD = "the client can name its request also where it does not see the page"

HTML = "text/html; charset=utf-8"
LENGTH: dict[str, Any] = {"ignore_headers": ("content-length",)}  # follows from the body

NOT_FOUND = (
    "The requested URL was not found on the server. If you entered the URL manually please check"
    " your spelling and try again."
)
NOT_ALLOWED = "The method is not allowed for the requested URL."
BROKEN = (
    "The server encountered an internal error and was unable to complete your request. Either the"
    " server is overloaded or there is an error in the application."
)


def ask(path: str, **more: Any) -> Step:
    """A request with an id, and HTML compared as HTML."""
    headers = {"X-Request-ID": ID, **more.pop("headers", {})}
    return Step(path, headers=headers, **{"compare": "html", **more})


def told(step: int = 0) -> Difference:
    return Difference("header:x-request-id", None, ID, TOLD, step=step)


def negotiated(step: int = 0) -> tuple[Difference, ...]:
    """The same page on both sides, which the port has chosen."""
    return told(step), Difference("header:vary", None, "Accept", VARIES, step=step)


def document(status: int, detail: str) -> tuple[Difference, ...]:
    """A problem document in the place of the original's own members."""
    name = HTTPStatus(status).phrase
    before = {"code": status, "name": name, "description": detail}
    after = {
        "type": "about:blank",
        "title": name,
        "status": status,
        "detail": detail,
        "request_id": ID,
    }
    types = "application/json", "application/problem+json"
    return (
        told(),
        Difference("body", before, after, STANDARD),
        Difference("header:content-type", *types, STANDARD),
    )


def api(path: str, **more: Any) -> Step:
    return ask(path, compare="json", **LENGTH, **more)


def error(name: str, path: str, *checks: str, **more: Any) -> Case:
    """A page of an error that is the same on both sides."""
    return Case(name, ask(path, **more), checks=checks, differs=negotiated())


CASES = (
    Case("index", Step("/", compare="html")),
    error("404", "/nowhere", "EP-1", "EP-2", "EP-3"),
    error("404, HEAD", "/nowhere", "EP-2", method="HEAD"),
    error("403", "/forbidden", "EP-1", "EP-2", "EP-3"),
    error("410", "/gone", "EP-1", "EP-2", "EP-3"),
    error("500", "/broken", "EP-1", "EP-3", "EP-4"),
    error("500, HEAD", "/broken", "EP-4", method="HEAD"),
    Case(
        "405 says what is allowed",
        ask("/gone", method="POST"),
        checks=("EP-5",),
        differs=[
            *negotiated(),
            Difference("header:allow", None, "GET, HEAD, OPTIONS", KEPT),
        ],
    ),
    error("503 with a description", "/unavailable", "EP-5"),
    error("a browser", "/nowhere", headers={"Accept": "text/html,*/*;q=0.8"}),
    error("an Accept header that is none", "/nowhere", headers={"Accept": ";;,/,q=x"}),
    error("nothing that can be had", "/nowhere", headers={"Accept": "image/png"}),
    error("path that is not ASCII", "/%E2%98%83/%ff%00", "EP-2"),
    error("path with HTML", "/%3Cscript%3E", "EP-2"),
    error("hostile host", "/nowhere", headers={"Host": "evil.example"}),
    error("two slashes", "//evil.example/nowhere"),
    error("profile of nobody", "/profile", "EP-5"),
    error("profile of somebody unknown", "/profile?username=bob", "EP-5"),
    Case("profile", ask("/profile?username=ada"), checks=("EP-5",)),
    Case(
        "an id that is made up",
        Step("/nowhere", compare="html", capture={"id": "<code>([0-9a-f]{32})</code>"}),
        differs=[*negotiated()[1:], Difference("header:x-request-id", None, "{id}", TOLD)],
    ),
    Case("OPTIONS", ask("/gone", method="OPTIONS")),
    Case("blueprint's own handler", ask("/blog/new"), checks=("EP-5",)),
    Case("blueprint without one", ask("/blog/old"), checks=("EP-5",), differs=[told()]),
    Case("404 below a prefix", ask("/blog/new/nowhere"), checks=("EP-5",), differs=[told()]),
    Case("API", api("/api/users/ada"), checks=("EP-5",)),
    Case(
        "API, 404 of a view",
        api("/api/users/b%C3%B6b"),
        checks=("EP-5",),
        differs=document(404, "There is no user böb."),
    ),
    Case(
        "API, 404 of no view",
        api("/api/nowhere"),
        checks=("EP-5",),
        differs=document(404, NOT_FOUND),
    ),
    Case(
        "API, 405",
        api("/api/users/ada", method="DELETE"),
        checks=("EP-5",),
        differs=document(405, NOT_ALLOWED),
    ),
    Case("API, 500", api("/api/broken"), checks=("EP-4", "EP-5"), differs=document(500, BROKEN)),
    Case(
        "who asks for JSON",
        ask("/gone", headers={"Accept": "application/json"}, method="HEAD", **LENGTH),
        differs=[
            *negotiated(),
            Difference("header:content-type", HTML, "application/problem+json", ASKED),
        ],
    ),
    Case(
        "API error",
        ask("/foo", compare="text"),
        checks=("AE-1", "AE-2", "AE-3"),
        differs=negotiated(),
    ),
    Case(
        "API error with a payload",
        ask("/bar", compare="text"),
        checks=("AE-1", "AE-2"),
        differs=negotiated(),
    ),
    Case("API error, HEAD", ask("/foo", method="HEAD"), checks=("AE-3",), differs=negotiated()),
)
