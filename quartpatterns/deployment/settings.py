"""The settings of a deployment, as they were read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from quartpatterns.deployment.errors import SettingsError

__all__ = ["VERSION", "Health", "Host", "Settings"]

VERSION = re.compile(r"\d+\.\d+")


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
