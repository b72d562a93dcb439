"""Play a case against one side and bring back its answers."""

from __future__ import annotations

import asyncio
import io
import json
import re
import string
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import encode_multipart

from quartpatterns.compare.case import Case, File, Pairs, Step
from quartpatterns.compare.exchange import Answer, aspects
from quartpatterns.compare.transports import ENDING, TARGET, Client, Ending

__all__ = ["NoAnswerError", "Played", "play", "request_for"]

BOUNDARY = "quartpatterns-boundary"
PAUSE = 0.05  # seconds between two requests of a step that waits


class NoAnswerError(Exception):
    """A server can't be reached, or does not answer in time."""


@dataclass(frozen=True, slots=True)
class Played:
    """The answer to one step, and what is compared of it."""

    answer: Answer
    aspects: Mapping[str, Any]


async def play(case: Case, client: Client) -> list[Played]:
    """Send the steps of *case* in order, in one session, and return the answers.

    An application that fails is an answer too, and so is a connection that breaks off before one
    (status 0); a server that can't be reached is not.

    Raises:
        NoAnswerError: No connection, or no answer in time.
    """
    client.cookies.clear()
    captured: dict[str, str] = {}
    played = []
    for step in case.steps:
        answer = await _patiently(step, client, captured)
        for name, pattern in step.capture.items():
            match = re.search(pattern, answer.text)
            captured[name] = match[1] if match else ""
        compared = aspects(answer, step.compare, step.ignore_headers, captured)
        played.append(Played(answer, compared))
    return played


async def _patiently(step: Step, client: Client, captured: Mapping[str, str]) -> Answer:
    deadline = asyncio.get_running_loop().time() + step.patience
    while True:
        answer = await _answer(client, request_for(step, client, captured))
        if step.until is None or re.search(step.until, answer.text):
            return answer
        if asyncio.get_running_loop().time() > deadline:
            return answer
        await asyncio.sleep(PAUSE)


async def _answer(client: Client, request: httpx.Request) -> Answer:
    try:
        response = await client.exchange(request)
    except (httpx.ConnectError, httpx.TimeoutException) as error:
        what = f"{request.method} {client.base_url}: {type(error).__name__}"
        raise NoAnswerError(f"no answer to {what} {error}".rstrip()) from error
    except httpx.TransportError as error:
        return Answer(
            0, (), b"", complete=False, error=f"no answer: {type(error).__name__} {error}"
        )
    body = bytearray()
    ending: Ending = response.extensions.get(ENDING, Ending())
    try:
        async for chunk in response.aiter_raw():
            body += chunk
    except httpx.TransportError as error:
        ending = Ending(complete=False, error=str(error))
    finally:
        await response.aclose()
    headers = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in response.headers.raw
    )
    return Answer(response.status_code, headers, bytes(body), ending.complete, ending.error)


def request_for(
    step: Step, client: Client, captured: Mapping[str, str] | None = None
) -> httpx.Request:
    """The request that *step* describes, with the captured values filled in."""

    def filled(text: str) -> str:
        for name, value in (captured or {}).items():
            text = text.replace(f"{{{name}}}", value)
        return text

    content, content_type = _body(step, filled)
    headers = [("Content-Type", content_type)] if content_type else []
    headers += [(key, filled(value)) for key, value in _pairs(step.headers)]
    return client.build_request(
        step.method,
        client.base_url,
        # As bytes: HTTPX would refuse what is not ASCII, which a client may send.
        headers=[(key.encode(), value.encode()) for key, value in headers],
        content=content,
        extensions={TARGET: _target(step, filled)},
    )


def _target(step: Step, filled: Callable[[str], str]) -> bytes:
    """Path and query as they go over the wire; HTTPX would merge slashes and resolve dots."""
    target = filled(step.path)
    if query := urlencode([(key, filled(value)) for key, value in _pairs(step.query)]):
        target += ("&" if "?" in target else "?") + query
    return quote(target, safe=string.punctuation).encode()


def _pairs(given: Pairs) -> Iterable[tuple[str, str]]:
    return given.items() if isinstance(given, Mapping) else given


def _body(step: Step, filled: Callable[[str], str]) -> tuple[Any, str | None]:
    """The content of the request and its media type: the same bytes for both sides."""
    fields = [
        (key, filled(value))
        for key, values in (step.form or {}).items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    if step.files is not None:
        return _multipart(fields, step.files), f"multipart/form-data; boundary={BOUNDARY}"
    if step.form is not None:
        return urlencode(fields).encode(), "application/x-www-form-urlencoded"
    if step.json is not None:
        return json.dumps(step.json).encode(), "application/json"
    if step.body is None or isinstance(step.body, bytes):
        return step.body, None
    return _chunks(step.body), None


def _multipart(fields: list[tuple[str, str]], files: Mapping[str, File]) -> bytes:
    parts: MultiDict[str, Any] = MultiDict(fields)
    for name, file in files.items():
        stream = io.BytesIO(file.content)
        parts.add(name, FileStorage(stream, filename=file.name, content_type=file.content_type))
    return encode_multipart(parts, boundary=BOUNDARY)[1]


async def _chunks(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
