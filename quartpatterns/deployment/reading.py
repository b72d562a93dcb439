"""Read the settings of a deployment from ``deploy.toml`` or ``pyproject.toml``."""

from __future__ import annotations

import getpass
import platform
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal, cast

from quartpatterns.deployment.errors import SettingsError
from quartpatterns.deployment.settings import VERSION, Health, Host, Settings
from quartpatterns.deployment.tables import Table

__all__ = ["parse_settings", "read_settings"]

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
ADDRESS = re.compile(r"unix:/\S+|(?:\[[0-9a-fA-F:.%]+\]|[^\[\]:\s/]+):\d{1,5}")
INCLUDED = ("hypercorn.toml", "alembic", "alembic.ini", "pyproject.toml")


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
