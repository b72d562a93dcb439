"""What is wrong with hosts and releases: the old one serves on, the message says what to do."""

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
    Deployment,
    DeploymentError,
    Event,
    FailedError,
    StepFailedError,
)
from tests.deployment.conftest import Projects
from tests.deployment.project import Project, answer

pytestmark = [pytest.mark.wire, pytest.mark.checks("FA-11")]


async def failure(deployment: Deployment, archive: Any = None) -> StepFailedError:
    """The one failure of a deployment, or of a bootstrap where there is no *archive*."""
    with pytest.raises(FailedError) as caught:
        if archive:
            await deployment.deploy(archive)
        else:
            await deployment.bootstrap()
    (found,) = caught.value.failures
    return found


def on(project: Project, **changes: Any) -> dict[str, Any]:
    """The settings of hosts, of which the first is changed."""
    hosts = project.data()["hosts"]
    hosts["web0"].update(changes)
    return {"hosts": hosts}


async def test_down(projects: Projects) -> None:
    """A host that is down stops all before anything is done on another."""
    async with projects(2) as project:
        deployment = project.deployment(**on(project, port=free_port()))
        found = await failure(deployment)
        assert (found.host, found.step) == ("web0", "connect")
        assert "can't be reached" in found.problem and "see whether it is up" in found.problem
        assert project.steps("web1") == ["connect"]
        assert not project.hosts[1].app.joinpath("bin").exists()


async def test_slow(project: Project) -> None:
    """A host that accepts and says nothing is given up after a while."""
    silent = socket.create_server(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    deployment = project.deployment(**on(project, port=port), **{"connect-timeout": 0.3})
    found = await failure(deployment)
    silent.close()
    assert "has not let us in after 0.3 s" in found.problem and "connect-timeout" in found.problem


async def test_key_refused(project: Project) -> None:
    project.hosts[0].refuse = True
    found = await failure(project.deployment())
    assert "refuses the key for the user demo: add the public key" in found.problem
    project.hosts[0].refuse = False
    await project.deployment().bootstrap()


async def test_changed_host_key(project: Project) -> None:
    """Another key than the known one is refused, and so is one that is unknown."""
    known = project.hosts.known_hosts.read_text()
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    project.hosts.known_hosts.write_text(f"[127.0.0.1]:{project.hosts[0].port} {other}")
    found = await failure(project.deployment())
    assert "has another key than" in found.problem and "ssh-keygen -f" in found.problem
    project.hosts.known_hosts.write_text("")
    found = await failure(project.deployment())
    assert "doesn't know the key" in found.problem and "ssh-keyscan -p" in found.problem
    assert project.hosts[0].commands == []
    project.hosts.known_hosts.write_text(known)
    await project.deployment().bootstrap()


async def test_no_key(project: Project) -> None:
    """An identity that is none, or not there."""
    (project.root / "broken").write_text("no key")
    for name in ("broken", "missing"):
        found = await failure(project.deployment(identity=name))
        assert found.step == "connect"
        assert "correct identity" in found.problem


async def test_no_python(project: Project) -> None:
    host = project.hosts[0]
    path, host.env["PATH"] = host.env["PATH"], "/nowhere"
    found = await failure(project.deployment())
    assert found.step == "python"
    assert "there is no Python 3." in found.problem and "install it there" in found.problem
    host.env["PATH"] = path
    await project.deployment().bootstrap()


async def test_another_python(project: Project) -> None:
    """Another version than that of the wheels, and one that is too old."""
    found = await failure(project.deployment(**on(project, python="3.99")))
    assert "and the wheels are for 3.99: install python3.99 there" in found.problem
    old = project.hosts[0].folder / "python-old"
    # A Python that says it is old, and else is the host's own.
    old.write_text('#!/bin/sh\ncase "$2" in *executable*) echo "$0 3.9";; *) exit 1;; esac\n')
    old.chmod(0o755)
    found = await failure(project.deployment(**on(project, python=str(old))))
    assert found.step in {"lock", "python"}


async def test_not_set_up(project: Project) -> None:
    """A host that nobody has bootstrapped, and a folder that the user may not write."""
    (status,) = await project.deployment().status()
    assert status.problem and "deploy bootstrap does it" in status.problem
    found = await failure(project.deployment(), await project.release("1.0"))
    assert "it is not set up" in found.problem and "deploy bootstrap does it" in found.problem
    found = await failure(project.deployment(**on(project, folder="/proc/demo/app")))
    assert found.step == "lock" and "/proc/demo/app" in found.problem


UNUSABLE: list[tuple[dict[str, str], str, str]] = [
    ({"requires": "nosuchthing>=1"}, "install", "a wheel is missing"),
    ({"top": "import nosuchthing"}, "load", "No module named 'nosuchthing'"),
    ({"health": "404"}, "trial", "GET /health answers 404 after 1 s"),
    ({"health": "1/0"}, "trial", "ZeroDivisionError"),
]


async def test_releases(project: Project) -> None:
    """A release that can't be used is not switched to, and the next one is."""
    deployment = project.deployment(health={"timeout": 1})
    await deployment.bootstrap()
    await deployment.deploy(await project.release("1.0"))
    for number, (source, step, said) in enumerate(UNUSABLE):
        found = await failure(deployment, await project.release(f"1.1.{number}", **source))
        assert (source, found.step) == (source, step)
        assert said in f"{found.problem}\n{found.output}"
        assert (found.host, bool(found.command)) == ("web0", True)
        assert await answer(project.hosts[0]) == "1.0"
    (status,) = await deployment.status()
    assert status.current and status.current.startswith("1.0-")
    await deployment.deploy(await project.release("1.2"))
    assert await answer(project.hosts[0]) == "1.2"


async def test_damaged_upload(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there of an upload is used; where it is damaged it is thrown away, and told."""
    monkeypatch.setattr("quartpatterns.deployment.connections.BLOCK", 100_000)
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


async def test_no_environment(project: Project) -> None:
    """An environment that is not there, or no environment."""
    deployment = project.deployment(environment="missing.env")
    with pytest.raises(DeploymentError, match="missing.env can't be read.*put the environment"):
        await deployment.bootstrap()
    (project.root / "missing.env").write_text("SECRET_KEY\n")
    with pytest.raises(DeploymentError, match="missing.env: line 1 is not like KEY=value"):
        await deployment.bootstrap()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 40 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can make a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_full_disk(small_disk: Path, project: Project) -> None:
    """Full before it begins, or while it installs: the old release serves on."""
    project.hosts[0].app.parent.mkdir(parents=True)
    project.hosts[0].app.symlink_to(small_disk / "demo")
    (small_disk / "demo").mkdir()
    deployment = project.deployment(**{"keep": 1})
    await deployment.bootstrap()
    await deployment.deploy(await project.release("1.0"))
    filler = small_disk / "filler"

    def fill(event: Event) -> None:
        if (event.step, event.state) == ("venv", "done"):
            size = shutil.disk_usage(small_disk).free
            filler.write_bytes(b"\0" * (size // 4096 * 4096))

    archive = await project.release("1.1")
    found = await failure(Deployment(deployment.settings, fill), archive)
    assert found.step == "install" and "the disk is full: free space there" in found.problem
    assert await answer(project.hosts[0]) == "1.0"
    found = await failure(deployment, archive)
    assert found.step == "space" and "about" in found.problem
    filler.unlink()
    await deployment.deploy(archive)
    assert await answer(project.hosts[0]) == "1.1"
