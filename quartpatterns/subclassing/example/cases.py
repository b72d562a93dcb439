"""What original and port must answer alike; the 42 rows have probes of their own."""

from __future__ import annotations

from quartpatterns.compare.case import Case, Difference, Step, same_settings
from quartpatterns.compare.error_page import error_page

__all__ = ["CASES", "arrange"]

arrange = same_settings(TRUSTED_HOSTS=["localhost"])

JSON = {"Content-Type": "application/json"}
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}
DEEP = b"[" * 100_000  # more than any limit of recursion
DEEP_REASON = "Flask does not catch the RecursionError of the JSON parser"

CASES = (
    Case("the page", Step("/", compare="html")),
    Case("a string", Step("/hello")),
    Case("JSON", Step("/json")),
    Case("a template", Step("/template", compare="html")),
    Case("no body for HEAD", Step("/hello", method="HEAD")),
    Case("what may be asked", Step("/parameters", method="OPTIONS")),
    Case("parameters in order", Step("/parameters?b=2&a=1&b=3"), checks=("SC-1",)),
    Case(
        "fields of a form in order",
        Step(
            "/parameters",
            method="POST",
            body=b"b=2&a=1&b=3",
            headers=URLENCODED,
        ),
        checks=("SC-1",),
    ),
    Case(
        "fields of a long form in order",
        Step("/parameters", method="POST", body=b"b=2&a=1&" * 3000, headers=URLENCODED),
        checks=("SC-1",),
    ),
    Case(
        "a long field",
        Step("/parameters", method="POST", body=b"b=1&a=" + b"x" * 50_000, headers=URLENCODED),
        checks=("SC-1",),
    ),
    Case("parameters that are not UTF-8", Step("/parameters?a=%FF&b=%C3%BC")),
    Case("JSON of another content type", Step("/checked", method="POST", body=b"{}")),
    Case(
        "no JSON under JSON's content type",
        Step("/checked", method="POST", body=b"{", headers={"Content-Type": "application/json"}),
    ),
    Case(
        "JSON that is not UTF-8",
        Step(
            "/checked", method="POST", body=b'"\xff"', headers={"Content-Type": "application/json"}
        ),
    ),
    Case("JSON sent back", Step("/checked", method="POST", json={"b": [1, None], "a": "ü"})),
    Case(
        "JSON nested deep",
        Step("/checked", method="POST", body=b"[" * 400 + b"]" * 400, headers=JSON),
    ),
    Case(
        "JSON nested too deep",
        Step(
            "/checked",
            method="POST",
            body=DEEP,
            headers=JSON,
        ),
        differs=[
            Difference("status", 500, 400, DEEP_REASON, kind="input"),
            Difference("body", error_page(500), error_page(400), DEEP_REASON, kind="input"),
        ],
    ),
    Case("a host that is not trusted", Step("/hello", headers={"Host": "untrusted.example"})),
    Case("no such page", Step("/nowhere")),
    Case("two slashes", Step("//", compare="html")),
    Case("two slashes before a path", Step("//hello")),
    Case("no such method", Step("/hello", method="DELETE")),
)
