"""Parsing JSON in time slices: the result is that of :mod:`json`, and other tasks run."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pytest
from flask import Flask
from flask.json.provider import DefaultJSONProvider
from hypothesis import given, settings
from hypothesis import strategies as st

from quartpatterns._shared import sliced_json
from quartpatterns._shared.sliced_json import TooManyContainersError, loads
from tests.examples import examples

PROVIDER = DefaultJSONProvider(Flask(__name__))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short documents count as large, so that all paths are taken."""
    for name, value in {"THRESHOLD": 0, "_SMALL": 12, "_BATCH": 6, "_MAX_BATCH": 40}.items():
        monkeypatch.setattr(sliced_json, name, value)


texts = st.text(st.sampled_from('ab"\\/[]{},: \n\t\ud83d\ude00é😀'), max_size=6)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(texts, inner, max_size=6),
    max_leaves=60,
)


def outcome(parse: Any) -> Any:
    try:
        return repr(parse())
    except ValueError as error:
        return type(error)


@settings(max_examples=examples(400))
@given(
    documents,
    st.sampled_from([None, 1]),
    st.booleans(),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:")]),
)
def test_documents(document: Any, indent: int | None, ascii: bool, separators: Any) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=ascii, separators=separators)
    assert repr(asyncio.run(loads(PROVIDER, text))) == repr(json.loads(text))
    data = text.encode("utf-8", "surrogatepass")
    assert repr(asyncio.run(loads(PROVIDER, data))) == repr(json.loads(data))


@pytest.mark.slow
@settings(max_examples=examples(600))
@given(documents, st.data())
def test_invalid_documents(document: Any, data: st.DataObject) -> None:
    """A document with a character replaced, inserted or removed is valid or not, as for json."""
    text = json.dumps(document, ensure_ascii=False)
    position = data.draw(st.integers(0, len(text)))
    inserted = data.draw(st.text(st.sampled_from('[]{}",:\\ 1e.-tNu\x00\n'), max_size=2))
    text = text[:position] + inserted + text[position + data.draw(st.integers(0, 1)) :]
    expected = outcome(lambda: json.loads(text))
    assert outcome(lambda: asyncio.run(loads(PROVIDER, text))) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"])
async def test_encodings(encoding: str) -> None:
    document = ["é😀"] * 20
    data = json.dumps(document, ensure_ascii=False).encode(encoding)
    assert await loads(PROVIDER, data) == json.loads(data) == document


LONG: list[str] = [
    '["' + "x" * 3_000_000 + '"]',
    '["' + r"\n" * 500_000 + '", 1]',
    '{"' + r"\u00e9" * 100_000 + '": "' + r"\"" * 5_000 + '"}',
    '["' + r"\ud83d\ude00" * 5_000 + '"]',
    '["' + "x" + r"\ud83d\ud83d\ude00" * 5_000 + '"]',
    '["' + r"\ud83d" * 5_001 + '"]',
    "[" + "1," * 10_000 + "2]",
    "[" + '"a",' * 10_000 + '"b"]',
    "{" + ",".join(f'"{i}":{i}' for i in range(10_000)) + "}",
    "[" + '{"a": [1, 2], "b": {}},' * 1_000 + "[]]",
    '{"a":{"b":[' * 60 + "1" + "]}}" * 60,  # a limit depends on the depth of the stack
    "[" + " " * 100_000 + "]",
    "{" + "\n" * 100_000 + "}",
    '{"a": 1, "a": 2, ' + '"b": [],' * 20 + '"a": [3]}',
    "[NaN, Infinity, -Infinity, 1e400, -0.0" + ", 1" * 100 + "]",
]


@pytest.mark.parametrize("text", LONG, ids=lambda text: text[:20])
async def test_long_parts(text: str) -> None:
    assert repr(await loads(PROVIDER, text)) == repr(json.loads(text))


INVALID = [
    '["' + "x" * 2_000_000,
    '["' + r"\n" * 2_000 + "\n" + '"]',
    '["' + r"\n" * 2_000 + r"\x" + '"]',
    '"' * 100_001,
    "[" * 50,
    "]" * 50,
    "[1,2,]" + " " * 50,
    "[" + "1," * 1000 + "]",
    "[" + "1," * 1000 + ",1]",
    '{"a":1,' * 20,
    "{1:2" + ",3:4" * 20 + "}",
    '{"a" 1' + ' "b" 2' * 20 + "}",
    "[1}" + "[2}" * 20,
    "[1]" + "[2]" * 20,
    "[" + "1" * 5_000 + "]",
    "\ufeff[1" + ",1" * 50 + "]",
    "",
    " " * 100,
]


@pytest.mark.parametrize("text", INVALID, ids=lambda text: text[:20])
async def test_invalid(text: str) -> None:
    with pytest.raises(ValueError):
        json.loads(text)
    with pytest.raises(ValueError):
        await loads(PROVIDER, text)


async def test_positions_of_errors() -> None:
    """The message says where the error is."""
    text = "[\n" + "1,\n" * 100 + '{"a": [tru], "b": 1},' + "\n1," * 100 + "1]"
    with pytest.raises(json.JSONDecodeError) as expected:
        json.loads(text)
    with pytest.raises(json.JSONDecodeError) as caught:
        await loads(PROVIDER, text)
    assert str(caught.value) == str(expected.value)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000 + "]" * 1_000,
        "[" * 100_000,
        '{"a":' * 1_000 + "1" + "}" * 1_000,
        "[" * 2_000 + "1," * 1_000,
    ],
    ids=lambda text: f"{text[:5]} {len(text)}",
)
@pytest.mark.parametrize("threshold", [0, math.inf])
async def test_nested_too_deep(
    text: str, threshold: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sliced_json, "THRESHOLD", threshold)
    with pytest.raises(ValueError, match="nested too deep"):
        await loads(PROVIDER, text)


async def test_a_number_is_too_long() -> None:
    with pytest.raises(json.JSONDecodeError, match="Number too long"):
        await loads(PROVIDER, "[1." + "1" * 100_000 + "]")


async def test_too_many_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sliced_json, "MAX_CONTAINERS", 10)
    assert len(await loads(PROVIDER, "[" + "[]," * 8 + '"[[[["]')) == 9
    with pytest.raises(TooManyContainersError):
        await loads(PROVIDER, "[" + "{}," * 10 + "1]")


async def test_a_provider_of_the_application_parses_itself() -> None:
    class Provider(DefaultJSONProvider):
        def loads(self, s: str | bytes, **kwargs: Any) -> Any:
            return "own"

    class Writer(DefaultJSONProvider):
        pass

    assert await loads(Provider(Flask(__name__)), "[" * 100) == "own"
    assert await loads(Writer(Flask(__name__)), "[1" + ",1" * 50 + "]") == [1] * 51


async def test_other_tasks_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document of some megabytes does not block the event loop."""
    monkeypatch.undo()
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    ticking = asyncio.create_task(tick())
    for text in ("[" + "[]," * 400_000 + "1]", '["' + r"\n" * 2_000_000 + '"]'):
        ticks = 0
        await loads(PROVIDER, text)
        assert ticks > 10
    ticking.cancel()
