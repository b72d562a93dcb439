"""Run wrk, which sends the same request again and again on connections that stay open.

It sends the next request of a connection when it has received the last response (a closed loop).
Its latencies are those of a busy server, not of an overloaded one.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from quartpatterns.compare.processes import Process
from quartpatterns.compare.resources import UsageMonitor, pinned

TIMEOUT = 10  # seconds after which wrk counts a response as an error
SAMPLE_INTERVAL = 0.1  # seconds between two measurements of the server's resources
SATURATION = 0.9  # the share of its CPU time above which wrk itself may limit the rate
_PREFIX = "quartpatterns "

# `wrk.format` builds the request once for each thread. wrk would call functions called `request`
# or `response` for each request, which slows it down.
_SCRIPT = r"""
local request = "{request}"
wrk.format = function() return request end

done = function(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '\n{prefix}{{"microseconds":%.0f,"requests":%.0f,"bytes":%.0f,"p50":%.0f,"p99":%.0f,'
      .. '"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}}\n',
      summary.duration, summary.requests, summary.bytes,
      latency:percentile(50), latency:percentile(99),
      errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
"""


class WrkMissingError(Exception):
    """wrk is not installed; the message says how to install it."""


class LoadTestError(Exception):
    """The load test failed; the message has the output of wrk."""


class NoResponseError(LoadTestError):
    """No response arrived during the load test."""


@dataclass(frozen=True, slots=True)
class WrkResult:
    """The result of one run of wrk."""

    seconds: float
    requests: int  # complete responses
    received: int  # bytes of all responses
    p50: float  # median latency in milliseconds
    p99: float  # 99th percentile of the latency in milliseconds
    error_statuses: int  # responses with a status of 400 or more
    failed_connections: int  # refused, closed early, or timed out
    saturated: bool = False  # whether wrk used all of its CPU time, and may have limited the rate

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    def errors(self, expected_status: int) -> int:
        """Return the number of failed connections and of responses unlike *expected_status*."""
        expect_error = expected_status >= 400
        wrong = self.requests - self.error_statuses if expect_error else self.error_statuses
        return wrong + self.failed_connections


def wrk_program() -> Path:
    """Return the program wrk.

    Raises:
        WrkMissingError: It is not on the ``PATH``.
    """
    if program := shutil.which("wrk"):
        return Path(program)
    raise WrkMissingError(
        "wrk is not installed: apt-get install wrk, or brew install wrk;"
        " without it only --in-process and --growth work"
    )


def wrk_version() -> str | None:
    """Return the version of wrk from its help text, or None if wrk is not installed."""
    if (program := shutil.which("wrk")) is None:
        return None
    done = subprocess.run([program, "-v"], capture_output=True, text=True, timeout=60)
    match = re.match(r"wrk (\S+)", done.stdout + done.stderr)
    return match[1] if match else "unknown"


def run_wrk(
    url: str,
    request: bytes,
    *,
    seconds: int,
    connections: int,
    folder: Path,
    threads: int = 1,
    cores: Sequence[int] | None = None,
    on_sample: Callable[[], object] = lambda: None,
    stop: threading.Event | None = None,
) -> WrkResult:
    """Send *request* to the server at *url* for some time, and return the result.

    Arguments:
        url: ``http://host:port``. The path is part of the request.
        request: The bytes of an HTTP/1.1 request.
        seconds: The duration.
        connections: The number of connections.
        folder: For the script and the output of wrk.
        threads: Threads of wrk.
        cores: The cores that wrk may use.
        on_sample: Called ten times a second.
        stop: An event that ends the load test early.

    Raises:
        WrkMissingError: wrk is not installed.
        LoadTestError: wrk failed, was stopped, or received no response.
    """
    script, log = folder / "wrk.lua", folder / "wrk.log"
    escaped = "".join(f"\\{byte:03d}" for byte in request)
    script.write_text(_SCRIPT.format(request=escaped, prefix=_PREFIX))
    log.unlink(missing_ok=True)
    command: list[str | Path] = [wrk_program(), "-t", str(threads), "-c", str(connections)]
    command += ["-d", f"{seconds}s", "--timeout", f"{TIMEOUT}s", "-s", script, url]
    stop = stop or threading.Event()
    with pinned(cores), Process(command, log=log) as process:
        monitor = UsageMonitor(process.pid)
        while process.returncode is None and not stop.wait(SAMPLE_INTERVAL):
            monitor.sample()
            on_sample()
        if stop.is_set():
            raise LoadTestError("stopped")
    saturated = monitor.cpu_seconds > SATURATION * seconds * threads
    return parse_result(process.output(), saturated=saturated)


def parse_result(output: str, *, saturated: bool = False) -> WrkResult:
    """Return the result in the *output* of wrk with the script of :func:`run_wrk`.

    Raises:
        NoResponseError: No response arrived.
        LoadTestError: The output has no result.
    """
    lines = [line for line in output.splitlines() if line.startswith(_PREFIX)]
    if not lines:
        raise LoadTestError(f"wrk failed: {output.strip() or 'it printed nothing'}")
    found = json.loads(lines[-1].removeprefix(_PREFIX))
    failed = sum(found[kind] for kind in ("connect", "read", "write", "timeout"))
    if not found["requests"]:
        raise NoResponseError(f"no response arrived: {failed} connections failed")
    return WrkResult(
        seconds=found["microseconds"] / 1e6,
        requests=found["requests"],
        received=found["bytes"],
        p50=found["p50"] / 1000,
        p99=found["p99"] / 1000,
        error_statuses=found["status"],
        failed_connections=failed,
        saturated=saturated,
    )
