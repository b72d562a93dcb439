"""Commands for a host, run one after the other under its lock.

Started over SSH, this reads one JSON value a line and answers each with one. The lock is held by
this very process and every command runs as a child of it: when the connection breaks, or nothing
is heard for a while, the command is ended and then the lock is gone. So a lock is never stale,
and what a broken deployment left running never meets the next one.

It is sent as the argument of ``python3 -c``, so that it needs nothing on the host but Python.
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

PATIENCE = 60.0
"""Seconds after which somebody who says nothing is gone."""
LONGEST = 200_000
"""Characters of an output that are sent."""


def say(**message: Any) -> None:
    """Answer with *message*."""
    print(json.dumps(message), flush=True)  # noqa: T201 - its log


def take(folder: str, owner: str) -> int | None:
    """The lock of *folder* as an open file, or ``None`` after its owner was told."""
    os.makedirs(f"{folder}/run", mode=0o700, exist_ok=True)
    lock = os.open(f"{folder}/run/lock", os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(10):  # a command of a broken deployment may be about to end
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.2)
        else:
            os.truncate(lock, 0)
            os.write(lock, f"{owner} since {time.strftime('%Y-%m-%d %H:%M:%S %Z')}".encode())
            return lock
    say(event="locked", owner=os.pread(lock, 1000, 0).decode(errors="replace"))
    return None


async def run(command: str, limit: float) -> tuple[int, str]:
    """The exit code and the output of *command*, which is ended after *limit* seconds."""
    process = await asyncio.create_subprocess_shell(
        command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), limit)
        return process.returncode or 0, output.decode(errors="replace")[-LONGEST:]
    except TimeoutError:
        return 124, f"it took longer than {limit:g} s, and was ended"
    finally:
        await end(process)


async def end(process: asyncio.subprocess.Process) -> None:
    """End *process* and all that it has started, but for what has left it."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, asyncio.TimeoutError):
            os.killpg(process.pid, sign)
            await asyncio.wait_for(process.wait(), 2)


async def heard(lines: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next thing that is asked; ``None`` when nobody is there any more."""
    while True:
        try:
            line = await asyncio.wait_for(lines.readline(), PATIENCE)
        except TimeoutError:
            return None
        if not line.endswith(b"\n"):
            return None
        if line.strip():
            asked: dict[str, Any] = json.loads(line)
            return asked


async def serve() -> None:
    """Do what is asked until nobody asks any more."""
    lines = asyncio.StreamReader(limit=2**24)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    asking = asyncio.create_task(heard(lines))
    while asked := await asking:
        asking = asyncio.create_task(heard(lines))
        running = asyncio.create_task(run(asked["run"], asked["limit"]))
        # What is heard while a command runs is that nobody is there any more.
        await asyncio.wait({asking, running}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            running.cancel()
            await asyncio.wait({running})
            return
        code, output = running.result()
        say(event="done", code=code, output=output)


def main(folder: str, owner: str) -> None:
    """Take the lock, and serve."""
    if sys.version_info < (3, 11):  # noqa: UP036 - the host's Python may be any
        return say(event="python", version=sys.version.split()[0])
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        lock = take(folder, owner)
    except OSError as error:
        return say(event="refused", error=str(error))
    if lock is not None:
        say(event="ready", version=sys.version.split()[0])
        asyncio.run(serve())
        os.truncate(lock, 0)
    return None


if __name__ == "__main__":
    main(*sys.argv[1:3])
