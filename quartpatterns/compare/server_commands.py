"""How each server is started: the command, and the settings that all have alike.

One TCP port on 127.0.0.1, the same backlog, the same keep-alive, no access log, nothing read from
the user's own server settings. Hypercorn runs with the project's ``hypercorn.toml``, the others
with their defaults.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import quartpatterns
from quartpatterns.compare.loading import interface
from quartpatterns.compare.processes import StartError

__all__ = [
    "ASGI_SERVERS",
    "BACKLOG",
    "COMMANDS",
    "KEEP_ALIVE",
    "WSGI_SERVERS",
    "ASGIServer",
    "Plan",
    "Server",
    "ServerMissingError",
    "WSGIServer",
    "ensure_fits",
    "ensure_installed",
    "hypercorn_file",
    "hypercorn_settings",
]

ASGIServer = Literal["hypercorn", "uvicorn", "granian"]
WSGIServer = Literal["gunicorn-gthread", "gunicorn-sync", "gunicorn-gevent", "granian-wsgi"]
Server = ASGIServer | WSGIServer
ASGI_SERVERS: tuple[ASGIServer, ...] = get_args(ASGIServer)
WSGI_SERVERS: tuple[WSGIServer, ...] = get_args(WSGIServer)

BACKLOG = 2048  # connections that wait to be accepted, gunicorn's default
KEEP_ALIVE = 15  # seconds that an idle connection stays open, as in hypercorn.toml

APPLICATION = "quartpatterns.compare.target:app"


class ServerMissingError(StartError):
    """A server is not installed; the message names the extra that has it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is told to a server, whichever it is.

    Arguments:
        port: Its TCP port on 127.0.0.1.
        workers: Worker processes.
        threads: Threads of each worker, for gunicorn's ``gthread`` and Granian's WSGI.
        folder: For a file of settings.
    """

    port: int
    workers: int
    threads: int
    folder: Path


def hypercorn_file() -> Path:
    """The project's ``hypercorn.toml``: of the wheel, or of the checkout.

    Raises:
        FileNotFoundError: It is in neither.
    """
    package = Path(quartpatterns.__file__).parent
    for folder in (package, package.parent):
        if (found := folder / "hypercorn.toml").is_file():
            return found
    raise FileNotFoundError(f"no hypercorn.toml in {package} nor in {package.parent}")


def hypercorn_settings() -> dict[str, Any]:
    """What is in the project's ``hypercorn.toml``."""
    return tomllib.loads(hypercorn_file().read_text())


def _hypercorn(plan: Plan) -> list[str]:
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


def _uvicorn(plan: Plan) -> list[str]:
    arguments = ["--host", "127.0.0.1", "--port", str(plan.port), "--workers", str(plan.workers)]
    arguments += ["--backlog", str(BACKLOG), "--timeout-keep-alive", str(KEEP_ALIVE)]
    arguments += ["--loop", "uvloop", "--interface", "asgi3", "--lifespan", "auto"]
    arguments += ["--no-access-log", "--no-use-colors", "--timeout-graceful-shutdown", "10"]
    return ["uvicorn", *arguments, APPLICATION]


def _granian(interface: Literal["asgi", "wsgi"]) -> Callable[[Plan], list[str]]:
    """Its keep-alive is on and has no limit of its own."""

    def command(plan: Plan) -> list[str]:
        arguments = ["--host", "127.0.0.1", "--port", str(plan.port)]
        arguments += ["--workers", str(plan.workers), "--backlog", str(BACKLOG)]
        arguments += ["--interface", interface]
        arguments += (
            ["--loop", "uvloop"]
            if interface == "asgi"
            else ["--blocking-threads", str(plan.threads)]
        )
        arguments += ["--no-access-log", "--workers-kill-timeout", "10"]
        return ["granian", *arguments, APPLICATION]

    return command


def _gunicorn(worker_class: str) -> Callable[[Plan], list[str]]:
    def command(plan: Plan) -> list[str]:
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


COMMANDS: Mapping[Server, Callable[[Plan], list[str]]] = {
    "hypercorn": _hypercorn,
    "uvicorn": _uvicorn,
    "granian": _granian("asgi"),
    "granian-wsgi": _granian("wsgi"),
    "gunicorn-gthread": _gunicorn("gthread"),
    "gunicorn-sync": _gunicorn("sync"),
    "gunicorn-gevent": _gunicorn("gevent"),
}


def ensure_fits(app: Callable[..., Any], server: Server) -> None:
    """Do nothing where *server* can serve *app*.

    Raises:
        StartError: One speaks ASGI and the other WSGI.
    """
    spoken = interface(app)
    servers: tuple[Server, ...] = ASGI_SERVERS if spoken == "asgi" else WSGI_SERVERS
    if server not in servers:
        raise StartError(
            f"{server} can't serve an application that speaks {spoken.upper()}: choose one of"
            f" {', '.join(servers)}"
        )


def ensure_installed(server: Server) -> None:
    """Do nothing where *server* is installed.

    Raises:
        ServerMissingError: It is not.
    """
    package, _, worker_class = server.partition("-")
    needed = [package]
    needed += ["gevent"] if worker_class == "gevent" else []
    needed += ["uvloop"] if server in ASGI_SERVERS else []
    for name in needed:
        if importlib.util.find_spec(name) is None:
            raise ServerMissingError(
                f"{server} needs {name}, which is not installed: pip install 'quartpatterns[bench]'"
            )
