"""Read and check the configuration of a server. Its keys are those of Hypercorn."""

from __future__ import annotations

import difflib
import errno
import importlib.util
import os
import re
import socket
import ssl
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypercorn.config import Config

from quartpatterns._shared.extras import install_command
from quartpatterns.cli.errors import UsageProblem
from quartpatterns.cli.server_commands import check_server, supported_settings
from quartpatterns.compare.processes import accepts, free_port
from quartpatterns.compare.servers import ASGIServer

__all__ = ["display_bind", "is_listening", "read_config"]

BIND = re.compile(r"(?P<host>\[[0-9a-fA-F:.%]+\]|[^\[\]:\s]+):(?P<port>\d{1,5})")
WORKER_CLASSES = ("asyncio", "uvloop")


def read_config(
    file: Path,
    *,
    server: ASGIServer = "hypercorn",
    own_file: bool = True,
    bind: Sequence[str] = (),
    workers: int | None = None,
) -> Config:
    """Return the configuration in *file*, with *bind* and *workers* instead of its own.

    Hypercorn ignores misspelt keys, and other servers have nothing for some. Both are errors.

    Arguments:
        file: The file, with keys of Hypercorn.
        server: The server to configure.
        own_file: Whether the user wrote the file. Otherwise *server* leaves out what it has
            nothing for.
        bind: Addresses to listen on.
        workers: The number of processes.

    Raises:
        UsageProblem: The file cannot be read, a key or a value is invalid, *server* has nothing
            for it, or an address is already in use.
    """
    try:
        settings = tomllib.loads(file.read_text())
    except OSError as error:
        raise UsageProblem(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:  # invalid TOML, or invalid UTF-8
        raise UsageProblem(f"{file} is not TOML: {error}") from error
    defaults = _defaults()
    for key, value in settings.items():
        _check_setting(file, key, value, defaults)
    config = Config.from_mapping(supported_settings(server, file, settings, own_file=own_file))
    if bind:
        config.bind = list(bind)
    if workers:
        config.workers = workers
    config.bind = [_check_address(str(address)) for address in config.bind]
    _check_workers(file, config)
    check_server(server, file, config)
    try:
        config.log  # noqa: B018  opens the log files
        config.create_ssl_context()
    except (OSError, ValueError, ssl.SSLError) as error:
        raise UsageProblem(f"{file}: {error}") from error
    return config


def display_bind(config: Config, address: str) -> str:
    """Return the URL of *address*, or the path of a Unix socket."""
    if _is_unix(address):
        return address
    return f"{'https' if config.ssl_enabled else 'http'}://{address}"


def is_listening(address: str) -> bool:
    """Return whether a server accepts connections at *address*."""
    if _is_unix(address):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(address.removeprefix("unix:")) == 0
    host, _, port = address.rpartition(":")
    local = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))
    return accepts(int(port), local)


def _is_unix(address: str) -> bool:
    return address.startswith("unix:")


def _defaults() -> dict[str, Any]:
    """Return the settings of Hypercorn that a file can contain, with their defaults."""
    config = Config()
    names = {name for name in dir(Config) if name[0] != "_"} - {"log", "ssl_enabled"}
    values = {name: getattr(config, name, None) for name in names}
    return {name: value for name, value in values.items() if not callable(value)}


def _check_setting(file: Path, key: str, value: Any, defaults: dict[str, Any]) -> None:
    if key not in defaults:
        close = difflib.get_close_matches(key, defaults, n=1)
        hint = f": did you mean {close[0]}?" if close else ""
        raise UsageProblem(f"{file}: Hypercorn has no setting {key!r}{hint}")
    default = defaults[key]
    if default is None:
        return
    types: tuple[type, ...] = (int, float) if isinstance(default, float) else (type(default),)
    if key.endswith("bind"):
        types = (str, list)
    if not isinstance(value, types) or isinstance(value, bool) != isinstance(default, bool):
        raise UsageProblem(f"{file}: {key} is {value!r}, expected a value like {default!r}")


def _check_address(address: str) -> str:
    """Return *address* if it can be bound, with a free port in place of port 0."""
    if _is_unix(address):
        return _check_unix(address)
    match = BIND.fullmatch(address)
    if not match:
        raise UsageProblem(
            f"{address!r} is not an address: write HOST:PORT, [IPV6]:PORT or unix:PATH"
        )
    host, port = match["host"].strip("[]"), int(match["port"]) or free_port()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OverflowError as error:
        raise UsageProblem(f"{address} has an invalid port: the highest is 65535") from error
    except OSError as error:
        causes = {errno.EADDRINUSE: "already in use", errno.EACCES: "not allowed for this user"}
        cause = causes.get(error.errno or 0, f"not available ({error.strerror})")
        raise UsageProblem(
            f"{address} is {cause}: choose another address with --bind HOST:PORT"
        ) from error
    return f"{match['host']}:{port}"


def _check_unix(address: str) -> str:
    """Return *address* if a Unix socket can be created there. Nobody must listen on it."""
    path = Path(address.removeprefix("unix:"))
    problem = None
    try:
        if not os.access(path.parent, os.W_OK | os.X_OK):
            problem = "is not writable" if path.parent.is_dir() else "does not exist"
            problem = f"the folder {path.parent} {problem}"
        elif path.exists() and not path.is_socket():
            problem = "the file exists and is not a socket"
        elif is_listening(address):
            problem = "already in use"
    except OSError as error:  # the path is too long for a socket, or for a file
        problem = error.strerror or str(error)
    if problem:
        raise UsageProblem(f"{address}: {problem}: choose another path with --bind unix:PATH")
    return address


def _check_workers(file: Path, config: Config) -> None:
    if config.workers < 1:
        raise UsageProblem(f"{file}: workers is {config.workers}, expected 1 or more")
    if config.worker_class not in WORKER_CLASSES:
        raise UsageProblem(
            f"{file}: worker_class is {config.worker_class!r}, but Quart needs asyncio or uvloop"
        )
    if config.worker_class == "uvloop" and importlib.util.find_spec("uvloop") is None:
        raise UsageProblem(
            f"{file}: worker_class is 'uvloop', which is not installed:"
            f" {install_command('gallery')}, or"
            ' write worker_class = "asyncio"'
        )
