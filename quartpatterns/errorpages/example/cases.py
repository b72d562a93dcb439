"""The cases of error pages."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any

from quartpatterns.compare import Capture, Case, Difference, Step

__all__ = ["CASES", "EXTRAS"]

HEADERS = "the port's pages keep the headers of the error (RFC 9110, 15.5.6)"
READ = "GET, HEAD, OPTIONS"
ALLOW = Difference("header:allow", None, READ, HEADERS, kind="http")


def error(name: str, path: str, *checks: str, **more: Any) -> Case:
    """Return a case with an error page."""
    return Case(name, Step(path, **{"compare": "html", **more}), checks=checks)


CASES = (
    Case("index", Step("/")),
    error("404", "/nowhere", "EP-1", "EP-2", "EP-3"),
    error("404, HEAD", "/nowhere", "EP-2", method="HEAD"),
    error("404, POST", "/nowhere", "EP-2", method="POST", form={"a": "b"}),
    error("403", "/forbidden", "EP-1", "EP-2", "EP-3"),
    error("410", "/gone", "EP-1", "EP-2", "EP-3"),
    error("500", "/broken", "EP-1", "EP-3", "EP-4"),
    error("500, HEAD", "/broken", "EP-4", method="HEAD"),
    Case(
        "405 has Allow",
        Step("/gone", method="POST", compare="html"),
        checks=("EP-5",),
        differs=[ALLOW],
    ),
    error("503 with a description", "/unavailable", "EP-5"),
    error("browser", "/nowhere", headers={"Accept": "text/html,*/*;q=0.8"}),
    error("client that accepts JSON", "/gone", headers={"Accept": "application/json"}),
    error("client that sends JSON", "/nowhere", method="POST", json={}),
    error("invalid Accept header", "/nowhere", headers={"Accept": ";;,/,q=x"}),
    error("Accept without a match", "/nowhere", headers={"Accept": "image/png"}),
    error("path that is not ASCII", "/%E2%98%83/%ff%00", "EP-2"),
    error("path with HTML", "/%3Cscript%3E", "EP-2"),
    error("hostile host", "/nowhere", headers={"Host": "evil.example"}),
    error("two slashes", "//evil.example/nowhere"),
    error("id of a proxy", "/nowhere", headers={"X-Request-ID": "the-request"}),
    error("id with spaces", "/nowhere", headers={"X-Request-ID": "<b> a id"}),
    error("profile without a name", "/profile", "EP-5"),
    error("profile with an empty name", "/profile?username=", "EP-5"),
    error("profile of an unknown user", "/profile?username=bob", "EP-5"),
    Case("profile", Step("/profile?username=ada"), checks=("EP-5",)),
    Case("two names", Step("/profile?username=grace&username=bob"), checks=("EP-5",)),
    Case("OPTIONS", Step("/gone", method="OPTIONS")),
    error("handler of a blueprint", "/blog/new", "EP-5"),
    error("status without a blueprint handler", "/blog/old", "EP-5"),
    error("404 below a prefix", "/blog/new/nowhere", "EP-5"),
    Case("API", Step("/api/cheese/brie"), checks=("EP-5",)),
    Case("API, handler of the blueprint", Step("/api/cheese/g%C3%B6uda"), checks=("EP-5",)),
    Case("API, 404 of an unknown path", Step("/api/nowhere"), checks=("EP-5",)),
    Case("API, its prefix alone", Step("/api/", compare="text"), checks=("EP-5",)),
    Case("API, no prefix", Step("/apiary"), checks=("EP-5",)),
    Case("API, 405", Step("/api/cheese/brie", method="DELETE"), checks=("EP-5",)),
    Case("API, 500", Step("/api/broken"), checks=("EP-4", "EP-5")),
    Case("API, 500, HEAD", Step("/api/broken", method="HEAD"), checks=("EP-4", "EP-5")),
    Case(
        "API, browser",
        Step("/api/nowhere", headers={"Accept": "text/html"}),
        checks=("EP-5",),
    ),
    Case("API, user", Step("/api/user?user_id=420"), checks=("AE-1",)),
    Case("API, another user", Step("/api/user?user_id=421"), checks=("AE-1",)),
    Case("API, no user id", Step("/api/user"), checks=("AE-1", "AE-2")),
    Case("API, empty user id", Step("/api/user?user_id="), checks=("AE-1", "AE-2")),
    Case("API, unknown user", Step("/api/user?user_id=1"), checks=("AE-1", "AE-2")),
    Case("API error", Step("/foo"), checks=("AE-1", "AE-2", "AE-3")),
    Case("API error with a payload", Step("/bar"), checks=("AE-1", "AE-2")),
    Case("API error, HEAD", Step("/foo", method="HEAD"), checks=("AE-3",)),
)


EXPECTED = Path(__file__).parent / "expected"
PROBLEM = "application/problem+json"
BROKEN = (
    "The server encountered an internal error and was unable to complete your request. Either the"
    " server is overloaded or there is an error in the application."
)


def document(path: str, status: int, detail: str, **more: Any) -> Step:
    """Return a request to the port alone, which is answered by a problem document."""
    sent = {"Accept": PROBLEM, "X-Request-ID": "the-request", **more.pop("headers", {})}
    members = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": "the-request",
        **more.pop("members", {}),
    }
    expected = {
        "status": status,
        "body": members,
        "header:content-type": PROBLEM,
        "header:vary": "Accept",
        "header:x-request-id": "the-request",
        "header:allow": more.pop("allow", None),
    }
    return Step(path, headers=sent, compare="json", expected=expected, **more)


def page(path: str, status: int, *, request_id: str = "the-request", **more: Any) -> Step:
    """Return a request to the port alone, which is answered by the page of *status*."""
    text = (EXPECTED / f"{status}.html").read_text()
    expected = {
        "status": status,
        "body": text.replace("{request_id}", request_id),
        "header:content-type": "text/html; charset=utf-8",
        "header:vary": "Accept",
        "header:x-request-id": request_id,
        "header:allow": more.pop("allow", None),
    }
    return Step(path, compare="html", expected=expected, **more)


SENT = {"X-Request-ID": "the-request"}

EXTRAS = (
    Case(
        "shop, as a page",
        page("/shop/orders/7", 404, headers=SENT),
        page("/shop/nowhere", 404, headers=SENT),
        page("/shop/broken", 500, headers=SENT),
        page("/shop/broken", 405, method="PUT", headers=SENT, allow=READ),
        checks=("EP-4", "EP-5"),
    ),
    Case(
        "shop, as a problem document",
        document("/shop/orders/7", 404, "There is no order 7."),
        document("/shop/broken", 500, BROKEN),
        document(
            "/shop/broken",
            405,
            "The method is not allowed for the requested URL.",
            method="PUT",
            allow=READ,
        ),
        document("/shop/orders/1001", 409, "Too many orders", members={"limit": 1000}),
        document(
            "/shop/orders/1000",
            404,
            "There is no order 1000.",
            headers={"Accept": "text/event-stream"},
        ),
        checks=("EP-4", "EP-5"),
    ),
    Case(
        "shop, error of the API's own class",
        Step(
            "/shop/orders/1001",
            headers=SENT,
            expected={
                "status": 409,
                "body": '{"limit":1000,"message":"Too many orders"}\n',
                "header:content-type": "application/json",
                "header:vary": "Accept",
                "header:x-request-id": "the-request",
            },
        ),
        checks=("AE-1", "AE-2"),
    ),
    Case(
        "shop, a new id",
        page(
            "/shop/nowhere",
            404,
            request_id="{id}",
            headers={"X-Request-ID": "<b> an id with spaces"},
            capture={"id": "<code>([0-9a-f]{32})</code>"},
            mask={"id": [Capture("(.*)", "header:x-request-id")]},
        ),
        checks=("EP-5",),
    ),
)
