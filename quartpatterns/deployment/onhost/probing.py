"""Ask an application, over HTTP, whether it is well."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time

__all__ = ["WellnessError", "ask", "until_well"]

PAUSE = 0.1


class WellnessError(Exception):
    """The application is not well; the message says what it answers."""


async def ask(address: str, path: str, host: str, *, limit: float, tls: bool = False) -> int:
    """The status that ``GET path`` has at *address*, ``HOST:PORT`` or ``unix:PATH``.

    Raises:
        OSError: Nobody answers, or too late.
        WellnessError: What is answered is not HTTP.
    """
    async with asyncio.timeout(limit):
        reader, writer = await _connect(address, tls)
        try:
            request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            writer.write(request.encode())
            line = (await reader.readline()).decode(errors="replace").split()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    if len(line) < 2 or not line[0].startswith("HTTP/") or not line[1].isdigit():
        raise WellnessError(f"answers with {' '.join(line)[:60]!r}, which is not HTTP")
    return int(line[1])


async def until_well(
    address: str, path: str, host: str, *, limit: float, tls: bool = False
) -> None:
    """Wait until the application at *address* is well.

    Raises:
        WellnessError: It isn't after *limit* seconds.
    """
    deadline = time.monotonic() + limit
    while True:
        try:
            left = max(deadline - time.monotonic(), PAUSE)
            status = await ask(address, path, host, limit=left, tls=tls)
            if 200 <= status < 300:
                return
            said = f"answers {status}"
        except (OSError, WellnessError) as error:
            said = f"doesn't answer ({str(error) or 'too slow'})"
        if time.monotonic() > deadline:
            raise WellnessError(f"GET {path} {said} after {limit:g} s")
        await asyncio.sleep(PAUSE)


async def _connect(address: str, tls: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = None
    if tls:
        # The certificate is of the name that clients use, not of the address asked here.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if address.startswith("unix:"):
        return await asyncio.open_unix_connection(address.removeprefix("unix:"), ssl=context)
    name, _, port = address.rpartition(":")
    name = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(name, name.strip("[]"))
    return await asyncio.open_connection(name, int(port), ssl=context)
