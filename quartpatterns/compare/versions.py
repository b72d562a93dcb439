"""Compare two versions of one application, whose modules have the same names.

Each version is loaded in processes of its own, and a server answers for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from quartpatterns._shared.threads import to_thread
from quartpatterns.compare.case import Case
from quartpatterns.compare.explore import capture_tokens, request_of_rule
from quartpatterns.compare.parity import ParityResult, compare_applications
from quartpatterns.compare.processes import StartError, in_thread
from quartpatterns.compare.servers import Server, serve

__all__ = ["ApplicationVersion", "VersionsCompared", "compare_versions"]

LOAD_TIMEOUT = 60.0  # seconds until an application must be loaded
GUNICORN_PAGE = b"<h1><p>Internal Server Error</p></h1>"
RESPONSE_TIMEOUT = 10.0  # seconds for a response; streams without an end are not compared


@dataclass(frozen=True, slots=True)
class ApplicationVersion:
    """A version of an application.

    Attributes:
        name: ``module:app`` or ``module:create_app()``.
        folder: The folder to run in.
        import_folder: The folder from which the module is imported.
    """

    name: str
    folder: Path
    import_folder: Path


@dataclass(frozen=True, slots=True)
class VersionsCompared:
    """What the comparison has found.

    Attributes:
        equal: The routes that both versions answer alike.
        different: Those that they do not.
        unstable: Those that another process of the original does not answer alike, either, such
            as pages with a random number.
        failing: How many of *equal* are answered with the status 500 or more.
    """

    equal: tuple[ParityResult, ...]
    different: tuple[ParityResult, ...]
    unstable: tuple[ParityResult, ...]
    failing: int


async def compare_versions(
    original: ApplicationVersion, port: ApplicationVersion
) -> VersionsCompared:
    """Request each GET rule without arguments from a Flask application and its Quart port.

    Arguments:
        original: The Flask application.
        port: The Quart application.

    Raises:
        StartError: One of them cannot be loaded, or its server does not start.
        LookupError: There is no such rule.
        ServerUnreachableError: A server does not respond.
    """
    routes: dict[tuple[str, str], None] = {}
    for version in (original, port):
        routes |= dict.fromkeys(await to_thread(_routes, version))
    if not routes:
        raise LookupError("there is no GET rule without arguments")
    cases = [request_of_rule(path, host, RESPONSE_TIMEOUT) for path, host in sorted(routes)]
    async with _served(original, "gunicorn-gthread") as original_url:
        async with _served(port, "hypercorn") as port_url:
            results = await _compare(original_url, port_url, cases)
        differing = [result for result in results if not (result.passed or _both_crash(result))]
        unstable: set[str] = set()
        if differing:
            # Another process: what is random can be chosen when the application starts.
            async with _served(original, "gunicorn-gthread") as again:
                repeated = await _compare(
                    original_url, again, [result.case for result in differing]
                )
            unstable = {result.case.name for result in repeated if not result.passed}
    equal = [result for result in results if result not in differing]
    return VersionsCompared(
        tuple(equal),
        tuple(result for result in differing if result.case.name not in unstable),
        tuple(result for result in differing if result.case.name in unstable),
        sum(result.original[0].response.status >= 500 for result in equal),
    )


def _both_crash(result: ParityResult) -> bool:
    """Return whether the original raises an exception to its server, and the port fails as well.

    gunicorn has a page for it. Hypercorn sends no body, and Quart in debug mode a traceback.
    """
    original, port = result.original[0].response, result.port[0].response
    return original.status == port.status == 500 and GUNICORN_PAGE in original.body


async def _compare(original: str, port: str, cases: Sequence[Case]) -> list[ParityResult]:
    results = compare_applications(original, port, cases, transport="on the wire")
    return [capture_tokens(result) async for result in results]


@contextlib.asynccontextmanager
async def _served(version: ApplicationVersion, server: Server) -> AsyncIterator[str]:
    running = serve(
        version.name, server, cwd=version.folder, python_path=[version.import_folder], threads=1
    )
    async with in_thread(running) as started:
        yield started.url


def _routes(version: ApplicationVersion) -> list[tuple[str, str]]:
    """Return paths and hosts of the rules."""
    path = [str(version.import_folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "quartpatterns.compare.list_routes", version.name],
            cwd=version.folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LOAD_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StartError(f"{version.name} is not loaded after {LOAD_TIMEOUT:g} s") from error
    lines = done.stdout.strip().splitlines() or ["{}"]
    try:
        answer = json.loads(lines[-1])
    except ValueError:
        answer = {}
    if "routes" not in answer:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise StartError(answer.get("error") or f"{version.name} cannot be loaded: {last}")
    return [(path, host) for path, host in answer["routes"]]
