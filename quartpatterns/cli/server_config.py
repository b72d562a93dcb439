"""Hypercorn's configuration, checked: Hypercorn itself takes a misspelt key in silence."""

from __future__ import annotations

import difflib
import errno
import importlib.util
import re
import socket
import ssl
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypercorn.config import Config

from quartpatterns.cli.errors import UsageProblem
from quartpatterns.compare.processes import accepts, free_port
from quartpatterns.compare.server_commands import hypercorn_file

__all__ = ["answers", "configuration", "default_file", "url"]

BIND = re.compile(r"(?P<host>\[[0-9a-fA-F:.%]+\]|[^\[\]:\s]+):(?P<port>\d{1,5})")
WORKER_CLASSES = ("asyncio", "uvloop")


def default_file() -> Path:
    """The project's ``hypercorn.toml``: of the wheel, or of the checkout.

    Raises:
        UsageProblem: It is in neither.
    """
    try:
        return hypercorn_file()
    except FileNotFoundError as error:
        raise UsageProblem(f"{error}: give --config") from error


def configuration(file: Path, *, bind: Sequence[str] = (), workers: int | None = None) -> Config:
    """The configuration in *file*, with the values that were given instead.

    Raises:
        UsageProblem: It can't be read, has a key or value that can't be used, or names an
            address that is taken.
    """
    settings = _read(file)
    known = _known()
    for key, value in settings.items():
        _check(file, key, value, known)
    config = Config.from_mapping(settings)
    if bind:
        config.bind = list(bind)
    if workers:
        config.workers = workers
    config.bind = [_free(str(address)) for address in config.bind]
    _check_worker(file, config)
    _check_files(file, config)
    return config


def url(config: Config, address: str) -> str:
    """Where a browser finds what is bound to *address*."""
    return (
        address if _is_unix(address) else f"{'https' if config.ssl_enabled else 'http'}://{address}"
    )


def answers(address: str) -> bool:
    """Whether somebody listens at *address*."""
    if _is_unix(address):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(address.removeprefix("unix:")) == 0
    host, _, port = address.rpartition(":")
    here = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))
    return accepts(int(port), here)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise UsageProblem(f"{file} can't be read: {error.strerror}") from error
    except ValueError as error:  # no TOML, or no text
        raise UsageProblem(f"{file} is not TOML: {error}") from error


def _known() -> dict[str, Any]:
    """Hypercorn's settings that a file may have, with their defaults."""
    config = Config()
    names = {name for name in dir(Config) if name[0] != "_"} - {"log", "ssl_enabled"}
    defaults = {name: getattr(config, name, None) for name in names}
    return {name: value for name, value in defaults.items() if not callable(value)}


def _check(file: Path, key: str, value: Any, known: dict[str, Any]) -> None:
    if key not in known:
        close = difflib.get_close_matches(key, known, n=1)
        hint = f": do you mean {close[0]}?" if close else ""
        raise UsageProblem(f"{file}: Hypercorn has no setting {key!r}{hint}")
    default = known[key]
    if default is None:
        return
    wanted: tuple[type, ...] = (int, float) if isinstance(default, float) else (type(default),)
    if key.endswith("bind"):
        wanted = (str, list)
    if not isinstance(value, wanted) or isinstance(value, bool) != isinstance(default, bool):
        raise UsageProblem(f"{file}: {key} is {value!r}, it should be like {default!r}")


def _is_unix(address: str) -> bool:
    return address.startswith("unix:")


def _free(address: str) -> str:
    """*address*, when it can be bound; a port 0 becomes a free one."""
    if _is_unix(address):
        return address
    match = BIND.fullmatch(address)
    if not match:
        raise UsageProblem(f"{address!r} is no address: write HOST:PORT, [IPV6]:PORT or unix:PATH")
    host, port = match["host"].strip("[]"), int(match["port"]) or free_port()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError) as error:
        raise UsageProblem(f"{address} {_obstacle(error)}") from error
    return f"{match['host']}:{port}"


def _obstacle(error: OSError | OverflowError) -> str:
    if isinstance(error, OverflowError):
        return "has no port: ports end at 65535"
    if error.errno == errno.EADDRINUSE:
        return "is taken: stop what listens there, or choose another address with --bind HOST:PORT"
    if error.errno == errno.EACCES:
        return "may not be bound by this user: choose a port from 1024 on with --bind HOST:PORT"
    return f"can't be bound ({error.strerror}): choose another address with --bind HOST:PORT"


def _check_worker(file: Path, config: Config) -> None:
    if config.workers < 1:
        raise UsageProblem(f"{file}: workers is {config.workers}, it should be 1 or more")
    if config.worker_class not in WORKER_CLASSES:
        raise UsageProblem(
            f"{file}: worker_class is {config.worker_class!r}, Quart runs on asyncio or uvloop"
        )
    if config.worker_class == "uvloop" and importlib.util.find_spec("uvloop") is None:
        raise UsageProblem(
            f"{file}: worker_class is 'uvloop', which is not installed: pip install uvloop, or"
            ' write worker_class = "asyncio"'
        )


def _check_files(file: Path, config: Config) -> None:
    """What Hypercorn would find out when it has started: logs and certificates."""
    try:
        config.log  # noqa: B018  opens the logs
        config.create_ssl_context()
    except (OSError, ValueError, ssl.SSLError) as error:
        raise UsageProblem(f"{file}: {error}") from error
