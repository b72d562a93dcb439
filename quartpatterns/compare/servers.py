"""Real HTTP servers in front of an application, for as long as a context lasts."""

from __future__ import annotations

import ast
import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quartpatterns.compare.cores import pinned
from quartpatterns.compare.processes import Process, StartError, free_port
from quartpatterns.compare.server_commands import COMMANDS, Plan, Server, ensure_installed

__all__ = ["Running", "Server", "ServerDiedError", "serve"]

START = 60.0  # seconds that a server may take until it answers
LAST_LINES = 8  # of a server's log, shown when it fails
TRACEBACK = (" ", "Traceback ", "The above exception was", "During handling of the above")

# Settings of the user's own servers, which would make the two sides unequal.
OWN_SETTINGS = ("GRANIAN_", "GUNICORN_CMD_ARGS", "UVICORN_")


class ServerDiedError(Exception):
    """A server, or one of its workers, ended while in use; the message has its last words."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that accepts requests.

    Arguments:
        server: Which one.
        url: Its root, without a slash at the end.
        pid: The process at the root of its process tree.
        log: The file with all that it printed.
        command: How it was started.
        process: The handle on it.
    """

    server: Server
    url: str
    pid: int
    log: Path
    command: tuple[str, ...]
    process: Process = field(repr=False)

    def obituary(self, what: str) -> str:
        """A message that *what* happened to this server, with its last lines."""
        return f"{self.server} {what}{_last_lines(self.log)}"


@contextlib.contextmanager
def serve(
    spec: str,
    server: Server,
    *,
    config: Mapping[str, Any] | None = None,
    workers: int = 1,
    threads: int = 1,
    cores: Sequence[int] | None = None,
    folder: Path | None = None,
) -> Iterator[Running]:
    """The application *spec* behind *server*, on a free port of 127.0.0.1.

    The server answers when the context is entered, and no process of it is left when the context
    is left, nor when this process dies.

    Arguments:
        spec: The application, as :func:`quartpatterns.compare.loading.load` understands it. It
            is imported from the current folder first.
        server: An ASGI server for an ASGI application, a WSGI server for a WSGI application.
        config: The argument for the factory that *spec* names; its :func:`repr` must be a literal.
        workers: Worker processes.
        threads: Threads of each worker, of ``gunicorn-gthread`` and ``granian-wsgi``.
        cores: The cores it may use; all where none are given, or where the platform can't say.
        folder: Where its log and settings go; a temporary one where none is given.

    Raises:
        ServerMissingError: The server is not installed.
        StartError: It did not start; the message has its last lines.
    """
    ensure_installed(server)
    with contextlib.ExitStack() as stack:
        folder = folder or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="quartpatterns-serve-"))
        )
        plan = Plan(free_port(), workers, threads, folder)
        command = (sys.executable, "-m", *COMMANDS[server](plan))
        log = folder / f"{server}-{plan.port}.log"
        with pinned(cores):
            process = Process(command, log=log, env=_environment(spec, config))
        stack.enter_context(process)
        try:
            process.wait_until(lambda: _answers(plan.port), timeout=START)
        except StartError as error:
            what = str(error).splitlines()[0].partition(" ")[2]
            raise StartError(f"{server} {what}{_last_lines(log)}") from error
        url = f"http://127.0.0.1:{plan.port}"
        yield Running(server, url, process.pid, log, command, process)


def _environment(spec: str, config: Mapping[str, Any] | None) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(OWN_SETTINGS)}
    kept["QUARTPATTERNS_TARGET"] = spec
    if config is not None:
        kept["QUARTPATTERNS_TARGET_CONFIG"] = written = repr(dict(config))
        try:
            ast.literal_eval(written)
        except (SyntaxError, ValueError) as error:
            raise StartError(
                f"{spec}: a server takes literals for a configuration, not {written}"
            ) from error
    return kept


def _answers(port: int) -> bool:
    """Whether a worker answers, to a request that is none and so reaches no application.

    That the port is open says nothing: the parent opens it before a worker has the application.
    """
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection,
    ):
        connection.sendall(b"hello\r\n\r\n")
        connection.recv(1)
        return True
    return False


def _last_lines(log: Path) -> str:
    """The end of *log* without tracebacks: their frames are indented, what was raised is not."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    said = [line for line in lines if line and not line.startswith(TRACEBACK)]
    return "".join(f"\n  {line}" for line in said[-LAST_LINES:])
