"""The cases of this pattern."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quartpatterns.compare import Case, Difference, File, Step
from quartpatterns.compare.case import BodyForm, same_settings
from quartpatterns.compare.error_page import error_page
from quartpatterns.compare.openapi_cases import openapi_cases

__all__ = ["CASES", "EXTRAS", "arrange"]

arrange = same_settings(TRUSTED_HOSTS=["localhost"])

USER = {"username": "joe", "email": "joe@example.com"}
DEEP = "Flask does not catch the RecursionError of the JSON parser; but the client made the error"
HTML, JSON = "text/html; charset=utf-8", "application/json"
API_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The API</title>
<link rel="stylesheet" href="/static/style.css">
<main>
<h1>The API</h1>
<ul>
  <li><a href="/_add_numbers?a=1&amp;b=2">Numbers added</a>
  <li><a href="/users">All users</a>
  <li><a href="/user/1">One user</a>
</ul>
<p>Tried out and described: <a href="/docs">the documentation</a>.</p>
<p><a href="/">Back</a></p>
</main>
</html>
"""


def refused(reason: str) -> tuple[Difference, ...]:
    """Return the differences of a request that makes the original fail, and that the port refuses.

    Arguments:
        reason: Why the client is to blame.
    """
    return (
        Difference("status", 500, 400, reason, kind="input"),
        Difference("body", error_page(500), error_page(400), reason, kind="input"),
    )


def add(name: str, query: str) -> Case:
    """Return a case that adds numbers."""
    return Case(name, Step(f"/_add_numbers{query}", compare="json"), checks=("JQ-3",))


def update(
    name: str,
    body: bytes | None = None,
    *differs: Difference,
    json: Any = None,
    user: int = 1,
    content_type: str | None = None,
) -> Case:
    """Return a case that sends valid or invalid JSON, and then requests the users."""
    headers = {"Content-Type": content_type} if content_type else {}
    step = Step(f"/user/{user}", method="POST", body=body, json=json, headers=headers)
    return Case(name, step, Step("/users"), checks=("JS-3", "JS-7"), differs=differs)


def form(name: str, body: bytes, path: str = "/room") -> Case:
    """Return a case that sends *body* as a form."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return Case(
        name, Step(path, method="POST", body=body, headers=headers), checks=("JS-3", "JS-4")
    )


CASES: tuple[Case, ...] = (
    Case(
        "a host that is not trusted",
        Step("/users", headers={"Host": "evil.example"}),
        checks=("JS-6",),
    ),
    Case("the page with jQuery", Step("/"), checks=("JQ-1", "JQ-2", "JQ-4")),
    add("two numbers", "?a=1&b=2"),
    add("negative numbers", "?a=-1&b=-2"),
    add("no numbers", ""),
    add("one number", "?b=2"),
    add("a word instead of a number", "?a=x&b=2"),
    add("not an integer", "?a=1.5&b=2"),
    add("a number in other digits", "?a=%D9%A3&b=2"),
    add("a number twice", "?a=1&a=2&b=3"),
    add("a number of many digits", f"?a={'9' * 3000}&b=1"),
    add("an empty number", "?a=&b=2"),
    add("a number that is not UTF-8", "?a=%FF&b=2"),
    add("blanks and underscores", "?a=%201%20&b=1_0"),
    Case("HEAD of numbers", Step("/_add_numbers?a=1", method="HEAD"), checks=("JQ-3",)),
    Case("another method", Step("/_add_numbers", method="POST"), checks=("JQ-3",)),
    Case("OPTIONS", Step("/_add_numbers", method="OPTIONS"), checks=("JQ-3",)),
    Case("jQuery", Step("/jquery/jquery.min.js"), Step("/jquery/none.js"), checks=("JQ-1",)),
    Case("the page with fetch", Step("/fetch"), checks=("JS-1", "JS-2")),
    Case("a fragment", Step("/geology_fact"), checks=("JS-5",)),
    Case("another fragment", Step("/geology_fact?number=5"), checks=("JS-5",)),
    Case("a fragment before the first", Step("/geology_fact?number=-1"), checks=("JS-5",)),
    Case("all users", Step("/users", compare="json"), checks=("JS-6",)),
    Case("a user", Step("/user/1", compare="json"), checks=("JS-6",)),
    Case("unknown user", Step("/user/99"), checks=("JS-6",)),
    Case("a user that is not a number", Step("/user/x"), checks=("JS-6",)),
    Case("a user of many digits", Step(f"/user/{'9' * 3000}"), checks=("JS-6",)),
    update("change a user", json=USER),
    update("not ASCII", json={"username": "Zoë \u2713 \U0001f600", "email": "z\u00e9@example"}),
    update("an additional key", json={**USER, "role": "admin"}),
    update("a JSON type", b'{"username": "a", "email": "b"}', content_type="application/x+json"),
    update(
        "JSON with parameters",
        b'{"username": "c", "email": "d"}',
        content_type="application/json; charset=utf-8",
    ),
    update("change an unknown user", json=USER, user=99),
    update("no content type", b'{"username": "a", "email": "b"}'),
    update("JSON sent as text", b'{"username": "a"}', content_type="text/plain"),
    update("a form", b"username=a&email=b", content_type="application/x-www-form-urlencoded"),
    update("an empty body", b""),
    update("invalid JSON", b"{", content_type="application/json"),
    update("empty JSON", b"", content_type="application/json"),
    update("JSON that is not UTF-8", b'{"username": "\xff"}', content_type="application/json"),
    update("a missing key", json={"username": "a"}),
    update("an empty name", json={"username": "", "email": "b"}),
    update("a name of many characters", json={"username": "a" * 101, "email": "b"}),
    update("a name that is a number", json={"username": 1, "email": "b"}),
    update("a name that is null", json={"username": None, "email": "b"}),
    update("a name that is a list", json={"username": ["a"], "email": "b"}),
    update("a name that is half a character", json={"username": "\ud800", "email": "b"}),
    update("null", b"null", content_type=JSON),
    update("a list", b"[{}]", content_type=JSON),
    update("a word", b'"joe"', content_type=JSON),
    update("a number alone", b"1", content_type=JSON),
    update("JSON after a byte order mark", b"\xef\xbb\xbf{}", content_type=JSON),
    update("JSON in UTF-16", '{"username": "c", "email": "d"}'.encode("utf-16"), content_type=JSON),
    update("two names", b'{"username":"a","username":"b","email":"c"}', content_type=JSON),
    update("brackets without end", b"[" * 100_000, *refused(DEEP), content_type=JSON),
    update("lists in lists", b"[" * 50_000 + b"]" * 50_000, *refused(DEEP), content_type=JSON),
    update("not JSON, for an unknown user", b"a=b", user=99, content_type="text/plain"),
    update("invalid JSON, for an unknown user", b"{", user=99, content_type=JSON),
    update("an invalid user, for an unknown user", b"{}", user=99, content_type=JSON),
    Case(
        "a form by fetch",
        Step(
            "/room",
            method="POST",
            form={"name": "Flask Room", "description": "Talk about Flask here."},
            files={},
            compare="json",
        ),
        checks=("JS-3",),
    ),
    Case(
        "a form by jQuery",
        Step("/room", method="POST", form={"name": "Grüße"}, compare="json"),
        checks=("JS-3",),
    ),
    Case("a form without a name", Step("/room", method="POST", form={"x": "y"}), checks=("JS-3",)),
    Case(
        "a form with an empty name",
        Step("/room", method="POST", form={"name": ""}),
        checks=("JS-3",),
    ),
    Case("JSON for a form", Step("/room", method="POST", json={"name": "a"}), checks=("JS-3",)),
    Case(
        "a file for a name",
        Step("/room", method="POST", files={"name": File(b"a", "a.txt")}),
        checks=("JS-3",),
    ),
    Case(
        "a login that redirects",
        Step("/login", method="POST", form={"username": "admin", "password": "secret"}),
        checks=("JS-4",),
    ),
    Case(
        "a login that fails",
        Step("/login", method="POST", form={"username": "admin", "password": "guess"}),
        checks=("JS-4",),
    ),
    Case("a login without a form", Step("/login", method="POST"), checks=("JS-4",)),
    form("two names in a form", b"name=a&name=b"),
    form("an empty name, then another", b"name=&name=b"),
    form("two descriptions", b"name=a&description=b&description=c"),
    form("a name that is not UTF-8", b"name=%FF"),
    form("a form that is no pair", b"name"),
    form("a description that is too long", b"name=a&description=" + b"x" * 1001),
    form("a description of the greatest length", b"name=a&description=" + b"x" * 1000),
    form("two passwords", b"username=admin&password=secret&password=guess", "/login"),
    form("the wrong password first", b"username=admin&password=guess&password=secret", "/login"),
    form("another username", b"username=joe&password=secret", "/login"),
    form("a login without a password", b"username=admin", "/login"),
    Case(
        "pages that load scripts of other hosts", Step("/redocs"), Step("/scalar"), checks=("JS-8",)
    ),
)


def extra(name: str, path: str, body: Any, status: int = 200, type: str = HTML) -> Case:
    """Return a case of a page that only the port has."""
    expected = {"status": status, "header:content-type": type, "body": body}
    compare: BodyForm = "json" if type == JSON else "html"
    return Case(name, Step(path, compare=compare, expected=expected), checks=("JS-8",))


# What the port adds to the pages: the documentation of its API, and an error for what it refuses.
EXTRAS: tuple[Case, ...] = (
    extra("the API", "/api", API_PAGE),
    *openapi_cases(Path(__file__).parent, checks=("JS-8",)),
    extra(
        "a sum of 4,300 digits",
        f"/_add_numbers?a={'9' * 4299}&b=1",
        {"result": 10**4299},
        type=JSON,
    ),
    extra("a sum of 4,301 digits", f"/_add_numbers?a={'9' * 4300}&b=1", error_page(400), 400),
)
