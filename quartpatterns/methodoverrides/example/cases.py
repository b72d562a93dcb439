"""The cases of HTTP method overrides."""

from __future__ import annotations

from typing import Any

from quartpatterns.compare import Case, Difference, Step

__all__ = ["CASES"]

NOT_DROPPED = "under gunicorn, the original's CONTENT_LENGTH of 0 does not drop the body"
CHUNKED = "the port drops a chunked body too; the original only sets its length to 0"
FRAMING = "with the length of the response to HEAD, a client that has sent POST waits for the body"
FORM: dict[str, Any] = {"form": {"a": "b"}}
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}


def override(method: str, value: str, path: str = "/seen", **more: Any) -> Step:
    headers = {"X-HTTP-Method-Override": value, **more.pop("headers", {})}
    return Step(path, method=method, headers=headers, **more)


def dropped(method: str) -> tuple[Difference, ...]:
    """Under a real server, the original does not drop a body with a length."""
    full = f'{{"content_length":0,"form":{{"a":["b"]}},"method":"{method}"}}\n'
    empty = f'{{"content_length":0,"form":{{}},"method":"{method}"}}\n'
    lengths = str(len(full)), str(len(empty))
    return (
        Difference("body", full, empty, NOT_DROPPED, where="on the wire"),
        Difference("header:content-length", *lengths, NOT_DROPPED, where="on the wire"),
    )


CASES = (
    Case("index", Step("/")),
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
        override("POST", "HEAD", **FORM),
        checks=("MO-2",),
        differs=[
            Difference("header:content-length", "47", "0", FRAMING, where="in process"),
            Difference("header:content-length", "56", "0", FRAMING, where="on the wire"),
            Difference("complete", False, True, FRAMING, where="on the wire"),
        ],
    ),
    Case("POST as TRACE", override("POST", "TRACE", **FORM), checks=("MO-3",)),
    Case("POST as BOGUS", override("POST", "BOGUS", **FORM), checks=("MO-3",)),
    Case("POST as nothing", override("POST", "", **FORM), checks=("MO-3",)),
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
            ),
            Difference("header:content-length", "61", "49", CHUNKED),
        ],
    ),
)
