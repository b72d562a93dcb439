"""The settings of a deployment, and reading them from ``deploy.toml`` or ``pyproject.toml``."""

from __future__ import annotations

import difflib
import getpass
import platform
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from pathlib import Path, PurePosixPath
from typing import Any, Literal, cast

from quartpatterns._shared.suggestions import did_you_mean
from quartpatterns.deployment.errors import SettingsError

__all__ = ["VERSION", "Health", "Host", "Settings", "parse_settings", "read_settings"]

VERSION = re.compile(r"[0-9]+\.[0-9]+")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_ADDRESS = re.compile(r"unix:/\S+|(?:\[[0-9a-fA-F:.%]+\]|[^\[\]:\s/]+):[0-9]{1,5}")
_PREFIX = re.compile(r"(?:/[^/?#\s]+)+")
_INCLUDED = ("hypercorn.toml", "alembic", "migrations", "alembic.ini", "pyproject.toml")
_HOST_KEYS = ("user", "folder", "python", "bind", "environment")
"""Keys that apply to all hosts at the top level, and to one host in its own table."""
_LINE = re.compile(r"(?=.*\S)[^\n\0]+")
_LAST_PORT = 65535
_LONGEST_SOCKET = 107
"""Bytes of the path of a Unix socket."""
_LONGEST_FOLDER = 70
"""Characters. Sockets are in the folder."""
_NOT_IN_FOLDER = re.compile(r"[\"$\\`\x00-\x1f]")
"""Characters that the scripts of pip, such as ``alembic``, do not support in their path."""


@dataclass(frozen=True, slots=True)
class Health:
    """The health check of a release.

    Arguments:
        path: The path to request. Any status from 200 to 299 means healthy.
        timeout: The seconds within which a release must become healthy.
        host: The ``Host`` header of the request.

    .. versionadded:: 0.1
    """

    path: str = "/health"
    timeout: float = 30.0
    host: str = "localhost"


@dataclass(frozen=True, slots=True)
class Host:
    """A host to deploy to.

    Arguments:
        name: The name of the host in the settings.
        address: A DNS name, an IP address or a name in ``~/.ssh/config``.
        port: The SSH port; None means the one in ``~/.ssh/config``, or 22.
        user: The user that logs in, owns the folder and runs the application.
        folder: The folder on the host.
        python: A version of Python, such as ``3.12``, or the path of Python on the host.
        bind: The addresses on which the application listens: ``HOST:PORT`` or ``unix:PATH``.
        environment: The local file with the environment variables of the application.
        files: Local files to upload, by their path below ``shared/`` on the host.

    .. versionadded:: 0.1
    """

    name: str
    address: str
    port: int | None
    user: str
    folder: PurePosixPath
    python: str
    bind: tuple[str, ...]
    environment: Path | None = None
    files: Mapping[str, Path] = field(default_factory=dict[str, Path])


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a deployment.

    Arguments:
        name: The name of the application.
        root: The folder of the project.
        app: What the server serves, as ``module:name``.
        server: ``hypercorn`` or ``uvicorn``.
        hosts: The hosts, in the order in which they are deployed to.
        groups: Names of hosts, by the name of a group.
        include: Files and folders of the project that a release contains beside its wheels.
        lock: The locked requirements with hashes; None resolves the requirements when packing.
        platform: The platform of the wheels, such as ``manylinux_2_28_x86_64``; None means the
            platform of this machine.
        proxies: The number of proxies in front that set ``X-Forwarded-For`` and
            ``X-Forwarded-Proto``.
        prefix: The start of all paths, such as ``/shop``, if a proxy passes it on.
        secure_cookies: Whether browsers send cookies with HTTPS only.
        processes: The number of server processes.
        workers: Commands of background workers, by name.
        migrate: The command of the database migration, which runs once for each database.
        health: The health check.
        keep: The number of releases to keep on a host.
        graceful: The seconds that a process has to finish its requests when it stops.
        supervisor: What keeps the application running: ``process`` starts a supervisor process,
            which also suits containers; ``systemd`` installs systemd units.
        admin: The user that logs in to bootstrap a host with systemd; None means the user of the
            host, with ``sudo``.
        identity: The file of a private key; None means the SSH agent and the keys in ``~/.ssh``.
        known_hosts: The file of host keys; None means ``~/.ssh/known_hosts``.
        connect_timeout: The seconds within which the login must succeed.
        step_timeout: The seconds that one command may take.

    .. versionadded:: 0.1
    """

    name: str
    root: Path
    app: str
    server: Literal["hypercorn", "uvicorn"]
    hosts: tuple[Host, ...]
    groups: Mapping[str, tuple[str, ...]]
    include: tuple[str, ...]
    lock: Path | None
    platform: str | None
    proxies: int | None
    prefix: str | None
    secure_cookies: bool | None
    processes: int
    workers: Mapping[str, str]
    migrate: str | None
    health: Health
    keep: int
    graceful: float
    supervisor: Literal["process", "systemd"]
    admin: str | None
    identity: Path | None
    known_hosts: Path | None
    connect_timeout: float
    step_timeout: float

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables for the settings ``proxies``, ``prefix`` and ``secure-cookies``.

        An application of ``quartpatterns new`` reads them. A variable of the same name in the
        environment file takes precedence.
        """
        values = {
            "QUART_PROXIES": self.proxies,
            "QUART_PREFIX": self.prefix,
            "QUART_SECURE_COOKIES": self.secure_cookies,
        }
        return {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in values.items()
            if value is not None
        }

    def select(self, names: Sequence[str] = ()) -> tuple[Host, ...]:
        """Return the hosts with *names*, or all hosts if there are no names.

        Arguments:
            names: Names of hosts or groups.

        Raises:
            SettingsError: A name is unknown, or the settings have no hosts.
        """
        hosts = {host.name for host in self.hosts}
        selected: set[str] = set()
        for name in names:
            if name not in self.groups and name not in hosts:
                known = [*(host.name for host in self.hosts), *self.groups]
                hint = did_you_mean(name, known, before="; ")
                raise SettingsError(
                    f"host or group {name!r} is unknown. The settings have"
                    f" {', '.join(known) or 'no hosts'}{hint}"
                )
            selected |= set(self.groups.get(name, (name,)))
        result = tuple(host for host in self.hosts if not names or host.name in selected)
        if not result:
            raise SettingsError(
                'the settings have no hosts. Add [hosts] with lines like web1 = "web1.example.org"'
            )
        return result


def read_settings(path: Path) -> Settings:
    """Read the settings of a project. This function blocks, so call it before the loop runs.

    A ``deploy.toml`` takes precedence over ``[tool.quartpatterns.deploy]`` in ``pyproject.toml``.

    Arguments:
        path: The folder of the project, or a file with settings.

    Raises:
        SettingsError: There are no settings, or one is invalid.

    .. versionadded:: 0.1
    """
    folder, file = path.parent, path
    if path.is_dir():
        folder, file = path, path / "deploy.toml"
        file = file if file.is_file() else folder / "pyproject.toml"
    data, location = _read_toml(file), file.name
    if file.name == "pyproject.toml":
        pyproject, section = data, "[tool.quartpatterns.deploy]"
        data = data.get("tool", {}).get("quartpatterns", {}).get("deploy", {})
        if not data:
            raise SettingsError(f"{file} has no {section}, and deploy.toml is missing. Write one")
        location += f" {section}"
    else:
        project_file = folder / "pyproject.toml"
        pyproject = _read_toml(project_file) if project_file.is_file() else {}
    name = pyproject.get("project", {}).get("name")
    return parse_settings(data, root=folder, name=name, location=location)


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be read ({error.strerror}). Write a deploy.toml, or run this in the"
            " folder of the project"
        ) from error
    except ValueError as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from error


def parse_settings(
    data: Mapping[str, Any], *, root: Path, name: str | None = None, location: str = "deploy.toml"
) -> Settings:
    """Return validated settings.

    Arguments:
        data: The keys and values, as in ``deploy.toml``.
        root: The folder of the project, to which paths are relative.
        name: The name of the project, if *data* does not contain it.
        location: The name of the file, for messages.

    Raises:
        SettingsError: A key is unknown, or a value is invalid.

    .. versionadded:: 0.1
    """
    table = _Table(location, data)
    name = table.text("name", name, pattern=_NAME)
    hosts = _hosts(table, root, name)
    lock = root / "requirements.lock"
    workers, health = table.table("workers"), table.table("health")
    prefix = table.optional_text("prefix", pattern=_PREFIX)
    server = _server(table, root)
    settings = Settings(
        name=name,
        root=root,
        app=table.text("app", f"{re.sub('[-.]', '_', name).lower()}.asgi:app"),
        server=server,
        hosts=hosts,
        groups=_groups(table.table("groups"), {host.name for host in hosts}),
        include=table.texts("include", [file for file in _INCLUDED if (root / file).exists()]),
        lock=table.path("lock", root) or (lock if lock.is_file() else None),
        platform=table.optional_text("platform"),
        proxies=table.optional_count("proxies"),
        prefix=prefix,
        secure_cookies=table.optional_bool("secure-cookies"),
        processes=table.count("processes", 1),
        workers={key: workers.text(key) for key in workers.data},
        migrate=table.optional_text("migrate"),
        health=Health(
            path=health.text("path", f"{prefix or ''}/health", pattern=re.compile(r"/\S*")),
            timeout=health.seconds("timeout", 30.0),
            host=health.text("host", "localhost", pattern=re.compile(r"[^\s/]+")),
        ),
        keep=table.count("keep", 5),
        graceful=table.seconds("graceful", 30.0),
        supervisor=cast(
            Literal["process", "systemd"],
            table.text("supervisor", "process", pattern=re.compile("process|systemd")),
        ),
        admin=table.optional_text("admin", pattern=_USER),
        identity=table.path("identity", root),
        known_hosts=table.path("known-hosts", root),
        connect_timeout=table.seconds("connect-timeout", 15.0),
        step_timeout=table.seconds("step-timeout", 600.0),
    )
    health.refuse_unknown_keys()
    table.refuse_unknown_keys()
    return settings


def _server(table: _Table, root: Path) -> Literal["hypercorn", "uvicorn"]:
    server = table.text("server", "hypercorn")
    others = 'Write server = "hypercorn" or "uvicorn"'
    if server == "granian":
        raise SettingsError(
            f"{table.location}: server is 'granian', which opens its sockets itself. Requests would"
            f" fail while one release replaces another. {others}"
        )
    if server == "hypercorn":
        return "hypercorn"
    if server != "uvicorn":
        raise SettingsError(f"{table.location}: server is {server!r}, which is unknown. {others}")
    if (root / "hypercorn.toml").exists():
        raise SettingsError(
            f"{table.location}: server is 'uvicorn', which does not read hypercorn.toml. Remove"
            ' that file, or write server = "hypercorn"'
        )
    return "uvicorn"


class _Table:
    """A table of a TOML file. Each method that reads a value raises an error if it is invalid."""

    def __init__(self, location: str, data: object) -> None:
        if not isinstance(data, Mapping):
            raise SettingsError(f"{location} must be a table, not {data!r}")
        self.location = location
        self.data = cast(Mapping[str, Any], data)
        self.known: set[str] = set()

    def value(self, key: str, default: object = None) -> Any:
        self.known.add(key)
        return self.data.get(key, default)

    def table(self, key: str) -> _Table:
        return _Table(f"{self.location} {key}", self.value(key, {}))

    def text(
        self, key: str, default: str | None = None, *, pattern: re.Pattern[str] = _LINE
    ) -> str:
        value = self.value(key, default)
        if value is None:
            raise SettingsError(f"{self.location}: {key} is missing. Add {key} = ...")
        if not isinstance(value, str) or not _LINE.fullmatch(value):
            raise self.invalid(key, value, "a string of one line")
        if not pattern.fullmatch(value):
            raise self.invalid(key, value, f"a string that matches {pattern.pattern}")
        return value

    def optional_text(self, key: str, *, pattern: re.Pattern[str] = _LINE) -> str | None:
        return None if self.value(key) is None else self.text(key, pattern=pattern)

    def texts(
        self, key: str, default: Sequence[str], *, pattern: re.Pattern[str] = _LINE
    ) -> tuple[str, ...]:
        """Return a list of strings. A single string stands for a list of one."""
        value = self.value(key, default)
        strings: Any = [value] if isinstance(value, str) else value
        if isinstance(strings, list | tuple) and all(
            isinstance(item, str) and pattern.fullmatch(item)
            for item in cast(list[object], strings)
        ):
            return tuple(cast(list[str], strings))
        matching = "" if pattern is _LINE else f" that match {pattern.pattern}"
        raise self.invalid(key, value, f"a list of strings{matching}")

    def path(self, key: str, root: Path) -> Path | None:
        text = self.optional_text(key)
        return root / Path(text).expanduser() if text else None

    def count(self, key: str, default: int) -> int:
        value = self.value(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self.invalid(key, value, "a whole number of 1 or more")
        return value

    def optional_count(self, key: str) -> int | None:
        value = self.value(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.invalid(key, value, "a whole number of 0 or more")
        return value

    def optional_bool(self, key: str) -> bool | None:
        value = self.value(key)
        if value is not None and not isinstance(value, bool):
            raise self.invalid(key, value, "true or false")
        return value

    def port(self, key: str) -> int | None:
        value = self.value(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not _is_port(value):
            raise self.invalid(key, value, f"a port: a whole number from 1 to {_LAST_PORT}")
        return value

    def addresses(self, key: str, default: Sequence[str]) -> tuple[str, ...]:
        """Return addresses to listen on: ``HOST:PORT`` or ``unix:PATH``."""
        addresses = self.texts(key, default)
        for address in addresses:
            if not _can_listen_on(address):
                requirement = (
                    'a list of addresses such as "127.0.0.1:8000" or "unix:/run/demo.sock", with'
                    f" valid hosts, ports from 1 to {_LAST_PORT} and paths of at most"
                    f" {_LONGEST_SOCKET} bytes"
                )
                raise self.invalid(key, address, requirement)
        if not addresses:
            raise self.invalid(key, self.value(key), "a list with an address")
        return addresses

    def seconds(self, key: str, default: float) -> float:
        value = self.value(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e6:
            raise self.invalid(key, value, "a number of seconds, more than 0")
        return float(value)

    def invalid(self, key: str, value: object, requirement: str) -> SettingsError:
        return SettingsError(f"{self.location}: {key} must be {requirement}, not {value!r}")

    def refuse_unknown_keys(self) -> None:
        for key in self.data:
            if key not in self.known:
                close = difflib.get_close_matches(key, self.known, n=1)
                names = ", ".join(sorted(self.known))
                hint = f"Did you mean {close[0]}?" if close else f"The settings are {names}"
                raise SettingsError(f"{self.location}: the setting {key!r} is unknown. {hint}")


def _hosts(table: _Table, root: Path, name: str) -> tuple[Host, ...]:
    hosts, files = table.table("hosts"), table.table("files")
    for target in files.data:
        if PurePosixPath(target).is_absolute() or ".." in target or target == "env":
            raise files.invalid("a key", target, "a path below shared/ other than env")
    # The values of all hosts. They are valid even if there are no hosts yet.
    defaults = {key: table.data[key] for key in _HOST_KEYS if key in table.data}
    table.known.update(_HOST_KEYS)
    return tuple(_host(hosts, key, defaults, files, root, name) for key in hosts.data)


def _host(
    hosts: _Table, key: str, defaults: Mapping[str, Any], files: _Table, root: Path, name: str
) -> Host:
    if not _NAME.fullmatch(key):
        raise hosts.invalid("a name", key, "letters, digits, dots and hyphens")
    value = hosts.data[key]
    own: object = {"address": value} if isinstance(value, str) else value
    table = _Table(f"{hosts.location} {key}", own)
    table.data = {**defaults, **table.data}
    folder = table.text("folder", f"/srv/{name}")
    parts = PurePosixPath(folder).parts
    if (
        _NOT_IN_FOLDER.search(folder)
        or folder[0] != "/"
        or len(parts) < 3
        or ".." in parts
        or len(folder) > _LONGEST_FOLDER
    ):
        requirement = (
            f'a path like "/srv/demo" of at most {_LONGEST_FOLDER} characters, without " $ ` and \\'
        )
        raise table.invalid("folder", folder, requirement)
    python = table.text("python", ".".join(platform.python_version_tuple()[:2]))
    if not VERSION.fullmatch(python) and not python.startswith("/"):
        raise table.invalid("python", python, 'a version such as "3.12", or an absolute path')
    host = Host(
        name=key,
        address=_address(table, key),
        port=table.port("port"),
        user=table.text("user", getpass.getuser(), pattern=_USER),
        folder=PurePosixPath(folder),
        python=python,
        bind=table.addresses("bind", ["127.0.0.1:8000"]),
        environment=table.path("environment", root),
        files={
            target: root / Path(_file_of_host(files, target, key)).expanduser()
            for target in files.data
        },
    )
    table.refuse_unknown_keys()
    return host


def _address(table: _Table, key: str) -> str:
    address = table.text("address", key)
    # Fabric and Ansible accept user@host:port and addresses in brackets.
    if re.search(r"[@/\s\[\]]", address) or re.fullmatch(r"[^:]*:\d*", address):
        raise table.invalid(
            "address",
            address,
            "a host name or an IP address alone; the user and the port are settings of their own,"
            ' { address = "web1.example.org", user = "shop", port = 2222 }',
        )
    return address


def _file_of_host(files: _Table, target: str, host: str) -> str:
    """Return the local file for *target*, in which ``{host}`` is the name of the host."""
    file = files.text(target)
    found = file.replace("{host}", host)
    if "{" in found or "}" in found:
        raise files.invalid(target, file, "a path without other braces than those of {host}")
    return found


def _is_port(number: int) -> bool:
    return 1 <= number <= _LAST_PORT


def _can_listen_on(address: str) -> bool:
    if not _ADDRESS.fullmatch(address):
        return False
    if address.startswith("unix:"):
        return len(address.removeprefix("unix:").encode()) <= _LONGEST_SOCKET
    host, _, port = address.rpartition(":")
    if host.startswith("["):
        try:
            IPv6Address(host[1:-1])
        except ValueError:
            return False
    return _is_port(int(port))


def _groups(table: _Table, hosts: set[str]) -> dict[str, tuple[str, ...]]:
    groups = {key: table.texts(key, []) for key in table.data}
    for key, members in groups.items():
        if key in hosts:
            raise table.invalid("a name", key, "different from the names of hosts")
        if unknown := sorted(set(members) - hosts):
            known = ", ".join(sorted(hosts))
            raise table.invalid(key, unknown[0], f"a list of hosts ({known})")
    return groups
