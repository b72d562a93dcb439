"""Load from wrk: one request, again and again, on connections that stay open.

wrk sends the next request of a connection when the answer to the last has arrived (a closed
loop), so its latencies are those of a server that is kept busy, not of one that is overrun.
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

from quartpatterns.compare.cores import pinned
from quartpatterns.compare.processes import Process
from quartpatterns.compare.usage import Watch

__all__ = [
    "Load",
    "LoadError",
    "UnansweredError",
    "WrkMissingError",
    "parse_result",
    "run_wrk",
    "script",
    "wrk_program",
    "wrk_version",
]

TIMEOUT = 10  # seconds after which wrk counts an answer as an error
LOOK = 0.1  # seconds between two looks at what the server uses
BUSY = 0.9  # the part of its cores at which wrk itself may be what limits the rate
MARK = "quartpatterns "

# `wrk.format` makes the request once for each thread; a function called `request` or `response`
# would be called for each request, and slow the load down.
_SCRIPT = r"""
local request = "{request}"
wrk.format = function() return request end

done = function(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '\n{mark}{{"microseconds":%.0f,"requests":%.0f,"bytes":%.0f,"p50":%.0f,"p99":%.0f,'
      .. '"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}}\n',
      summary.duration, summary.requests, summary.bytes,
      latency:percentile(50), latency:percentile(99),
      errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
"""


class WrkMissingError(Exception):
    """There is no wrk; the message says how to install it."""


class LoadError(Exception):
    """The load could not be made; the message has what wrk said."""


class UnansweredError(LoadError):
    """Not one request was answered in the time there was."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk found.

    Arguments:
        seconds: How long it ran.
        requests: Answers that came whole.
        received: Bytes of them.
        p50: The median latency in milliseconds.
        p99: The latency in milliseconds that 99 of 100 answers stay below.
        refused: Answers with a status of 400 or more.
        broken: Connections that failed, broke off, or were silent for :data:`TIMEOUT` seconds.
        saturated: Whether wrk had no CPU time to spare, and may be what limited the rate.
    """

    seconds: float
    requests: int
    received: int
    p50: float
    p99: float
    refused: int
    broken: int
    saturated: bool = False

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    def errors(self, expected_status: int) -> int:
        """Answers that were not like *expected_status*, and connections that broke."""
        others = self.refused if expected_status < 400 else self.requests - self.refused
        return others + self.broken


def wrk_program() -> Path:
    """The program wrk.

    Raises:
        WrkMissingError: There is none on the ``PATH``.
    """
    if found := shutil.which("wrk"):
        return Path(found)
    raise WrkMissingError(
        "wrk is not installed: apt-get install wrk, or brew install wrk;"
        " without it only --in-process can be measured"
    )


def wrk_version() -> str | None:
    """The version of wrk, which it tells only in passing; ``None`` where there is no wrk."""
    if (found := shutil.which("wrk")) is None:
        return None
    said = subprocess.run([found, "-v"], capture_output=True, text=True, timeout=10)
    match = re.match(r"wrk (\S+)", said.stdout + said.stderr)
    return match[1] if match else "unknown"


def script(request: bytes) -> str:
    """A Lua script with which wrk sends *request* as it is and tells its result as JSON."""
    escaped = "".join(f"\\{byte:03d}" for byte in request)
    return _SCRIPT.format(request=escaped, mark=MARK)


def run_wrk(
    url: str,
    request: bytes,
    *,
    seconds: int,
    connections: int,
    folder: Path,
    threads: int = 1,
    cores: Sequence[int] | None = None,
    look: Callable[[], object] = lambda: None,
    stop: threading.Event | None = None,
) -> Load:
    """Send *request* to the server at *url* for some time, and wait until that is over.

    Arguments:
        url: ``http://host:port``; what is asked for is in the request.
        request: An HTTP/1.1 request, to the byte.
        seconds: How long.
        connections: How many at a time.
        folder: For the script and the output of wrk.
        threads: Threads of wrk.
        cores: The cores it may use.
        look: Called ten times a second.
        stop: Ends the load early when it is set.

    Raises:
        WrkMissingError: There is no wrk.
        LoadError: wrk failed, was stopped, or had no answer at all.
    """
    lua, log = folder / "wrk.lua", folder / "wrk.log"
    lua.write_text(script(request))
    log.unlink(missing_ok=True)
    command: list[str | Path] = [
        wrk_program(),
        "-t",
        str(threads),
        "-c",
        str(connections),
        "-d",
        f"{seconds}s",
    ]
    command += ["--timeout", f"{TIMEOUT}s", "-s", lua, url]
    stop = stop or threading.Event()
    with pinned(cores), Process(command, log=log) as process:
        watch = Watch(process.pid)
        while process.returncode is None and not stop.wait(LOOK):
            watch.look()
            look()
        if stop.is_set():
            raise LoadError("stopped")
    saturated = watch.cpu_seconds > BUSY * seconds * threads
    return parse_result(process.output(), saturated=saturated)


def parse_result(output: str, *, saturated: bool = False) -> Load:
    """The result in the *output* of wrk with a script of :func:`script`.

    Raises:
        UnansweredError: No request was answered.
        LoadError: There is no result in it.
    """
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    if not lines:
        raise LoadError(f"wrk failed: {output.strip() or 'it said nothing'}")
    found = json.loads(lines[-1].removeprefix(MARK))
    broken = sum(found[kind] for kind in ("connect", "read", "write", "timeout"))
    if not found["requests"]:
        raise UnansweredError(f"no request was answered: {broken} connections broke")
    return Load(
        seconds=found["microseconds"] / 1e6,
        requests=found["requests"],
        received=found["bytes"],
        p50=found["p50"] / 1000,
        p99=found["p99"] / 1000,
        refused=found["status"],
        broken=broken,
        saturated=saturated,
    )
