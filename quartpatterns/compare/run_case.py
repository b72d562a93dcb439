"""Send the requests of a case to one application."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import replace

import httpx

from quartpatterns.compare.case import Case, Step
from quartpatterns.compare.conversations import open_stream, open_websocket
from quartpatterns.compare.cookies import CookieReader, unverified
from quartpatterns.compare.masking import find_values
from quartpatterns.compare.request import build_request
from quartpatterns.compare.responses import Response, StepResult, aspects, places
from quartpatterns.compare.transports import (
    DELIVERY,
    TARGET,
    ComparisonClient,
    Delivery,
    WSGITransport,
)
from quartpatterns.compare.websockets import HANDSHAKE

POLL_INTERVAL = 0.05  # seconds between two requests of a step with `until`


class ServerUnreachableError(Exception):
    """A server refuses connections, or does not respond in time."""


async def run_case(case: Case, client: ComparisonClient) -> list[StepResult]:
    """Send the steps of *case* in one session, and return the responses.

    An error of the application is a response, and so is a connection that is closed early
    (status 0). A server that cannot be reached is not. A step with an error is the last one, since
    later steps use what it awaits.

    Raises:
        ServerUnreachableError: The server does not respond.
    """
    client.cookies.clear()
    session = _Session(client)
    results: list[StepResult] = []
    for step in case.steps:
        results.append(await session.perform(step))
        if results[-1].errors:
            break
    return results


def compare_steps_again(
    case: Case, results: Sequence[StepResult], reader: CookieReader
) -> list[StepResult]:
    """Return what is compared of the responses in *results*, as *case* says.

    The requests of *case* must be the same; what it captures and masks can differ.
    """
    captured: dict[str, str] = {}
    compared: list[StepResult] = []
    for step, result in zip(case.steps, results, strict=False):
        errors = {
            aspect: text
            for aspect, text in result.errors.items()
            if not aspect.startswith(("capture:", "mask:"))
        }
        compared.append(_compared(step, result.response, errors, captured, reader))
        if compared[-1].errors:
            break
    return compared


def _compared(
    step: Step,
    response: Response,
    errors: Mapping[str, str],
    captured: MutableMapping[str, str],
    reader: CookieReader,
) -> StepResult:
    """Return what is compared of *response*, and add what *step* captures to *captured*."""
    masks = find_values(step, places(response, reader), captured)
    compared = aspects(response, step.compare, step.ignore_headers, masks, reader)
    cookies = unverified(response.values("set-cookie"), reader)
    return StepResult(response, compared, {**errors, **masks.errors}, cookies)


class _Session:
    """Steps that share their cookies and what they capture."""

    def __init__(self, client: ComparisonClient) -> None:
        self._client = client
        self._captured: dict[str, str] = {}

    async def perform(self, step: Step) -> StepResult:
        """Send *step*, and return what is compared of its response."""
        response, errors = await self._respond(step)
        await self._client.reader.prepare(response.values("set-cookie"))
        return _compared(step, response, errors, self._captured, self._client.reader)

    async def _respond(self, step: Step) -> tuple[Response, dict[str, str]]:
        """Return the response to *step*, and what it awaits in vain."""
        if step.websocket is not None:
            return await self._open_websocket(step)
        if step.stream is not None:
            return await self._open_stream(step)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + step.timeout
        while True:
            try:
                async with asyncio.timeout(step.timeout):
                    response = await self._send(self._request(step))
            except TimeoutError:
                return self._timed_out(self._request(step), step, "end")
            if step.until is None or re.search(step.until, response.text):
                return response, {}
            if loop.time() > deadline:
                missing = f"/{step.until}/ does not match the body after {step.timeout:g} s"
                return response, {"until": missing}
            await asyncio.sleep(POLL_INTERVAL)

    async def _open_websocket(self, step: Step) -> tuple[Response, dict[str, str]]:
        request = self._request(step)
        if isinstance(self._client.transport, WSGITransport):
            # WSGI has no websockets: what the application answers to the handshake is the response.
            request.headers.update(HANDSHAKE)
            return await self._send(request), {}
        try:
            response, errors = await open_websocket(step, self._client, request, self._captured)
        except TimeoutError:
            return self._timed_out(request, step, "begin")
        except OSError as error:
            raise self._unreachable(request, error) from error
        return _with_request(response, request), errors

    async def _open_stream(self, step: Step) -> tuple[Response, dict[str, str]]:
        request = self._request(step)
        now = time.time()
        try:
            received, body, delivery, errors = await open_stream(
                step, self._client, request, self.perform
            )
        except httpx.TransportError as error:
            return self._no_response(request, error), {}
        except TimeoutError:
            return self._timed_out(request, step, "begin")
        return _response(received, body, delivery, now), errors

    def _timed_out(
        self, request: httpx.Request, step: Step, event: str
    ) -> tuple[Response, dict[str, str]]:
        """Return that there is no response in time; *event* is what the step awaits of it."""
        missing = f"the response did not {event} in {step.timeout:g} s"
        hint = ": read a response without an end with stream" if event == "end" else ""
        response = Response(0, (), b"", complete=False, error=missing)
        return _with_request(response, request), {"response": missing + hint}

    async def _send(self, request: httpx.Request) -> Response:
        try:
            received = await self._client.exchange(request)
        except httpx.TransportError as error:
            return self._no_response(request, error)
        now = time.time()
        body = bytearray()
        delivery: Delivery = received.extensions.get(DELIVERY, Delivery())
        try:
            async for chunk in received.aiter_raw():
                body += chunk
        except httpx.TransportError as error:
            delivery = Delivery(complete=False, error=str(error))
        finally:
            await received.aclose()
        return _response(received, bytes(body), delivery, now)

    def _request(self, step: Step) -> httpx.Request:
        return build_request(step, self._client, self._captured)

    def _no_response(self, request: httpx.Request, error: httpx.TransportError) -> Response:
        if isinstance(error, httpx.ConnectError | httpx.TimeoutException):
            raise self._unreachable(request, error) from error
        cause = f"no response: {type(error).__name__} {error}"
        return _with_request(Response(0, (), b"", complete=False, error=cause), request)

    def _unreachable(self, request: httpx.Request, error: Exception) -> ServerUnreachableError:
        cause = f"{type(error).__name__} {error}".rstrip()
        return ServerUnreachableError(
            f"no response to {request.method} {self._client.base_url}: {cause}"
        )


def _response(received: httpx.Response, body: bytes, delivery: Delivery, now: float) -> Response:
    headers = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in received.headers.raw
    )
    response = Response(received.status_code, headers, body, delivery.complete, delivery.error, now)
    return _with_request(response, received.request)


def _with_request(response: Response, request: httpx.Request) -> Response:
    target: bytes = request.extensions[TARGET]
    return replace(response, method=request.method, target=target.decode())
