"""The program on the hosts."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from quartpatterns.deployment import FailedError, StepFailedError
from quartpatterns.deployment.onhost import processes, releases
from quartpatterns.deployment.onhost.__main__ import is_serving
from quartpatterns.deployment.onhost.processes import HealthCheckError, wait_until_healthy
from quartpatterns.deployment.onhost.releases import process_environment
from quartpatterns.deployment.sessions import redactor
from quartpatterns.deployment.steps import host_program


@pytest.mark.checks("FA-10")
def test_permissions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that other users may read is refused."""
    (tmp_path / "shared").mkdir()
    file = tmp_path / "shared" / "env"
    file.write_text("A=1")
    for mode in (0o640, 0o604):
        file.chmod(mode)
        with pytest.raises(ValueError, match="other users can read .*. Run chmod 600"):
            process_environment(tmp_path, tmp_path / "releases" / "1")
    file.chmod(0o600)
    monkeypatch.setenv("LISTEN_FDS", "1")
    environment = process_environment(tmp_path, tmp_path / "releases" / "1")
    assert environment["A"] == "1"
    assert "LISTEN_FDS" not in environment
    assert environment["PATH"].startswith(f"{tmp_path}/releases/1/venv/bin:")


@pytest.mark.checks("FA-10")
def test_redaction() -> None:
    """Values, and passwords in URLs, are replaced. Values that are too short are not."""
    redact = redactor(["correct-horse", "1", "postgresql://app:s3cr%40t!@db/x", "two\nlines"])
    assert (
        redact("a correct-horse of 1 with s3cr@t! and s3cr%40t!") == "a *** of 1 with *** and ***"
    )
    assert redact("postgresql://app:s3cr%40t!@db/x") == "***"
    assert redact("two\nlines, in Python 'two\\nlines'") == "***, in Python '***'"


@pytest.mark.checks("FA-5")
def test_releases(tmp_path: Path) -> None:
    """A rollback goes to the last release that was healthy and not withdrawn."""
    for index, name in enumerate(("1", "2", "3", "failed"), 1):
        folder = tmp_path / "releases" / name
        folder.mkdir(parents=True)
        (folder / "installed").touch()
        if name != "failed":
            (folder / "activated").touch()
            os.utime(folder / "activated", (index, index))
    (tmp_path / "run").mkdir()
    (tmp_path / "incoming").mkdir()
    (tmp_path / "current").symlink_to("releases/3")
    assert releases.previous_release(tmp_path, "failed") == "3"
    assert releases.rollback_target(tmp_path, "") == "2"
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("releases/2")
    assert releases.rollback_target(tmp_path, "") == "2"
    releases.activate(tmp_path, "failed")
    assert releases.previous_release(tmp_path, "failed") == "2"
    with pytest.raises(ValueError, match="there is no release before 1"):
        releases.previous_release(tmp_path, "1")
    assert sorted(releases.prune(tmp_path, 2)) == ["1", "3"]
    assert releases.describe(tmp_path)["releases"] == ["failed", "2"]


@pytest.mark.checks("FA-5")
def test_clock_set_back(tmp_path: Path) -> None:
    """A release that is served last is the last one, even if the clock was wrong before."""
    for name in ("1", "2"):
        folder = tmp_path / "releases" / name
        folder.mkdir(parents=True)
        (folder / "installed").touch()
    (tmp_path / "run").mkdir()
    releases.activate(tmp_path, "1")
    tomorrow = time.time() + 86400
    os.utime(tmp_path / "releases" / "1" / "activated", (tomorrow, tomorrow))
    releases.activate(tmp_path, "2")
    assert releases.describe(tmp_path)["releases"] == ["2", "1"]
    assert releases.previous_release(tmp_path, "2") == "1"


@pytest.mark.checks("FA-5")
def test_rollback_target(tmp_path: Path) -> None:
    """A rollback has the same target until the next deployment, unless a release is named."""
    for index, name in enumerate(("1", "2", "3"), 1):
        folder = tmp_path / "releases" / name
        folder.mkdir(parents=True)
        (folder / "installed").touch()
        (folder / "activated").touch()
        os.utime(folder / "activated", (index, index))
    (tmp_path / "run").mkdir()
    (tmp_path / "current").symlink_to("releases/3")
    assert releases.rollback_target(tmp_path, "") == "2"
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("releases/2")
    assert releases.rollback_target(tmp_path, "") == "2"
    # The current release is not withdrawn if it is the target itself.
    assert releases.rollback_target(tmp_path, "2") == "2"
    assert releases.previous_release(tmp_path, "unknown") == "2"
    assert releases.rollback_target(tmp_path, "1") == "1"
    assert (tmp_path / "releases" / "2" / "withdrawn").exists()
    releases.activate(tmp_path, "3")
    assert releases.previous_release(tmp_path, "unknown") == "3"
    assert releases.previous_release(tmp_path, "3") == "1"
    # The new deployment has removed the record, and the release 2 is withdrawn.
    assert releases.rollback_target(tmp_path, "") == "3"


def test_tls(tmp_path: Path) -> None:
    """A release uses TLS if its configuration of Hypercorn has a certificate and a key."""
    app = tmp_path / "releases" / "1" / "app"
    app.mkdir(parents=True)
    services = dict.fromkeys(("app", "bind", "processes", "workers", "health", "graceful"))
    (app.parent / "services.json").write_text(json.dumps(services))
    release = releases.Release(tmp_path, "1")
    assert not release.uses_tls()
    (app / "hypercorn.toml").write_text('certfile = "a"\n')
    assert not release.uses_tls()
    (app / "hypercorn.toml").write_text('certfile = "a"\nkeyfile = "b"\n')
    assert release.uses_tls()


def test_log_rotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that is too long is renamed, and replaces the one before."""
    monkeypatch.setattr(processes, "_LOG_LIMIT", 3)
    for text in (b"12", b"34", b"5"):
        with processes._open_log(tmp_path / "log" / "web.log") as log:
            log.write(text)
    assert (tmp_path / "log" / "web.log.1").read_bytes() == b"1234"
    assert (tmp_path / "log" / "web.log").read_bytes() == b"5"


def test_failed_error() -> None:
    """The text contains all failures and the note."""
    failures = [StepFailedError(host, "load", "no module") for host in ("a", "b")]
    error = FailedError(failures, "a serves 1.0 again")
    assert str(error) == "a: load: no module\nb: load: no module\na serves 1.0 again"
    assert str(FailedError(failures[:1])) == "a: load: no module"


async def test_health_check() -> None:
    """A status from 200 to 299 means healthy. The error contains any other response."""
    responses = [b"", b"garbage\r\n\r\n", b"HTTP/1.1 503 x\r\n\r\n", b"HTTP/1.1 204 x\r\n\r\n"]

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(responses.pop(0) if len(responses) > 1 else responses[0])
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await wait_until_healthy(address, "/", "x", limit=20)
    assert len(responses) == 1
    for response, text in (
        (b"HTTP/1.1 404 x\r\n\r\n", "returns status 404"),
        (b"HTTP/1.1 199 x\r\n\r\n", "returns status 199"),
        (b"HTTP/1.1 300 x\r\n\r\n", "returns status 300"),
        (b"x\r\n\r\n", "'x' is not an HTTP response"),
    ):
        responses[:] = [response]
        with pytest.raises(HealthCheckError, match=text):
            await wait_until_healthy(address, "/", "x", limit=0.2)
    server.close()
    with pytest.raises(HealthCheckError, match="GET / fails .* after 0.2 s"):
        await wait_until_healthy(address, "/", "x", limit=0.2)


async def test_silent_server() -> None:
    """A server that never responds is unhealthy when the time is over."""
    connected = asyncio.Event()

    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(ignore, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with pytest.raises(HealthCheckError, match="no response in time.* after 0.3 s"):
        await wait_until_healthy(address, "/", "x", limit=0.3)
    assert connected.is_set()
    server.close()


@pytest.mark.checks("FA-5")
def test_is_serving(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release is served if all its processes run, with the environment on the host."""
    monkeypatch.setattr("quartpatterns.deployment.onhost.supervisor.program_version", lambda: "v")
    status = {"version": "v", "release": "1", "changed": False, "expected": 2}
    status["processes"] = {"web": 1, "mail": 1}
    assert is_serving(status, "1")
    assert not is_serving(None, "1")
    assert not is_serving(status, "2")
    assert not is_serving({**status, "version": "w"}, "1")
    assert not is_serving({**status, "changed": True}, "1")
    assert not is_serving({**status, "processes": {"web": 1, "mail": 0}}, "1")


@pytest.mark.checks("FA-9")
def test_program(tmp_path: Path) -> None:
    """The program is one reproducible file that needs only the standard library."""
    path = tmp_path / "host.pyz"
    path.write_bytes(host_program())
    command: list[str | Path] = [sys.executable, "-S", "-E", path]
    result = subprocess.run([*command, "status", tmp_path], capture_output=True, text=True)
    assert "No such file" in result.stderr and "Traceback" not in result.stderr
    result = subprocess.run([*command, "trial", tmp_path, "1"], capture_output=True, text=True)
    assert (result.returncode, result.stderr.strip()) == (1, f"no supervisor runs for {tmp_path}")
    host_program.cache_clear()
    assert host_program() == path.read_bytes()


@pytest.mark.checks("FA-9")
def test_standard_library_only() -> None:
    """The modules for the hosts import nothing else, except Hypercorn inside the server."""
    for file in Path(releases.__file__).parent.glob("*.py"):
        tree = ast.parse(file.read_text())
        for node in tree.body:
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names, file.name
