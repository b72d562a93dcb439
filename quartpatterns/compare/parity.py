"""Send the cases to both applications and decide whether their responses are equal."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import AsyncIterator, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from quartpatterns._shared.threads import to_thread
from quartpatterns.compare.applications import (
    Application,
    ApplicationLoadError,
    interface,
    load_application,
)
from quartpatterns.compare.case import Case, Comparison, Config, Transport
from quartpatterns.compare.cookies import CookieKeys, CookieReader, FindKeys, keys_of
from quartpatterns.compare.findings import Finding, findings_of_case, findings_of_extra
from quartpatterns.compare.processes import in_thread
from quartpatterns.compare.responses import Response, StepResult
from quartpatterns.compare.run_case import compare_steps_again, run_case
from quartpatterns.compare.servers import ASGIServer, Server, serve
from quartpatterns.compare.transports import ComparisonClient, client

Readers = tuple[CookieReader, CookieReader]


class ResponsesDifferError(Exception):
    """The applications respond differently; the message says in which aspects."""


@dataclass(frozen=True, slots=True)
class ParityResult:
    """The comparison of one case.

    Attributes:
        case: The case.
        findings: The differences and errors.
        errors: The exceptions of the applications.
        unverified: The names of signed cookies that were not verified: their key is not known.
        original: The responses of the original.
        port: The responses of the port.
        transport: It decides which declared differences apply.
        readers: Read the cookies of the original and of the port.
        server: The server of the port. It decides that, too.
    """

    case: Case
    findings: tuple[Finding, ...]
    errors: tuple[str, ...] = ()
    unverified: Set[str] = frozenset()
    original: tuple[StepResult, ...] = ()
    port: tuple[StepResult, ...] = ()
    transport: Transport = "in process"
    readers: Readers | None = field(default=None, repr=False, compare=False)
    server: ASGIServer | None = None

    def without_responses(self) -> ParityResult:
        """Return this result without the responses, which can be large."""
        return replace(self, original=(), port=(), readers=None)

    @property
    def passed(self) -> bool:
        """Whether every difference was declared, and every declared difference occurred."""
        return all(finding.state == "declared" for finding in self.findings)


async def run_comparison(
    comparison: Comparison, transport: Transport, *, server: ASGIServer = "hypercorn"
) -> AsyncIterator[ParityResult]:
    """Start what *comparison* needs and both applications, and yield a result for each case.

    Arguments:
        comparison: The two applications and the cases.
        transport: Whether both are called in this process or run behind servers.
        server: The server of the port, and of an original that is a port, on the wire.

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

        streams = any(step.stream for case in comparison.cases for step in case.steps)

        async def start(name: str, server: Server, config: Config | None) -> Application | str:
            if transport == "in process":
                return await to_thread(load_application, name, config)
            # While a stream is open, a server of WSGI needs another thread for the next request.
            threads = 8 if streams else 1
            running = in_thread(serve(name, server, config=config, folder=folder, threads=threads))
            return (await stack.enter_async_context(running)).url

        original_server: Server = "gunicorn-gthread"
        if transport == "on the wire" and comparison.arrange is None:
            # The original of a user can be a port, too.
            app = await to_thread(load_application, comparison.original, None)
            original_server = server if interface(app) == "asgi" else original_server
        original = await start(comparison.original, original_server, original_config)
        port = await start(comparison.port, server, port_config)
        find_keys = None
        if transport == "on the wire":
            find_keys = (
                functools.partial(_load_keys, comparison.original, original_config),
                functools.partial(_load_keys, comparison.port, port_config),
            )
        async for result in compare_applications(
            original,
            port,
            comparison.cases,
            transport=transport,
            find_keys=find_keys,
            server=server if transport == "on the wire" else None,
        ):
            yield result


def _load_keys(name: str, config: Config | None) -> CookieKeys | None:
    """Load the application *name* in this process, and return the keys of its cookies."""
    with contextlib.suppress(ApplicationLoadError):
        return keys_of(load_application(name, config))
    return None


async def compare_applications(
    original: Application | str,
    port: Application | str,
    cases: Sequence[Case],
    *,
    transport: Transport = "in process",
    find_keys: tuple[FindKeys, FindKeys] | None = None,
    server: ASGIServer | None = None,
) -> AsyncIterator[ParityResult]:
    """Send *cases* to both applications, in order, and yield a result for each.

    Extras are sent to the port alone.

    Arguments:
        original: A WSGI or ASGI application, or the URL of a server.
        port: The same, for the port.
        cases: The cases.
        transport: Decides which declared differences apply.
        find_keys: Return the keys of the cookies of both, if they are known; by default those of
            the applications. Signed cookies are verified with the keys of the original, or with
            those of the port if the original has none.
        server: The server of the port, if it is known. It decides that, too.

    Raises:
        ApplicationStartError: An application failed at its start.
        ServerUnreachableError: A server does not respond.
    """
    async with (
        client(original, "the original") as original_client,
        client(port, "the port") as port_client,
    ):
        find_keys = find_keys or ((lambda: keys_of(original)), (lambda: keys_of(port)))
        find_original, find_port = map(functools.cache, find_keys)
        original_client.reader = CookieReader(lambda: find_original() or find_port())
        port_client.reader = CookieReader(lambda: find_original() or find_port(), find_port)
        for case in cases:
            port_steps = await run_case(case, port_client)
            original_steps = [] if case.extra else await run_case(case, original_client)
            readers = original_client.reader, port_client.reader
            yield _result(case, original_steps, port_steps, transport, server, readers)


def compare_again(result: ParityResult, case: Case) -> ParityResult:
    """Return the comparison of the responses in *result* as *case* says.

    The requests of *case* must be the same; what it captures, masks and declares can differ.
    """
    assert result.readers is not None, "the result has no responses"
    original_reader, port_reader = result.readers
    return _result(
        case,
        compare_steps_again(case, result.original, original_reader),
        compare_steps_again(case, result.port, port_reader),
        result.transport,
        result.server,
        result.readers,
    )


def _result(
    case: Case,
    original: Sequence[StepResult],
    port: Sequence[StepResult],
    transport: Transport,
    server: ASGIServer | None,
    readers: Readers,
) -> ParityResult:
    errors = tuple(
        f"{name}, step {index}: {step.response.error}"
        for name, steps in (("original", original), ("port", port))
        for index, step in enumerate(steps)
        if step.response.error
    )
    if case.extra:
        findings = findings_of_extra(case, port)
    else:
        findings = findings_of_case(case, original, port, transport, server)
    cookies = {name for step in (*original, *port) for name in step.unverified}
    return ParityResult(
        case,
        tuple(findings),
        errors,
        cookies,
        tuple(original),
        tuple(port),
        transport,
        readers,
        server,
    )


async def ensure_equal_responses(
    case: Case, original: ComparisonClient, port: ComparisonClient, transport: Transport
) -> tuple[Response, Response]:
    """Return the last response of the original and of the port.

    Raises:
        ResponsesDifferError: The responses differ, and no declared difference allows it.
        ServerUnreachableError: A server does not respond.
    """
    original_steps, port_steps = await run_case(case, original), await run_case(case, port)
    unexpected: dict[str, list[str]] = {}
    for finding in findings_of_case(case, original_steps, port_steps, transport):
        if finding.state != "declared":
            unexpected.setdefault(finding.state, []).append(finding.aspect)
    if unexpected:
        states = "; ".join(f"{state} {', '.join(names)}" for state, names in unexpected.items())
        raise ResponsesDifferError(
            f"the responses differ {transport}: {states}; run quartpatterns parity for details"
        )
    return original_steps[-1].response, port_steps[-1].response
