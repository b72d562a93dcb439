"""The cases of error pages."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from quartpatterns.compare import Case, Difference, Step

__all__ = ["CASES"]

ID = "the-request"
STANDARD = "the port sends problem documents (RFC 9457), the original has its own members"
ACCEPT = "the port reads the Accept header, the original always sends HTML"
VARY = "a response that depends on Accept needs a Vary header"
HEADERS = "the port's pages keep the headers of the error (RFC 9110, 15.5.6)"
SENT_ID = "the id of the request is also in a header"

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


def request(path: str, **more: Any) -> Step:
    """Return a request with an id, whose response is compared as HTML."""
    headers = {"X-Request-ID": ID, **more.pop("headers", {})}
    return Step(path, headers=headers, **{"compare": "html", **more})


def has_id(step: int = 0) -> Difference:
    return Difference("header:x-request-id", None, ID, SENT_ID, step=step)


def negotiated(step: int = 0) -> tuple[Difference, ...]:
    """Return the differences of the same page, which the port has negotiated."""
    return has_id(step), Difference("header:vary", None, "Accept", VARY, step=step)


def document(status: int, detail: str) -> tuple[Difference, ...]:
    """Return the differences of a problem document."""
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
        has_id(),
        Difference("body", before, after, STANDARD),
        Difference("header:content-type", *types, STANDARD),
    )


def api(path: str, **more: Any) -> Step:
    return request(path, compare="json", **LENGTH, **more)


def error(name: str, path: str, *checks: str, **more: Any) -> Case:
    """Return a case with the same error page on both sides."""
    return Case(name, request(path, **more), checks=checks, differs=negotiated())


CASES = (
    Case("index", Step("/", compare="html")),
    error("404", "/nowhere", "EP-1", "EP-2", "EP-3"),
    error("404, HEAD", "/nowhere", "EP-2", method="HEAD"),
    error("403", "/forbidden", "EP-1", "EP-2", "EP-3"),
    error("410", "/gone", "EP-1", "EP-2", "EP-3"),
    error("500", "/broken", "EP-1", "EP-3", "EP-4"),
    error("500, HEAD", "/broken", "EP-4", method="HEAD"),
    Case(
        "405 has Allow",
        request("/gone", method="POST"),
        checks=("EP-5",),
        differs=[
            *negotiated(),
            Difference("header:allow", None, "GET, HEAD, OPTIONS", HEADERS),
        ],
    ),
    error("503 with a description", "/unavailable", "EP-5"),
    error("browser", "/nowhere", headers={"Accept": "text/html,*/*;q=0.8"}),
    error("invalid Accept header", "/nowhere", headers={"Accept": ";;,/,q=x"}),
    error("Accept without a match", "/nowhere", headers={"Accept": "image/png"}),
    error("path that is not ASCII", "/%E2%98%83/%ff%00", "EP-2"),
    error("path with HTML", "/%3Cscript%3E", "EP-2"),
    error("hostile host", "/nowhere", headers={"Host": "evil.example"}),
    error("two slashes", "//evil.example/nowhere"),
    error("profile without a name", "/profile", "EP-5"),
    error("profile of an unknown user", "/profile?username=bob", "EP-5"),
    Case("profile", request("/profile?username=ada"), checks=("EP-5",)),
    Case(
        "a new id",
        Step("/nowhere", compare="html", capture={"id": "<code>([0-9a-f]{32})</code>"}),
        differs=[*negotiated()[1:], Difference("header:x-request-id", None, "{id}", SENT_ID)],
    ),
    Case("OPTIONS", request("/gone", method="OPTIONS")),
    Case("handler of a blueprint", request("/blog/new"), checks=("EP-5",)),
    Case(
        "status without a blueprint handler",
        request("/blog/old"),
        checks=("EP-5",),
        differs=[has_id()],
    ),
    Case("404 below a prefix", request("/blog/new/nowhere"), checks=("EP-5",), differs=[has_id()]),
    Case("API", api("/api/users/ada"), checks=("EP-5",)),
    Case(
        "API, 404 of a view",
        api("/api/users/b%C3%B6b"),
        checks=("EP-5",),
        differs=document(404, "There is no user böb."),
    ),
    Case(
        "API, 404 of an unknown path",
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
        "client that accepts JSON",
        request("/gone", headers={"Accept": "application/json"}, method="HEAD", **LENGTH),
        differs=[
            *negotiated(),
            Difference("header:content-type", HTML, "application/problem+json", ACCEPT),
        ],
    ),
    Case(
        "API error",
        request("/foo", compare="text"),
        checks=("AE-1", "AE-2", "AE-3"),
        differs=negotiated(),
    ),
    Case(
        "API error with a payload",
        request("/bar", compare="text"),
        checks=("AE-1", "AE-2"),
        differs=negotiated(),
    ),
    Case("API error, HEAD", request("/foo", method="HEAD"), checks=("AE-3",), differs=negotiated()),
)
