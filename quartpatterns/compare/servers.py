"""Start an application behind a real HTTP server.

All servers listen on one TCP port of 127.0.0.1 with the same backlog and the same keep-alive
time-out, and without an access log. Nothing is read from the server settings of the user. Hypercorn
runs with the project's ``hypercorn.toml``, the others with their defaults.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import json
import os
import socket
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import quartpatterns
from quartpatterns.compare.applications import Application, interface
from quartpatterns.compare.processes import Process, StartError, free_port

ASGIServer = Literal["hypercorn", "uvicorn", "granian"]
WSGIServer = Literal["gunicorn-gthread", "gunicorn-sync", "gunicorn-gevent", "granian-wsgi"]
Server = ASGIServer | WSGIServer
ASGI_SERVERS: tuple[ASGIServer, ...] = get_args(ASGIServer)
WSGI_SERVERS: tuple[WSGIServer, ...] = get_args(WSGIServer)

BACKLOG = 2048  # connections that wait to be accepted; the default of gunicorn
MAX_REQUESTS = 65_536  # that are handled at the same time by one worker
KEEP_ALIVE = 15  # seconds that an idle connection stays open, as in hypercorn.toml
STARTUP_TIMEOUT = 60.0  # seconds until a server must respond
LOG_LINES = 8  # of the log, in the message of an error

_APPLICATION = "quartpatterns.compare.target:app"
_TRACEBACK = (" ", "Traceback ", "The above exception was", "During handling of the above")
# Settings of the user's own servers, which would treat the two applications differently.
_USER_SETTINGS = ("GRANIAN_", "GUNICORN_CMD_ARGS", "UVICORN_")


class ServerMissingError(StartError):
    """A server is not installed; the message names the extra."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that accepts requests."""

    server: Server
    url: str  # without a trailing slash
    pid: int  # the root of its process tree
    log: Path  # the file with its output

    def error_message(self, event: str) -> str:
        """Return the message of an error: the server's name, *event*, and the last log lines."""
        return f"{self.server} {event}{_last_lines(self.log)}"


@contextlib.contextmanager
def serve(
    name: str,
    server: Server,
    *,
    config: Mapping[str, Any] | None = None,
    workers: int = 1,
    threads: int = 1,
    folder: Path | None = None,
    cwd: Path | None = None,
    python_path: Sequence[Path] = (),
) -> Iterator[RunningServer]:
    """Run the application *name* behind *server*, on a free port of 127.0.0.1.

    The server responds when the context is entered. All its processes have exited when the context
    is left, and exit if this process dies.

    Arguments:
        name: The application, as
            :func:`quartpatterns.compare.applications.load_application` takes it.
        server: An ASGI server for an ASGI application, a WSGI server for a WSGI application.
        config: The argument for the factory *name*; its :func:`repr` must be a literal.
        workers: Worker processes.
        threads: Threads of each worker of ``gunicorn-gthread`` and ``granian-wsgi``.
        folder: For its log and settings; by default a temporary folder.
        cwd: The folder to run in; by default that of this process.
        python_path: Folders from which modules are imported first.

    Raises:
        ServerMissingError: The server is not installed.
        StartError: It did not start; the message has the last lines of its log.
    """
    ensure_installed(server)
    with contextlib.ExitStack() as stack:
        folder = folder or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="quartpatterns-serve-"))
        )
        options = _Options(free_port(), workers, threads, folder)
        command = (sys.executable, "-m", *_COMMANDS[server](options))
        log = folder / f"{server}-{options.port}.log"
        env = _environment(name, config)
        if python_path:
            env["PYTHONPATH"] = os.pathsep.join(
                [*map(str, python_path), *filter(None, [env.get("PYTHONPATH")])]
            )
        process = stack.enter_context(Process(command, log=log, env=env, cwd=cwd))
        try:
            process.wait_until(lambda: _responds(options.port), timeout=STARTUP_TIMEOUT)
        except StartError as error:
            event = str(error).splitlines()[0].partition(" ")[2]
            raise StartError(f"{server} {event}{_last_lines(log)}") from error
        url = f"http://127.0.0.1:{options.port}"
        yield RunningServer(server, url, process.pid, log)


def _environment(name: str, config: Mapping[str, Any] | None) -> dict[str, str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(_USER_SETTINGS)}
    env["QUARTPATTERNS_TARGET"] = name
    if config is not None:
        env["QUARTPATTERNS_TARGET_CONFIG"] = literal = repr(dict(config))
        try:
            ast.literal_eval(literal)
        except (SyntaxError, ValueError) as error:
            raise StartError(
                f"{name}: the configuration of a server must consist of literals, not {literal}"
            ) from error
    return env


def _responds(port: int) -> bool:
    """Return whether a worker responds to an invalid request, which reaches no application.

    An open port is not enough: the parent opens it before a worker has loaded the application.
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
    """Return the end of *log* without tracebacks: frames are indented, exceptions are not."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    messages = [line for line in lines if line and not line.startswith(_TRACEBACK)]
    return "".join(f"\n  {line}" for line in messages[-LOG_LINES:])


def ensure_compatible(app: Application, server: Server) -> None:
    """Raise :exc:`StartError` if *server* cannot serve *app*: one uses ASGI, the other WSGI."""
    found = interface(app)
    servers: tuple[Server, ...] = ASGI_SERVERS if found == "asgi" else WSGI_SERVERS
    if server not in servers:
        raise StartError(
            f"{server} cannot serve an {found.upper()} application: use one of {', '.join(servers)}"
        )


def ensure_installed(server: Server) -> None:
    """Raise :exc:`ServerMissingError` if *server* is not installed."""
    package, _, worker_class = server.partition("-")
    packages = [package]
    packages += ["gevent"] if worker_class == "gevent" else []
    packages += ["httptools", "wsproto"] if server == "uvicorn" else []
    packages += ["uvloop"] if server in ASGI_SERVERS else []
    for name in packages:
        if importlib.util.find_spec(name) is None:
            own = package in ("granian", "uvicorn")
            extra = "bench" if name == "gevent" else package if own else "compare"
            raise ServerMissingError(
                f"{server} needs {name}, which is not installed:"
                f" pip install 'quartpatterns[{extra}]'"
            )


def hypercorn_file() -> Path:
    """Return the project's ``hypercorn.toml``, from the wheel or from the checkout.

    Raises:
        FileNotFoundError: Neither has it.
    """
    package = Path(quartpatterns.__file__).parent
    for folder in (package, package.parent):
        if (file := folder / "hypercorn.toml").is_file():
            return file
    raise FileNotFoundError(f"no hypercorn.toml in {package} or {package.parent}")


def hypercorn_settings() -> dict[str, Any]:
    """Return the settings in the project's ``hypercorn.toml``."""
    return tomllib.loads(hypercorn_file().read_text())


@dataclass(frozen=True, slots=True)
class _Options:
    port: int
    workers: int
    threads: int
    folder: Path


def _hypercorn(options: _Options) -> list[str]:
    """Write a settings file: the command line cannot turn the access log off."""
    settings = hypercorn_settings() | {
        "bind": [f"127.0.0.1:{options.port}"],
        "workers": options.workers,
        "backlog": BACKLOG,
        "keep_alive_timeout": KEEP_ALIVE,
        # By default Hypercorn closes a connection after 1000 requests; the others never do.
        "keep_alive_max_requests": sys.maxsize,
    }
    settings.pop("accesslog", None)
    file = options.folder / f"hypercorn-{options.port}.toml"
    # TOML and JSON write values of these types in the same way.
    file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
    return ["hypercorn", "--config", str(file), f"asgi:{_APPLICATION}"]


def _uvicorn(options: _Options) -> list[str]:
    return (
        f"uvicorn --host 127.0.0.1 --port {options.port} --workers {options.workers}"
        f" --backlog {BACKLOG} --timeout-keep-alive {KEEP_ALIVE} --timeout-graceful-shutdown 10"
        " --loop uvloop --interface asgi3 --lifespan auto --no-access-log --no-use-colors"
        " --no-proxy-headers --http httptools --ws wsproto"
        f" {_APPLICATION}"
    ).split()


def _granian(interface_options: str) -> Callable[[_Options], list[str]]:
    """Granian always keeps connections alive and has no time-out for idle ones.

    By default it handles as many requests at a time as its backlog has places, and lets all others
    wait, so that open event streams would block it.
    """
    return lambda options: (
        f"granian --host 127.0.0.1 --port {options.port} --workers {options.workers}"
        f" --backlog {BACKLOG} --backpressure {MAX_REQUESTS} --no-access-log"
        " --workers-kill-timeout 10"
        f" {interface_options.format(threads=options.threads)} {_APPLICATION}"
    ).split()


def _gunicorn(worker_class: str) -> Callable[[_Options], list[str]]:
    def command(options: _Options) -> list[str]:
        settings = options.folder / f"gunicorn-{options.port}.conf.py"
        # Without a file gunicorn reads gunicorn.conf.py of the current folder. All gunicorns of a
        # user share one control socket; older versions ignore this setting.
        settings.write_text("control_socket_disable = True\n")
        threads = f"--threads {options.threads} " if worker_class == "gthread" else ""
        arguments = (
            f"--bind 127.0.0.1:{options.port} --worker-class {worker_class}"
            f" --workers {options.workers} {threads}--backlog {BACKLOG} --keep-alive {KEEP_ALIVE}"
            f" --graceful-timeout 10 {_APPLICATION}"
        )
        return ["gunicorn", "--config", str(settings), *arguments.split()]

    return command


_COMMANDS: Mapping[Server, Callable[[_Options], list[str]]] = {
    "hypercorn": _hypercorn,
    "uvicorn": _uvicorn,
    "granian": _granian("--interface asgi --loop uvloop"),
    "granian-wsgi": _granian("--interface wsgi --blocking-threads {threads}"),
    "gunicorn-gthread": _gunicorn("gthread"),
    "gunicorn-sync": _gunicorn("sync"),
    "gunicorn-gevent": _gunicorn("gevent"),
}
