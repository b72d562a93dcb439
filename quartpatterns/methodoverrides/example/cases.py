"""The cases of HTTP method overrides."""

from __future__ import annotations

from typing import Any

from quartpatterns.compare.case import Case, Difference, Step, same_settings

__all__ = ["CASES", "arrange"]

arrange = same_settings(TRUSTED_HOSTS=["localhost"])

NOT_DROPPED = "the original sets CONTENT_LENGTH to 0, but with gunicorn it still reads the body"
CHUNKED = "the port drops a chunked body too; the original only sets CONTENT_LENGTH to 0"
FRAMING = "a client that has sent POST would wait for a body of the length in Content-Length"
FORM: dict[str, Any] = {"form": {"a": "b"}}
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}


def override(method: str, value: str, path: str = "/seen", **more: Any) -> Step:
    headers = {"X-HTTP-Method-Override": value, **more.pop("headers", {})}
    return Step(path, method=method, headers=headers, **more)


def dropped(method: str) -> tuple[Difference, ...]:
    """Under a real server, the original does not drop a body with a length."""
    full = f'{{"content_length":0,"form":{{"a":["b"]}},"method":"{method}"}}\n'
    empty = f'{{"content_length":0,"form":{{}},"method":"{method}"}}\n'
    return (Difference("body", full, empty, NOT_DROPPED, where="on the wire", kind="interface"),)


CASES = (
    Case("index", Step("/")),
    Case("a host that is not trusted", Step("/", headers={"Host": "untrusted.example"})),
    Case("no override", Step("/seen", method="POST", **FORM), checks=("MO-1",)),
    Case("POST as PATCH", override("POST", "PATCH", **FORM), checks=("MO-1",)),
    Case("POST as PUT", override("POST", "PUT", **FORM), checks=("MO-1",)),
    Case("GET as PUT", override("GET", "PUT", **FORM), checks=("MO-1",)),
    Case(
        "POST as DELETE, in lower case",
        override("POST", "delete", **FORM),
        checks=("MO-1", "MO-2"),
        differs=dropped("DELETE"),
    ),
    Case(
        "GET as DELETE",
        override("GET", "DELETE", **FORM),
        checks=("MO-2",),
        differs=dropped("DELETE"),
    ),
    Case("POST as GET", override("POST", "GET", **FORM), checks=("MO-2",), differs=dropped("GET")),
    Case(
        "POST as OPTIONS",
        override("POST", "OPTIONS", **FORM),
        checks=("MO-2",),
        differs=dropped("OPTIONS"),
    ),
    Case(
        "POST as HEAD",
        override("POST", "HEAD"),
        checks=("MO-2",),
        differs=[
            Difference("header:content-length", "47", "0", FRAMING, kind="http"),
            Difference("complete", False, True, FRAMING, where="on the wire", kind="http"),
        ],
    ),
    Case("POST as TRACE", override("POST", "TRACE", **FORM), checks=("MO-3",)),
    Case("POST as BOGUS", override("POST", "BOGUS", **FORM), checks=("MO-3",)),
    Case("POST as nothing", override("POST", "", **FORM), checks=("MO-3",)),
    *(
        Case(f"{method}, without a header", Step("/seen", method=method), checks=("MO-1",))
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
    ),
    Case("a method without a rule", Step("/seen", method="PROPFIND"), checks=("MO-1",)),
    Case("POST to the index", Step("/", method="POST"), checks=("MO-1",)),
    Case("POST to the index as GET", override("POST", "GET", "/"), checks=("MO-1",)),
    Case("no rule for GET", Step("/post"), checks=("MO-1",)),
    Case("a header for another method", override("DELETE", "POST", "/post"), checks=("MO-1",)),
    Case("POST as what is not ASCII", override("POST", "PÜT", **FORM), checks=("MO-3",)),
    Case(
        "two overrides are invalid",
        Step("/seen", method="POST", headers=[("X-HTTP-Method-Override", "PUT")] * 2),
        checks=("MO-3",),
    ),
    Case("reaches the rule of the method", override("POST", "DELETE", "/post"), checks=("MO-1",)),
    Case("the method must have a rule", override("POST", "PUT", "/post"), checks=("MO-1",)),
    Case("chunked PUT", override("POST", "PUT", body=(b"a=", b"b"), headers=URLENCODED)),
    Case(
        "chunked DELETE",
        override("POST", "DELETE", body=(b"a=", b"b"), headers=URLENCODED),
        checks=("MO-2",),
        differs=[
            Difference(
                "body",
                '{"content_length":null,"form":{"a":["b"]},"method":"DELETE"}\n',
                '{"content_length":0,"form":{},"method":"DELETE"}\n',
                CHUNKED,
                kind="interface",
            ),
        ],
    ),
)
