"""The program that holds the lock of a host, and runs commands one after the other.

It is started over SSH, and reads and writes one JSON value per line. This process holds the
lock, and every command is a child of it. If the connection breaks, or no line arrives for a
minute, the process ends the running command and then itself. A lock is therefore never stale,
and a command of an interrupted deployment never runs beside the next deployment.

The source is sent to ``python3 -c``, so that the host needs nothing except Python.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from typing import Any

SILENCE_LIMIT = 60.0
"""Seconds without a line after which the deployment counts as gone."""
OUTPUT_LIMIT = 200_000
"""Characters of the output of a command that are sent."""
LOCK_ATTEMPTS = 10
"""Attempts, 0.2 s apart: the command of an interrupted deployment may be about to end."""


def send(**message: Any) -> None:
    """Write a message to the deployment."""
    print(json.dumps(message), flush=True)  # noqa: T201 - this is the protocol


def acquire_lock(folder: str, owner: str) -> int | None:
    """Return the open lock file, or None after sending who holds the lock."""
    os.makedirs(f"{folder}/run", mode=0o700, exist_ok=True)
    lock = os.open(f"{folder}/run/lock", os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.2)
        else:
            os.truncate(lock, 0)
            os.write(lock, f"{owner} since {time.strftime('%Y-%m-%d %H:%M:%S %Z')}".encode())
            return lock
    send(event="locked", owner=os.pread(lock, 1000, 0).decode(errors="replace"))
    return None


async def run(command: str, limit: float) -> tuple[int, str]:
    """Return the exit code and the output of a command, which is ended after *limit* seconds."""
    process = await asyncio.create_subprocess_shell(
        command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), limit)
        return process.returncode or 0, output.decode(errors="replace")[-OUTPUT_LIMIT:]
    except TimeoutError:
        return 124, f"the command took longer than {limit:g} s and was ended"
    finally:
        await end(process)


async def end(process: asyncio.subprocess.Process) -> None:
    """End a process and all children in its session."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, asyncio.TimeoutError):
            os.killpg(process.pid, signum)
            await asyncio.wait_for(process.wait(), 2)


async def receive(lines: asyncio.StreamReader) -> dict[str, Any] | None:
    """Return the next request, or None if the deployment is gone. Empty lines are heartbeats."""
    while True:
        try:
            line = await asyncio.wait_for(lines.readline(), SILENCE_LIMIT)
        except TimeoutError:
            return None
        if not line.endswith(b"\n"):
            return None
        if line.strip():
            request: dict[str, Any] = json.loads(line)
            return request


async def serve() -> None:
    """Run commands until the deployment is gone."""
    lines = asyncio.StreamReader(limit=2**24)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    receiving = asyncio.create_task(receive(lines))
    while request := await receiving:
        receiving = asyncio.create_task(receive(lines))
        running = asyncio.create_task(run(request["run"], request["limit"]))
        # No request arrives while a command runs, so this task ends if the deployment is gone.
        await asyncio.wait({receiving, running}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            running.cancel()
            await asyncio.wait({running})
            return
        code, output = running.result()
        send(event="done", code=code, output=output)


def main(folder: str, owner: str) -> None:
    """Lock the host, and run commands."""
    if sys.version_info < (3, 11):  # noqa: UP036 - the host may have any Python
        return send(event="python", version=sys.version.split()[0])
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        lock = acquire_lock(folder, owner)
    except OSError as error:
        return send(event="refused", error=str(error))
    if lock is not None:
        send(event="ready", version=sys.version.split()[0])
        asyncio.run(serve())
        os.truncate(lock, 0)
    return None


if __name__ == "__main__":
    main(*sys.argv[1:3])
