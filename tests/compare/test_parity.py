from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask, Response
from quart import Quart

from quartpatterns.compare import Case, Difference, Step
from quartpatterns.compare.case import Transport, Where
from quartpatterns.compare.parity import ParityResult, compare_again, compare_applications

OLD, NEW = "<p>old</p>", "<p>new</p>"


def original(text: str = OLD) -> Flask:
    app = Flask(__name__)

    @app.get("/")
    def index() -> Response:
        return Response(text, headers={"X-Same": "1", "X-Old": "1"})

    return app


def port(text: str = NEW) -> Quart:
    app = Quart(__name__)

    @app.get("/")
    async def index() -> tuple[str, dict[str, str]]:
        return text, {"X-Same": "1"}

    return app


HEADER = Difference("header:x-old", "1", None, "removed")


async def compare(
    *differs: Difference, transport: Transport = "in process", **step: Any
) -> ParityResult:
    case = Case("index", Step("/", **step), differs=differs)
    (result,) = [
        result
        async for result in compare_applications(original(), port(), [case], transport=transport)
    ]
    return result


def kinds(result: ParityResult) -> dict[str, str]:
    return {finding.aspect: finding.state for finding in result.findings}


async def test_undeclared() -> None:
    """A different value and a missing header are found."""
    result = await compare()
    assert not result.passed
    assert kinds(result) == {"body": "undeclared", "header:x-old": "undeclared"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(OLD, NEW, id="text"),
        pytest.param(re.compile("<p>o.*"), re.compile(".*new.*"), id="patterns"),
    ],
)
async def test_declared(old: Any, new: Any) -> None:
    result = await compare(Difference("body", old, new, "renamed"), HEADER)
    assert result.passed
    assert kinds(result) == {"body": "declared", "header:x-old": "declared"}


async def test_declared_html() -> None:
    """A declared body is normalized like the received one."""
    differs = Difference("body", "<p> old </p>", "<p> new </p>", "renamed")
    assert (await compare(differs, HEADER, compare="html")).passed


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(Difference("body", "other", NEW, "reason"), id="original"),
        pytest.param(Difference("body", OLD, "other", "reason"), id="port"),
        pytest.param(Difference("body", re.compile("<p>ol"), NEW, "reason"), id="only a part"),
    ],
)
async def test_other_values_declared(wrong: Difference) -> None:
    """Both declared values must be those of the responses."""
    result = await compare(wrong, HEADER)
    assert not result.passed
    assert kinds(result)["body"] == "undeclared"


async def test_header_of_the_port_only() -> None:
    """A header that only the port sends is found."""
    case = Case("index", Step("/"))
    results = [result async for result in compare_applications(port(OLD), original(), [case])]
    assert kinds(results[0]) == {"header:x-old": "undeclared"}


async def test_declared_json() -> None:
    """A declared JSON body is a dict or a list."""
    differs = Difference("body", {"a": 1, "b": [2]}, [3], "changed")
    step = Step("/", compare="json", ignore_headers=("content-length",))
    case = Case("index", step, differs=[HEADER, differs])
    apps = original('{"b": [2], "a": 1}'), port("[3]")
    (result,) = [result async for result in compare_applications(*apps, [case])]
    assert result.passed


async def test_declared_for_another_step() -> None:
    """A difference applies only to its step."""
    differs = [HEADER, Difference("body", OLD, NEW, "renamed"), replace(HEADER, step=1)]
    case = Case("twice", Step("/"), Step("/"), differs=differs)
    (result,) = [result async for result in compare_applications(original(), port(), [case])]
    found = {(finding.step, finding.aspect): finding.state for finding in result.findings}
    assert found[0, "body"] == "declared"
    assert found[1, "body"] == "undeclared"


async def test_stale() -> None:
    """A declared difference that no longer exists fails the comparison."""
    differs = Difference("header:x-same", "1", "2", "no longer true")
    result = await compare(HEADER, Difference("body", OLD, NEW, "renamed"), differs)
    assert not result.passed
    assert kinds(result)["header:x-same"] == "stale"


@pytest.mark.parametrize(
    ("where", "passed"),
    [
        pytest.param("everywhere", True, id="everywhere"),
        pytest.param("in process", True, id="this transport"),
        pytest.param("on the wire", False, id="other transport"),
    ],
)
async def test_where(where: Where, passed: bool) -> None:
    """A difference is expected only on its transport."""
    differs = Difference("body", OLD, NEW, "renamed", where=where)
    assert (await compare(HEADER, differs)).passed is passed


async def test_ignored() -> None:
    ignored = ("x-old", "content-length")
    assert (await compare(ignore_headers=ignored, compare="ignore", reason="a test")).passed


async def test_errors() -> None:
    """The exception of an application is part of the result."""
    app = Quart(__name__)

    @app.get("/")
    async def index() -> str:
        raise RuntimeError("on purpose")

    app.config["PROPAGATE_EXCEPTIONS"] = True
    results = [r async for r in compare_applications(original(), app, [Case("x", Step("/"))])]
    assert results[0].errors == ("port, step 0: RuntimeError: on purpose",)


async def extra(**expected: Any) -> ParityResult:
    step = Step("/", expected={"status": 200, "body": NEW} | expected)
    apps = failing, port()
    (result,) = [result async for result in compare_applications(*apps, [Case("extra", step)])]
    return result


def failing(environ: Any, start_response: Any) -> list[bytes]:
    raise AssertionError("an extra is not sent to the original")


async def test_extra() -> None:
    """An extra is sent to the port alone, and must have the expected values."""
    assert (await extra()).passed
    assert (await extra(**{"header:x-same": "1", "header:x-old": None})).passed


async def test_unexpected_value() -> None:
    result = await extra(**{"header:x-same": "2"}, body=re.compile("<p>o.*"))
    assert not result.passed
    assert {(one.state, one.aspect, one.original, one.port) for one in result.findings} == {
        ("unexpected", "header:x-same", "2", "1"),
        ("unexpected", "body", "/<p>o.*/", NEW),
    }


async def test_kind() -> None:
    """The kind of a difference is part of its finding."""
    result = await compare(
        replace(HEADER, kind="http"), Difference("body", OLD, NEW, "renamed", kind="text")
    )
    assert {one.aspect: one.kind for one in result.findings} == {
        "header:x-old": "http",
        "body": "text",
    }


def sized(text: str, length: int | None = None) -> Any:
    """A WSGI application; frameworks would correct a wrong length."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", str(length or len(text)))])
        return [text.encode()]

    return app


@pytest.mark.parametrize(
    ("length", "passed"),
    [pytest.param(None, True, id="right"), pytest.param(9, False, id="wrong")],
)
async def test_length_of_a_declared_body(length: int | None, passed: bool) -> None:
    """A right length follows from the body; a wrong one is a difference of its own."""
    case = Case("index", Step("/"), differs=[Difference("body", "a", "bc", "renamed")])
    apps = sized("a"), sized("bc", length)
    (result,) = [result async for result in compare_applications(*apps, [case])]
    assert result.passed is passed


async def test_length_of_an_undeclared_body() -> None:
    case = Case("index", Step("/", compare="json"))
    (result,) = [one async for one in compare_applications(sized("{}"), sized("{ }"), [case])]
    assert kinds(result) == {"header:content-length": "undeclared"}


async def test_compare_again() -> None:
    """Received responses are compared with other captures, and without a new request."""
    requests = 0
    app = Flask(__name__)

    @app.get("/")
    def number() -> str:
        nonlocal requests
        requests += 1
        return f"number {requests}"

    cases = [Case("number", Step("/", capture={"number": r"id (\d+)"}))]
    (result,) = [each async for each in compare_applications(app, app, cases)]
    assert {finding.state for finding in result.findings} == {"undeclared", "error"}
    again = compare_again(result, Case("number", Step("/", capture={"number": r"number (\d+)"})))
    assert (again.findings, requests) == ((), 2)
