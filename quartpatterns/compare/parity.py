"""Send the cases to both applications and decide whether their responses are equal."""

from __future__ import annotations

import asyncio
import contextlib
import re
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx

from quartpatterns._shared.threads import to_thread
from quartpatterns.compare.applications import Application, load_application
from quartpatterns.compare.case import (
    BodyForm,
    Case,
    Comparison,
    Config,
    Difference,
    Step,
    Transport,
)
from quartpatterns.compare.processes import in_thread
from quartpatterns.compare.request import build_request
from quartpatterns.compare.responses import Response, aspects, canonical_json, normalize_body
from quartpatterns.compare.servers import Server, serve
from quartpatterns.compare.transports import DELIVERY, ComparisonClient, Delivery, client

POLL_INTERVAL = 0.05  # seconds between two requests of a step with `until`

Kind = Literal["declared", "undeclared", "stale"]


class ServerUnreachableError(Exception):
    """A server refuses connections, or does not respond in time."""


class ResponsesDifferError(Exception):
    """The applications respond differently; the message says in which aspects."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """The response to one step, and what is compared of it."""

    response: Response
    aspects: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """One aspect of one step in which the applications differ, or no longer differ.

    ``declared`` means that a :class:`Difference` declares both values, ``undeclared`` that none
    does, ``stale`` that a declared difference no longer exists.
    """

    kind: Kind
    step: int  # its index
    aspect: str
    original: Any  # the value; None for a missing header
    port: Any
    reason: str = ""  # the declared reason, or the values that were declared instead


@dataclass(frozen=True, slots=True)
class ParityResult:
    """The comparison of one case."""

    case: Case
    findings: tuple[Finding, ...]
    errors: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every difference was declared, and every declared difference occurred."""
        return all(finding.kind == "declared" for finding in self.findings)


async def run_comparison(
    comparison: Comparison, transport: Transport
) -> AsyncIterator[ParityResult]:
    """Start what *comparison* needs and both applications, and yield a result for each case.

    Raises:
        ApplicationLoadError: An application cannot be loaded.
        ServerUnreachableError: A server does not respond.
        StartError: A server or a service did not start.
    """
    async with contextlib.AsyncExitStack() as stack:
        temporary = await to_thread(tempfile.TemporaryDirectory, prefix="quartpatterns-")
        folder = Path(await stack.enter_async_context(in_thread(temporary)))
        original_config, port_config = await stack.enter_async_context(
            comparison.configurations(folder)
        )

        async def start(name: str, server: Server, config: Config | None) -> Application | str:
            if transport == "in process":
                return await to_thread(load_application, name, config)
            running = in_thread(serve(name, server, config=config, folder=folder))
            return (await stack.enter_async_context(running)).url

        original = await start(comparison.original, "gunicorn-gthread", original_config)
        port = await start(comparison.port, "hypercorn", port_config)
        async for result in compare_applications(
            original, port, comparison.cases, transport=transport
        ):
            yield result


async def compare_applications(
    original: Application | str,
    port: Application | str,
    cases: Sequence[Case],
    *,
    transport: Transport = "in process",
) -> AsyncIterator[ParityResult]:
    """Send *cases* to both applications, in order, and yield a result for each.

    Arguments:
        original: A WSGI or ASGI application, or the URL of a server.
        port: The same, for the port.
        cases: The cases.
        transport: Decides which declared differences apply.

    Raises:
        ServerUnreachableError: A server does not respond.
    """
    async with client(original) as original_client, client(port) as port_client:
        for case in cases:
            port_steps = await run_case(case, port_client)
            original_steps = await run_case(case, original_client)
            errors = tuple(
                f"{name}, step {index}: {step.response.error}"
                for name, steps in (("original", original_steps), ("port", port_steps))
                for index, step in enumerate(steps)
                if step.response.error
            )
            findings = _findings(case, original_steps, port_steps, transport)
            yield ParityResult(case, tuple(findings), errors)


async def ensure_equal_responses(
    case: Case, original: ComparisonClient, port: ComparisonClient, transport: Transport
) -> tuple[int, int]:
    """Return the status of the last response of the original and of the port.

    Raises:
        ResponsesDifferError: The responses differ, and no declared difference allows it.
        ServerUnreachableError: A server does not respond.
    """
    original_steps, port_steps = await run_case(case, original), await run_case(case, port)
    unexpected: dict[str, list[str]] = {}
    for finding in _findings(case, original_steps, port_steps, transport):
        if finding.kind != "declared":
            unexpected.setdefault(finding.kind, []).append(finding.aspect)
    if unexpected:
        kinds = "; ".join(f"{kind} {', '.join(names)}" for kind, names in unexpected.items())
        raise ResponsesDifferError(
            f"the responses differ {transport}: {kinds}; run quartpatterns parity for details"
        )
    return original_steps[-1].response.status, port_steps[-1].response.status


async def run_case(case: Case, client: ComparisonClient) -> list[StepResult]:
    """Send the steps of *case* in one session, and return the responses.

    An error of the application is a response, and so is a connection that is closed early
    (status 0). A server that cannot be reached is not.

    Raises:
        ServerUnreachableError: The server does not respond.
    """
    client.cookies.clear()
    captured: dict[str, str] = {}
    results = []
    for step in case.steps:
        response = await _run_step(step, client, captured)
        for name, pattern in step.capture.items():
            match = re.search(pattern, response.text)
            captured[name] = match[1] if match else ""
        compared = aspects(response, step.compare, step.ignore_headers, captured)
        results.append(StepResult(response, compared))
    return results


async def _run_step(step: Step, client: ComparisonClient, captured: Mapping[str, str]) -> Response:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + step.timeout
    while True:
        response = await _send(client, build_request(step, client, captured))
        if step.until is None or re.search(step.until, response.text) or loop.time() > deadline:
            return response
        await asyncio.sleep(POLL_INTERVAL)


async def _send(client: ComparisonClient, request: httpx.Request) -> Response:
    try:
        received = await client.exchange(request)
    except (httpx.ConnectError, httpx.TimeoutException) as error:
        cause = f"{type(error).__name__} {error}".rstrip()
        raise ServerUnreachableError(
            f"no response to {request.method} {client.base_url}: {cause}"
        ) from error
    except httpx.TransportError as error:
        cause = f"{type(error).__name__} {error}"
        return Response(0, (), b"", complete=False, error=f"no response: {cause}")
    body = bytearray()
    delivery: Delivery = received.extensions.get(DELIVERY, Delivery())
    try:
        async for chunk in received.aiter_raw():
            body += chunk
    except httpx.TransportError as error:
        delivery = Delivery(complete=False, error=str(error))
    finally:
        await received.aclose()
    headers = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in received.headers.raw
    )
    return Response(received.status_code, headers, bytes(body), delivery.complete, delivery.error)


def _findings(
    case: Case, original: Sequence[StepResult], port: Sequence[StepResult], transport: Transport
) -> list[Finding]:
    findings: list[Finding] = []
    for index, (original_step, port_step) in enumerate(zip(original, port, strict=True)):
        declared = {
            difference.aspect: difference
            for difference in case.differs
            if difference.step == index and difference.where in ("everywhere", transport)
        }
        names = {*original_step.aspects, *port_step.aspects, *declared}
        for aspect in sorted(names, key=_rank):
            values = original_step.aspects.get(aspect), port_step.aspects.get(aspect)
            form = case.steps[index].compare if aspect == "body" else "text"
            finding = _finding(index, aspect, *values, declared.get(aspect), form)
            findings += [finding] if finding else []
    return findings


def _rank(aspect: str) -> tuple[int, str]:
    order = ("status", "complete", "header", "body")
    return order.index(aspect.partition(":")[0]), aspect


def _finding(
    step: int, aspect: str, original: Any, port: Any, declared: Difference | None, form: BodyForm
) -> Finding | None:
    if declared is None:
        return None if original == port else Finding("undeclared", step, aspect, original, port)
    if _matches(declared.original, original, form) and _matches(declared.port, port, form):
        return Finding("declared", step, aspect, original, port, declared.reason)
    kind: Kind = "stale" if original == port else "undeclared"
    reason = f"declared: original {_describe(declared.original)}, port {_describe(declared.port)}"
    return Finding(kind, step, aspect, original, port, reason)


def _matches(expected: Any, value: Any, form: BodyForm) -> bool:
    if isinstance(expected, re.Pattern):
        return isinstance(value, str) and expected.fullmatch(value) is not None
    if isinstance(expected, dict | list):
        return canonical_json(expected) == str(value)
    if isinstance(expected, str):
        return isinstance(value, str) and normalize_body(expected, form) == value
    equal: bool = expected == value
    return equal


def _describe(expected: Any) -> str:
    return f"/{expected.pattern!s}/" if isinstance(expected, re.Pattern) else repr(expected)
