"""Invalid hosts and releases: the old release stays in service, and the error says what to do."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from quartpatterns.compare.processes import free_port
from quartpatterns.deployment import (
    Archive,
    Deployment,
    DeploymentError,
    Event,
    FailedError,
    StepFailedError,
)
from tests.deployment.conftest import Projects
from tests.deployment.project import Project, answer

pytestmark = [pytest.mark.wire, pytest.mark.timeout(600), pytest.mark.checks("FA-11")]


async def failure(deployment: Deployment, archive: Archive | None = None) -> StepFailedError:
    """Return the failure of a deployment, or of a bootstrap if there is no *archive*."""
    with pytest.raises(FailedError) as caught:
        if archive:
            await deployment.deploy(archive)
        else:
            await deployment.bootstrap()
    (found,) = caught.value.failures
    return found


def first_host(project: Project, **changes: Any) -> dict[str, Any]:
    """Return settings in which the first host is changed."""
    hosts = project.data()["hosts"]
    hosts["web0"].update(changes)
    return {"hosts": hosts}


async def test_host_is_down(projects: Projects) -> None:
    """If a host is down, no other host is changed."""
    async with projects(2) as project:
        deployment = project.deployment(**first_host(project, port=free_port()))
        found = await failure(deployment)
        assert (found.host, found.step) == ("web0", "connect")
        assert (
            "is not reachable (Connection refused)" in found.problem
            and "Check that it is up" in found.problem
        )
        assert project.steps("web1") == ["connect"]
        assert not project.hosts[1].app.joinpath("bin").exists()


async def test_unknown_address(project: Project) -> None:
    found = await failure(project.deployment(**first_host(project, address="web.invalid")))
    assert "web.invalid port" in found.problem and "is not reachable" in found.problem
    assert "Unknown error" not in found.problem


async def test_silent_host(project: Project) -> None:
    """The login on a host that accepts but never responds times out."""
    silent = socket.create_server(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    deployment = project.deployment(**first_host(project, port=port), **{"connect-timeout": 0.3})
    found = await failure(deployment)
    silent.close()
    assert "took longer than 0.3 s" in found.problem and "connect-timeout" in found.problem


async def test_key_refused(project: Project) -> None:
    project.hosts[0].refuse = True
    found = await failure(project.deployment())
    assert "refuses the key of the user demo. Add the public key" in found.problem
    project.hosts[0].refuse = False
    await project.deployment().bootstrap()


async def test_host_key(project: Project) -> None:
    """A host whose key differs from the known one, or is unknown, is refused."""
    known = project.hosts.known_hosts.read_text()
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    project.hosts.known_hosts.write_text(f"[127.0.0.1]:{project.hosts[0].port} {other}")
    found = await failure(project.deployment())
    assert "differs from the one in" in found.problem and "ssh-keygen -f" in found.problem
    project.hosts.known_hosts.write_text("")
    found = await failure(project.deployment())
    assert "does not contain the key" in found.problem and "ssh-keyscan -p" in found.problem
    assert project.hosts[0].commands == []
    project.hosts.known_hosts.write_text(known)
    await project.deployment().bootstrap()


async def test_invalid_identity(project: Project) -> None:
    """The private key is invalid or missing."""
    (project.root / "broken").write_text("no key")
    for name in ("broken", "missing"):
        found = await failure(project.deployment(identity=name))
        assert found.step == "connect"
        assert "orrect identity" in found.problem


async def test_python_is_missing(project: Project) -> None:
    host = project.hosts[0]
    path, host.env["PATH"] = host.env["PATH"], "/nowhere"
    found = await failure(project.deployment())
    assert found.step == "python"
    assert "is missing. Install it on the host" in found.problem
    host.env["PATH"] = path
    await project.deployment().bootstrap()


async def test_other_python(project: Project) -> None:
    """The host has another version than the wheels are for, or one that is too old."""
    found = await failure(project.deployment(**first_host(project, python="3.99")))
    assert "but the wheels are for 3.99. Install python3.99 on the host" in found.problem
    old = project.hosts[0].folder / "python-old"
    # It prints version 3.9 if asked for it, and fails otherwise.
    old.write_text('#!/bin/sh\ncase "$2" in *executable*) echo "$0 3.9";; *) exit 1;; esac\n')
    old.chmod(0o755)
    found = await failure(project.deployment(**first_host(project, python=str(old))))
    assert found.step in {"lock", "python"}


async def test_host_is_not_set_up(project: Project) -> None:
    """The host was not bootstrapped, or the folder is not writable."""
    (status,) = await project.deployment().status()
    assert status.problem and "Run quartpatterns deploy bootstrap" in status.problem
    found = await failure(project.deployment(), await project.release("1.0"))
    assert found.step == "space"
    assert "the host is not set up (exit code 1): run quartpatterns deploy boot" in found.problem
    found = await failure(project.deployment(**first_host(project, folder="/proc/demo/app")))
    assert found.step == "lock" and "/proc/demo/app" in found.problem


FAILING: list[tuple[dict[str, Any], str, str]] = [
    ({"requires": "nosuchthing>=1"}, "install", "a wheel is missing"),
    ({"top": "import nosuchthing"}, "load", "No module named 'nosuchthing'"),
    ({"startup": "failed"}, "trial", "the server ended with exit code 1"),
    ({"health": "404"}, "trial", "GET /health returns status 404 after"),
    ({"health": "1/0"}, "trial", "ZeroDivisionError"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("source", "step", "text"), FAILING, ids=str)
async def test_failing_release(
    project: Project, source: dict[str, Any], step: str, text: str
) -> None:
    """A release that fails is not served, and the release before it stays in service."""
    await project.deployment().bootstrap()
    await project.deployment().deploy(await project.release("1.0"))
    archive = await project.release("1.1", **source)
    # The server must have started before its health is known, which takes long if it is slow.
    for timeout in (1, 5, 25):
        found = await failure(project.deployment(health={"timeout": timeout}), archive)
        assert (found.host, found.step, bool(found.command)) == ("web0", step, True)
        assert await answer(project.hosts[0]) == "1.0"
        if text in f"{found.problem}\n{found.output}":
            break
    else:
        pytest.fail(f"{text!r} is not in {found.output}")
    (status,) = await project.deployment().status()
    assert status.current and status.current.startswith("1.0-")


@pytest.mark.slow
async def test_damaged_upload(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """An incomplete upload is continued. If it is damaged, the next run starts a new one."""
    monkeypatch.setattr("quartpatterns.deployment.sessions.BLOCK", 100_000)
    deployment = project.deployment()
    await deployment.bootstrap()
    archive = await project.release("1.0")
    incoming = project.hosts[0].app / "incoming"
    partial = incoming / f".{archive.release}.tar.partial"
    content = archive.path.read_bytes()
    assert len(content) > 500_000
    partial.write_bytes(content[: len(content) // 2])
    await deployment.deploy(archive)
    archive = await project.release("1.1")
    partial = incoming / f".{archive.release}.tar.partial"
    partial.write_bytes(b"damaged" + archive.path.read_bytes()[7:-1000])
    found = await failure(deployment, archive)
    assert found.step == "unpack" and "run the same command again" in found.problem
    await deployment.deploy(archive)
    assert await answer(project.hosts[0]) == "1.1"


@pytest.mark.slow
async def test_longer_upload(project: Project) -> None:
    """A partial file that is longer than the archive is overwritten."""
    deployment = project.deployment()
    await deployment.bootstrap()
    archive = await project.release("1.0")
    partial = project.hosts[0].app / "incoming" / f".{archive.release}.tar.partial"
    partial.write_bytes(archive.path.read_bytes() + b"more")
    await deployment.deploy(archive)
    assert await answer(project.hosts[0]) == "1.0"


async def test_invalid_environment(project: Project) -> None:
    """The file with the environment is missing or invalid."""
    deployment = project.deployment(environment="missing.env")
    with pytest.raises(DeploymentError, match=r"missing.env cannot be read.*Write the environment"):
        await deployment.bootstrap()
    (project.root / "missing.env").write_text("SECRET_KEY\n")
    with pytest.raises(DeploymentError, match="missing.env: line 1 must look like KEY=value"):
        await deployment.bootstrap()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 100 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
async def test_full_disk(small_disk: Path, project: Project) -> None:
    """The disk is full before the deployment, or becomes full in the middle of it."""
    project.hosts[0].app.parent.mkdir(parents=True)
    project.hosts[0].app.symlink_to(small_disk / "demo")
    (small_disk / "demo").mkdir()
    deployment = project.deployment(**{"keep": 1})
    await deployment.bootstrap()
    await deployment.deploy(await project.release("1.0"))
    filler = small_disk / "filler"
    archive = await project.release("1.1")
    for last, failing in (("environment", "upload"), ("venv", "install"), ("install", "load")):

        def fill_disk(event: Event, last: str = last) -> None:
            if (event.step, event.state) in {(last, "done"), (last, "skipped")}:
                size = shutil.disk_usage(small_disk).free
                filler.write_bytes(b"\0" * (size // 4096 * 4096))

        found = await failure(Deployment(deployment.settings, fill_disk), archive)
        assert found.step == failing and "the disk is full" in found.problem
        assert await answer(project.hosts[0]) == "1.0"
        filler.unlink()
    filler.write_bytes(b"\0" * (shutil.disk_usage(small_disk).free // 4096 * 4096))
    found = await failure(deployment, await project.release("1.2"))
    assert found.step in {"lock", "space"} and "the disk is full" in found.problem
    filler.unlink()
    await deployment.deploy(archive)
    assert await answer(project.hosts[0]) == "1.1"


@pytest.mark.slow
@pytest.mark.checks("FA-7")
async def test_damaged_bytecode(project: Project, tmp_path: Path) -> None:
    """Bytecode that is cut off, as on a full disk, does not stop the next attempt."""
    flag = tmp_path / "flag"
    deployment = project.deployment(migrate=f"test -e {flag}")
    await deployment.bootstrap()
    archive = await project.release("1.0")
    found = await failure(deployment, archive)
    assert found.step == "migrate"
    files = list((project.hosts[0].app / "releases" / archive.release).rglob("demo/**/*.pyc"))
    for path in files:
        path.write_bytes(path.read_bytes()[:20])
    flag.touch()
    await deployment.deploy(archive)
    assert files and await answer(project.hosts[0]) == "1.0"
    # Bytecode of a release that is served is not compiled again.
    before = [path.stat().st_ino for path in files]
    await deployment.deploy(archive)
    assert [path.stat().st_ino for path in files] == before
