"""The configuration of a deployment: what is read from ``deploy.toml`` or ``pyproject.toml``."""

from __future__ import annotations

import getpass
import platform
import re
import tomllib
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from pathlib import PurePosixPath
from typing import Any
from typing import Literal
from typing import cast

from quartpatterns.deployment.errors import SettingsError
from quartpatterns.deployment.tables import Table

__all__ = ["Health", "Host", "Settings", "parse_settings", "read_settings"]

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
ADDRESS = re.compile(r"unix:/\S+|(?:\[[0-9a-fA-F:.%]+\]|[^\[\]:\s/]+):\d{1,5}")
VERSION = re.compile(r"\d+\.\d+")
INCLUDED = ("hypercorn.toml", "alembic", "alembic.ini", "pyproject.toml")


@dataclass(frozen=True, slots=True)
class Health:
    """How a release is asked whether it is well.

    Arguments:
        path: What is asked for; any answer of 200 to 299 is well.
        timeout: Seconds until it must be.
        host: The ``Host`` header.
    """

    path: str = "/health"
    timeout: float = 30.0
    host: str = "localhost"


@dataclass(frozen=True, slots=True)
class Host:
    """One host, with all that is particular to it.

    Arguments:
        name: What it is called here.
        address: Its DNS name or IP address, or a name of ``~/.ssh/config``.
        port: Its SSH port; ``None`` leaves it to ``~/.ssh/config``, or is 22.
        user: Who logs in, owns the folder, and runs the application.
        folder: The folder on the host.
        python: The version of Python, ``3.12``, or the path of one on the host.
        bind: Where the application listens: ``HOST:PORT`` or ``unix:PATH``.
        environment: The file with the environment of the application, here; ``None`` has none.
        files: Files that differ from host to host: the names under ``shared/``, and where they
            are here.
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
    """What is deployed, how, and where to.

    Arguments:
        name: The application's name.
        root: The folder of the project.
        app: What Hypercorn serves, ``module:name``.
        hosts: The hosts, in the order in which they are served.
        groups: Names of hosts, by the name of a group.
        include: Files and folders of the project that a release has beside its wheels.
        lock: The locked requirements, with hashes; ``None`` resolves them when packing.
        platform: The platform of the wheels, such as ``manylinux_2_28_x86_64``; ``None`` is
            this machine's.
        processes: How many processes serve.
        workers: Commands that run beside, by name.
        migrate: The command that migrates, run once, on the first host.
        health: How a release is asked whether it is well.
        keep: How many releases stay on a host.
        graceful: Seconds that requests under way may take when a process is to end.
        supervisor: What keeps the application running: ``process`` is a process of its own,
            for containers too; ``systemd`` are units of systemd.
        admin: Who logs in to bootstrap a host with systemd; by default the user, by ``sudo``.
        identity: A private key; ``None`` leaves it to the agent and ``~/.ssh``.
        known_hosts: The file of host keys; ``None`` is ``~/.ssh/known_hosts``.
        connect_timeout: Seconds until a host must have let us in.
        step_timeout: Seconds that one command may take.
    """

    name: str
    root: Path
    app: str
    hosts: tuple[Host, ...]
    groups: Mapping[str, tuple[str, ...]]
    include: tuple[str, ...]
    lock: Path | None
    platform: str | None
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

    def select(self, names: Sequence[str] = ()) -> tuple[Host, ...]:
        """The hosts called *names*, or in groups so called; all where none is named.

        Raises:
            SettingsError: There is no such host or group, or no host at all.
        """
        wanted: set[str] = set()
        for name in names:
            if name not in self.groups and name not in {host.name for host in self.hosts}:
                known = ", ".join([*(host.name for host in self.hosts), *self.groups])
                raise SettingsError(f"no host or group {name!r}; there is {known or 'none'}")
            wanted |= set(self.groups.get(name, (name,)))
        chosen = tuple(host for host in self.hosts if not names or host.name in wanted)
        if not chosen:
            raise SettingsError('no hosts: add [hosts] with lines like web1 = "web1.example.org"')
        return chosen


def read_settings(path: Path) -> Settings:
    """The settings of the project in the folder *path*, or those in the file *path*.

    A ``deploy.toml`` comes before ``[tool.quartpatterns.deploy]`` in ``pyproject.toml``.

    Raises:
        SettingsError: There are none, or one of them can't be used.
    """
    folder, file = (path, _file(path)) if path.is_dir() else (path.parent, path)
    data = _toml(file)
    project = data if file.name == "pyproject.toml" else _toml(folder / "pyproject.toml", {})
    name = project.get("project", {}).get("name")
    if file.name != "pyproject.toml":
        return parse_settings(data, root=folder, name=name, where=file.name)
    where = "tool.quartpatterns.deploy"
    given: Any = data
    for key in where.split("."):
        given = cast(dict[str, Any], given).get(key) if isinstance(given, dict) else None
    if given is None:
        raise SettingsError(f"{file} has no [{where}], and there is no deploy.toml: write one")
    return parse_settings(given, root=folder, name=name, where=f"{file.name} [{where}]")


def parse_settings(
    data: Mapping[str, Any], *, root: Path, name: str | None = None, where: str = "deploy.toml"
) -> Settings:
    """The settings in *data*, checked.

    Arguments:
        data: The keys and values, as TOML has them.
        root: The folder of the project, to which paths are relative.
        name: The name of the project, unless *data* has one.
        where: What messages call the place.

    Raises:
        SettingsError: A key is unknown, or a value can't be used.
    """
    table = Table(where, data)
    name = table.text("name", name, pattern=NAME)
    hosts = _hosts(table, root, name)
    lock = table.path("lock", root)
    default_lock = root / "requirements.lock"
    settings = Settings(
        name=name,
        root=root,
        app=table.text("app", f"{name.replace('-', '_').replace('.', '_').lower()}.asgi:app"),
        hosts=hosts,
        groups=_groups(table, hosts),
        include=table.texts("include", [one for one in INCLUDED if (root / one).exists()]),
        lock=lock or (default_lock if default_lock.is_file() else None),
        platform=table.optional_text("platform"),
        processes=table.whole("processes", 1),
        workers={key: table.sub("workers").text(key) for key in table.sub("workers").keys()},
        migrate=table.optional_text("migrate"),
        health=_health(table.sub("health")),
        keep=table.whole("keep", 5),
        graceful=table.number("graceful", 30.0),
        supervisor=cast(
            Literal["process", "systemd"],
            table.text("supervisor", "process", choices=("process", "systemd")),
        ),
        admin=table.optional_text("admin", pattern=USER),
        identity=table.path("identity", root),
        known_hosts=table.path("known-hosts", root),
        connect_timeout=table.number("connect-timeout", 15.0),
        step_timeout=table.number("step-timeout", 600.0),
    )
    table.finish()
    return settings


def _file(folder: Path) -> Path:
    own = folder / "deploy.toml"
    return own if own.is_file() else folder / "pyproject.toml"


def _toml(file: Path, otherwise: dict[str, Any] | None = None) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        if otherwise is not None:
            return otherwise
        raise SettingsError(
            f"{file} can't be read ({error.strerror}): write a deploy.toml, or call this in the"
            " folder of the project"
        ) from error
    except ValueError as error:
        raise SettingsError(f"{file} is not TOML: {error}") from error


def _health(table: Table) -> Health:
    health = Health(
        path=table.text("path", "/health", pattern=re.compile(r"/\S*")),
        timeout=table.number("timeout", 30.0),
        host=table.text("host", "localhost", pattern=re.compile(r"[^\s/]+")),
    )
    table.finish()
    return health


def _hosts(table: Table, root: Path, name: str) -> tuple[Host, ...]:
    hosts = table.sub("hosts")
    # What is said of all hosts is known even where there is none yet.
    table.knows("user", "folder", "python", "bind", "environment", "files")
    return tuple(_host(table, hosts, key, root, name) for key in hosts.keys())


def _host(top: Table, hosts: Table, key: str, root: Path, name: str) -> Host:
    """A host: what it says itself, else what is said above of all."""
    own = hosts.sub(key, short="address")
    if not NAME.fullmatch(key):
        raise own.wrong("", key, "be called with letters, digits, dots and hyphens")
    files = top.sub("files")
    host = Host(
        name=key,
        address=own.text("address", key),
        port=own.whole("port", None),
        user=own.text("user", top.text("user", getpass.getuser(), pattern=USER), pattern=USER),
        folder=_folder(own, top.text("folder", f"/srv/{name}")),
        python=own.text("python", top.text("python", _this_python(), pattern=None)),
        bind=own.texts("bind", top.texts("bind", ["127.0.0.1:8000"], ADDRESS), ADDRESS),
        environment=own.path("environment", root) or top.path("environment", root),
        files={
            target: root / Path(files.text(target).format(host=key)).expanduser()
            for target in files.keys()
        },
    )
    own.finish()
    for target in host.files:
        if PurePosixPath(target).is_absolute() or ".." in target or target == "env":
            raise files.wrong(target, target, "be a path under shared/, and not env")
    if not VERSION.fullmatch(host.python) and not host.python.startswith("/"):
        raise own.wrong("python", host.python, 'be a version, "3.12", or an absolute path')
    return host


def _folder(own: Table, default: str) -> PurePosixPath:
    text = own.text("folder", default)
    folder = PurePosixPath(text)
    # A socket's path has 107 bytes, and those of the processes are below this folder.
    if not folder.is_absolute() or len(folder.parts) < 3 or len(text) > 70 or ".." in folder.parts:
        raise own.wrong("folder", text, 'be like "/srv/demo", of 70 characters at most')
    return folder


def _groups(table: Table, hosts: Sequence[Host]) -> dict[str, tuple[str, ...]]:
    groups = table.sub("groups")
    names = {host.name for host in hosts}
    found = {key: groups.texts(key, []) for key in groups.keys()}
    for key, members in found.items():
        for member in members:
            if member not in names:
                raise groups.wrong(key, member, f"be one of the hosts: {', '.join(sorted(names))}")
        if key in names:
            raise groups.wrong(key, key, "not be called as a host is")
    return found


def _this_python() -> str:
    return ".".join(platform.python_version_tuple()[:2])
