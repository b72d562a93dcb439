"""Values that the applications generate are compared by their names, in named places only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from flask import Flask, Response, request

from quartpatterns.compare import Capture, Case, Close, Step
from quartpatterns.compare.parity import ParityResult, compare_applications

ID = {"id": r'"id": "?(\d+)'}


def answering(text: str, **headers: str) -> Flask:
    """An application that always sends *text*."""
    app = Flask(__name__)

    @app.route("/", defaults={"rest": ""}, methods=["GET", "POST"])
    @app.route("/<path:rest>", methods=["GET", "POST"])
    def anything(rest: str) -> Response:
        names = {key.replace("_", "-"): value for key, value in headers.items()}
        return Response(text.replace("{path}", request.path), headers=names)

    return app


async def compare(original: Flask, port: Flask, *steps: Step) -> ParityResult:
    (result,) = [
        result async for result in compare_applications(original, port, [Case("case", *steps)])
    ]
    return result


def aspects(result: ParityResult) -> Mapping[str, str]:
    return {finding.aspect: finding.state for finding in result.findings}


@pytest.mark.parametrize("form", ["text", "json"])
async def test_only_the_captured_position(form: Any) -> None:
    """A number elsewhere is compared, even if it consists of captured digits."""
    one, other = '{"id": 1, "total": 11}', '{"id": 2, "total": 22}'
    result = await compare(answering(one), answering(other), Step(compare=form, capture=ID))
    assert aspects(result) == {"body": "undeclared"}
    assert (
        await compare(
            answering(one), answering(other.replace("22", "11")), Step(compare=form, capture=ID)
        )
    ).passed


async def test_content_length() -> None:
    """The length is that of the body with names; a digit of it is no captured value."""
    one = json.dumps({"id": 1, "text": "x" * 4})
    other = json.dumps({"id": 22, "text": "x" * 4})
    assert (len(one), len(other)) == (25, 26)
    step = Step(compare="json", capture=ID)
    assert (await compare(answering(one), answering(other), step)).passed
    longer = other.replace("xxxx", "xxxxx")
    result = await compare(answering(one), answering(longer), step)
    assert {"header:content-length", "body"} == aspects(result).keys()


async def test_content_length_with_captured_digits() -> None:
    text = '{"id": 2, "text": "ab"}'
    assert len(text) == 23
    assert (
        await compare(answering(text), answering(text.replace("2", "3")), Step(capture=ID))
    ).passed


async def test_length_in_bytes() -> None:
    one, other = "<ü> €", "<abc> €"
    assert (await compare(answering(one), answering(other), Step(capture={"x": "<(.*)>"}))).passed


async def test_wrong_content_length() -> None:
    """A length that is not that of the body is compared as it is."""
    step = Step(method="HEAD", capture={"x": Capture("(.+)", place="header:x-id")})
    result = await compare(answering("a", X_Id="1"), answering("ab", X_Id="2"), step)
    assert aspects(result) == {"header:content-length": "undeclared"}


async def test_no_match() -> None:
    """A capture that matches nothing is an error, even if both applications agree."""
    step = Step(capture={"id": "id=(.+)"})
    result = await compare(answering("none"), answering("none"), step)
    assert not result.passed
    [finding] = result.findings
    assert (finding.state, finding.aspect) == ("error", "capture:id")
    assert finding.original == finding.port == "/id=(.+)/ matches nothing in body"


@pytest.mark.parametrize("pattern", ["id=(.*)", "id=(x)?"])
async def test_empty_match(pattern: str) -> None:
    """Nothing is not a value."""
    result = await compare(answering("id="), answering("id="), Step(capture={"id": pattern}))
    assert aspects(result) == {"capture:id": "error"}


@pytest.mark.parametrize(
    ("mask", "passed"),
    [
        pytest.param([r"/users/(\d+)"], True, id="named"),
        pytest.param([r"/(?:users|rooms)/(\d+)"], True, id="two places by one pattern"),
        pytest.param([r"/rooms/(\d+)"], False, id="another place"),
    ],
)
async def test_mask(mask: Sequence[str], passed: bool) -> None:
    """Only named places are compared by name."""
    step = Step(capture={"id": "id=(.)"}, mask={"id": mask})
    one, other = (f"id={number} /users/{number} /rooms/5" for number in (5, 7))
    result = await compare(answering(one), answering(other), step)
    assert result.passed is (passed and "rooms" not in mask[0])


async def test_mask_of_another_value() -> None:
    """What is not the captured value remains."""
    step = Step(capture={"id": "id=(.)"}, mask={"id": [r"/users/(\d)"]})
    result = await compare(answering("id=5 /users/5"), answering("id=7 /users/8"), step)
    [finding] = [one for one in result.findings if one.aspect == "body"]
    assert (finding.original, finding.port) == ("id={id} /users/{id}", "id={id} /users/8")


async def test_mask_in_a_later_step() -> None:
    apps = answering("id=1 {path}"), answering("id=2 {path}")
    steps = Step("/", capture={"id": "id=(.)"}), Step("/a{id}", mask={"id": ["id=(.)", "/a(.)"]})
    assert (await compare(*apps, *steps)).passed


async def test_mask_without_a_match() -> None:
    step = Step(capture={"id": "(.)"}, mask={"id": ["/users/(.)"]})
    result = await compare(answering("1"), answering("2"), step)
    [finding] = result.findings
    assert (finding.state, finding.aspect) == ("error", "mask:id")


async def test_header() -> None:
    """A header has its own places."""
    step = Step(
        capture={"id": "id=(.)"}, mask={"id": [Capture("/users/(.)$", place="header:location")]}
    )
    one = answering("id=1", Location="/users/1", X_Other="1")
    assert (await compare(one, answering("id=2", Location="/users/2", X_Other="1"), step)).passed
    result = await compare(one, answering("id=2", Location="/users/2", X_Other="2"), step)
    assert aspects(result) == {"header:x-other": "undeclared"}
    result = await compare(one, answering("id=2", Location="/users/3", X_Other="1"), step)
    assert aspects(result) == {"header:location": "undeclared"}


async def test_name_in_braces() -> None:
    """An application that sends the name itself, such as a forgotten f-string, is noticed."""
    step = Step(capture={"id": "id=(.)"}, mask={"id": ["a(.)"]})
    result = await compare(answering("id=1 a1 b1"), answering("id=2 a2 b{id}"), step)
    [finding] = [one for one in result.findings if one.aspect == "body"]
    assert finding.port == "id={id} a{id} b{{id}}"
    result = await compare(answering("id=1 a1 b{id}"), answering("id=2 a2 b{id}"), step)
    assert result.passed


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param('{"id": 1}', '{"id": "2"}', id="number and string"),
        pytest.param('{"id": 1}', '{"id": "{id}", "x": {"id": 2}}', id="name"),
    ],
)
async def test_types_of_json(one: str, other: str) -> None:
    """A number and a string are different, even if both are captured."""
    result = await compare(answering(one), answering(other), Step(compare="json", capture=ID))
    assert "body" in aspects(result)


async def test_json_in_another_order() -> None:
    """Keys have no order, with captured numbers and strings as well."""
    one, other = '{"a": "x\\"1", "id": 12}', '{"id": 345,"a":"x\\"1"}'
    step = Step(compare="json", capture=ID, ignore_headers=("content-length",))
    assert (await compare(answering(one), answering(other), step)).passed


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        pytest.param("id", "has 0 groups", id="no group"),
        pytest.param("(i)(d)", "has 2 groups", id="two groups"),
        pytest.param("(", "is no regular expression", id="invalid"),
    ],
)
def test_invalid_pattern(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Step(capture={"id": pattern})
    with pytest.raises(ValueError, match=message):
        Step(mask={"id": [pattern]})


def test_invalid_place() -> None:
    with pytest.raises(ValueError, match="is not a place"):
        Capture("(.)", place="header:Location")


def test_invalid_name() -> None:
    with pytest.raises(ValueError, match="is not a name"):
        Step(capture={"a b": "(.)"})


def test_mask_is_a_list() -> None:
    with pytest.raises(ValueError, match="needs a list"):
        Step(mask={"id": "(.)"})


def test_mask_of_a_value_in_a_stream() -> None:
    """A request in a stream captures values, too, and its masks are checked."""
    inner = Step("/one", method="POST", capture={"id": "(.)"})
    Case("one", Step(stream=[inner, Close()], mask={"id": ["(.)"]}), Step(mask={"id": ["(.)"]}))
    with pytest.raises(ValueError, match="step 0 masks 'other', not captured yet"):
        Case("two", Step(stream=[Step(mask={"other": ["(.)"]}), Close()]))


def test_mask_of_an_unknown_value() -> None:
    """A name that no step has captured is an error of the case."""
    with pytest.raises(ValueError, match="step 0 masks 'id', not captured yet"):
        Case("early", Step(mask={"id": ["(.)"]}), Step(capture={"id": "(.)"}))
