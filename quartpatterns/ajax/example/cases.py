"""The cases of this pattern."""

from __future__ import annotations

import re
from typing import Any

from quartpatterns.compare import Case, Difference, File, Step

__all__ = ["CASES"]

USER = {"username": "joe", "email": "joe@example.com"}
ORDER = "the port rejects an invalid request before it looks up the user"
NOT_AN_OBJECT = "JSON that is not an object is an error of the client"
# The error pages come from different frameworks.
UNLIKE = ("content-length", "content-type")


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
    step = Step(
        f"/user/{user}",
        method="POST",
        body=body,
        json=json,
        headers=headers,
        compare="ignore" if differs else "text",
        ignore_headers=UNLIKE if differs else (),
    )
    return Case(name, step, Step("/users"), checks=("JS-3", "JS-7"), differs=differs)


def rejected(name: str, body: bytes) -> Case:
    """Return a case with JSON that is a server error in the original."""
    failed = Difference("status", 500, 400, NOT_AN_OBJECT)
    return update(name, body, failed, content_type="application/json")


CASES: tuple[Case, ...] = (
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
    add("blanks and underscores", "?a=%201%20&b=1_0"),
    Case("HEAD of numbers", Step("/_add_numbers?a=1", method="HEAD"), checks=("JQ-3",)),
    Case("another method", Step("/_add_numbers", method="POST"), checks=("JQ-3",)),
    Case("OPTIONS", Step("/_add_numbers", method="OPTIONS"), checks=("JQ-3",)),
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
    rejected("null", b"null"),
    rejected("a list", b"[{}]"),
    rejected("a word", b'"joe"'),
    rejected("a number alone", b"1"),
    rejected("brackets without end", b"[" * 100_000),
    update(
        "not JSON, for an unknown user",
        b"a=b",
        Difference("status", 404, 415, ORDER),
        user=99,
        content_type="text/plain",
    ),
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
    Case(
        "the API",
        Step("/api", ignore_headers=("content-length",)),
        checks=("JS-8",),
        differs=[
            Difference(
                "body",
                re.compile(r"(?s).*(?<!documentation</a>\.</p>\n)\n<p><a href=\"/\">Back.*"),
                re.compile(r"(?s).*<a href=\"/docs\">the documentation</a>.*"),
                "quart-schema documents the API, and the application shows it",
            )
        ],
    ),
)
