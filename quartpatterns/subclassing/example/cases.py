"""What original and port must answer alike; the 42 rows have probes of their own."""

from __future__ import annotations

from quartpatterns.compare.case import Case, Step

__all__ = ["CASES"]

CASES = (
    Case("the page", Step("/", compare="html")),
    Case("a string", Step("/hello")),
    Case("JSON", Step("/json")),
    Case("a template", Step("/template", compare="html")),
    Case("no body for HEAD", Step("/hello", method="HEAD")),
    Case("what may be asked", Step("/parameters", method="OPTIONS", ignore_headers=("allow",))),
    Case("parameters in order", Step("/parameters?b=2&a=1&b=3"), checks=("SC-1",)),
    Case(
        "fields of a form in order",
        Step(
            "/parameters",
            method="POST",
            body=b"b=2&a=1&b=3",
            headers=(("Content-Type", "application/x-www-form-urlencoded"),),
        ),
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
    Case("no such page", Step("/nowhere")),
    Case("two slashes", Step("//", compare="html")),
    Case("two slashes before a path", Step("//hello")),
    Case("no such method", Step("/hello", method="DELETE", ignore_headers=("allow",))),
)
