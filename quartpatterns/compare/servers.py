"""Real HTTP servers in front of an application, for as long as a context lasts.

All six are started alike: one TCP port on 127.0.0.1, the same backlog, the same keep-alive, no
access log, nothing read from the user's own server settings. Hypercorn runs with the project's
``hypercorn.toml``, gunicorn and the others with their defaults.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import socket
import sys
import tempfile
import tomllib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any
from typing import Literal
from typing import get_args

import quartpatterns
from quartpatterns.compare.cores import pinned
from quartpatterns.compare.processes import Process
from quartpatterns.compare.processes import StartError
from quartpatterns.compare.processes import free_port

__all__ = [
    "ASGI_SERVERS",
    "BACKLOG",
    "KEEP_ALIVE",
    "WSGI_SERVERS",
    "ASGIServer",
    "Running",
    "Server",
    "ServerDiedError",
    "ServerMissingError",
    "WSGIServer",
    "hypercorn_settings",
    "serve",
]

ASGIServer = Literal["hypercorn", "uvicorn", "granian"]
WSGIServer = Literal["gunicorn-gthread", "gunicorn-sync", "gunicorn-gevent"]
Server = ASGIServer | WSGIServer
ASGI_SERVERS: tuple[ASGIServer, ...] = get_args(ASGIServer)
WSGI_SERVERS: tuple[WSGIServer, ...] = get_args(WSGIServer)

BACKLOG = 2048  # connections that wait to be accepted, gunicorn's default
KEEP_ALIVE = 15  # seconds that an idle connection stays open, as in hypercorn.toml
START = 60.0  # seconds that a server may take until it answers
LAST_LINES = 8  # of a server's log, shown when it fails
TRACEBACK = (" ", "Traceback ", "The above exception was", "During handling of the above")

APPLICATION = "quartpatterns.compare.target:app"
# Settings of the user's own servers, which would make the two sides unequal.
OWN_SETTINGS = ("GRANIAN_", "GUNICORN_CMD_ARGS", "UVICORN_")


class ServerMissingError(StartError):
    """A server is not installed; the message names the extra that has it."""


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
    """

    server: Server
    url: str
    pid: int
    log: Path
    command: tuple[str, ...]
    process: Process = field(repr=False)

    def ensure_alive(self) -> None:
        """Do nothing while the server runs.

        Raises:
            ServerDiedError: It has ended.
        """
        if (code := self.process.returncode) is not None:
            raise ServerDiedError(self.obituary(f"ended with exit code {code}"))

    def obituary(self, what: str) -> str:
        """A message that *what* happened to this server, with its last lines."""
        return f"{self.server} {what}{_last_lines(self.log)}"


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is told to a server, whichever it is."""

    port: int
    workers: int
    threads: int
    folder: Path


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
        server: One of :data:`ASGI_SERVERS` for an ASGI application, of :data:`WSGI_SERVERS` for
            a WSGI application.
        config: The argument for the factory that *spec* names; its :func:`repr` must be a literal.
        workers: Worker processes.
        threads: Threads of each worker, where the server is ``gunicorn-gthread``.
        cores: The cores it may use; all where none are given, or where the platform can't say.
        folder: Where its log and settings go; a temporary one where none is given.

    Raises:
        ServerMissingError: The server is not installed.
        StartError: It did not start; the message has its last lines.
    """
    _ensure_installed(server)
    with contextlib.ExitStack() as stack:
        folder = folder or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="quartpatterns-serve-"))
        )
        plan = _Plan(free_port(), workers, threads, folder)
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


def hypercorn_settings() -> dict[str, Any]:
    """The project's ``hypercorn.toml``: of the wheel, or of the checkout."""
    package = Path(quartpatterns.__file__).parent
    for folder in (package, package.parent):
        if (found := folder / "hypercorn.toml").is_file():
            return tomllib.loads(found.read_text())
    raise FileNotFoundError(f"no hypercorn.toml in {package} nor in {package.parent}")


def _hypercorn(plan: _Plan) -> list[str]:
    """Its settings go through a file: an access log can't be turned off on the command line."""
    settings = hypercorn_settings() | {
        "bind": [f"127.0.0.1:{plan.port}"],
        "workers": plan.workers,
        "backlog": BACKLOG,
        "keep_alive_timeout": KEEP_ALIVE,
        # The others never close a busy connection; Hypercorn does after 1000 requests.
        "keep_alive_max_requests": sys.maxsize,
    }
    settings.pop("accesslog", None)
    file = plan.folder / f"hypercorn-{plan.port}.toml"
    # A TOML value of these types is written as in JSON.
    file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
    return ["hypercorn", "--config", str(file), f"asgi:{APPLICATION}"]


def _uvicorn(plan: _Plan) -> list[str]:
    arguments = ["--host", "127.0.0.1", "--port", str(plan.port), "--workers", str(plan.workers)]
    arguments += ["--backlog", str(BACKLOG), "--timeout-keep-alive", str(KEEP_ALIVE)]
    arguments += ["--loop", "uvloop", "--interface", "asgi3", "--lifespan", "auto"]
    arguments += ["--no-access-log", "--no-use-colors", "--timeout-graceful-shutdown", "10"]
    return ["uvicorn", *arguments, APPLICATION]


def _granian(plan: _Plan) -> list[str]:
    """Its keep-alive is on and has no limit of its own."""
    arguments = ["--host", "127.0.0.1", "--port", str(plan.port), "--workers", str(plan.workers)]
    arguments += ["--backlog", str(BACKLOG), "--interface", "asgi", "--loop", "uvloop"]
    arguments += ["--no-access-log", "--workers-kill-timeout", "10"]
    return ["granian", *arguments, APPLICATION]


def _gunicorn(worker_class: str) -> Callable[[_Plan], list[str]]:
    def command(plan: _Plan) -> list[str]:
        settings = plan.folder / f"gunicorn-{plan.port}.conf.py"
        # Without a file it would read gunicorn.conf.py of the current folder. Its control socket
        # is one for all gunicorns of a user; older ones know neither it nor this setting.
        settings.write_text("control_socket_disable = True\n")
        arguments = ["--config", str(settings), "--bind", f"127.0.0.1:{plan.port}"]
        arguments += ["--worker-class", worker_class, "--workers", str(plan.workers)]
        arguments += ["--threads", str(plan.threads)] if worker_class == "gthread" else []
        arguments += ["--backlog", str(BACKLOG), "--keep-alive", str(KEEP_ALIVE)]
        return ["gunicorn", *arguments, "--graceful-timeout", "10", APPLICATION]

    return command


COMMANDS: Mapping[Server, Callable[[_Plan], list[str]]] = {
    "hypercorn": _hypercorn,
    "uvicorn": _uvicorn,
    "granian": _granian,
    "gunicorn-gthread": _gunicorn("gthread"),
    "gunicorn-sync": _gunicorn("sync"),
    "gunicorn-gevent": _gunicorn("gevent"),
}


def _ensure_installed(server: Server) -> None:
    package, _, worker_class = server.partition("-")
    needed = [package]
    needed += ["gevent"] if worker_class == "gevent" else []
    needed += ["uvloop"] if server in ASGI_SERVERS else []
    for name in needed:
        if importlib.util.find_spec(name) is None:
            raise ServerMissingError(
                f"{server} needs {name}, which is not installed: pip install 'quartpatterns[bench]'"
            )


def _environment(spec: str, config: Mapping[str, Any] | None) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(OWN_SETTINGS)}
    kept["QUARTPATTERNS_TARGET"] = spec
    if config is not None:
        kept["QUARTPATTERNS_TARGET_CONFIG"] = repr(dict(config))
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
