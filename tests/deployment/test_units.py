"""The systemd units, checked with the tools of systemd."""

from __future__ import annotations

import asyncio
import configparser
import getpass
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from quartpatterns.compare.processes import free_port
from quartpatterns.deployment import Deployment, Settings, parse_settings, units
from tests.deployment.project import Project, answer

HARDENED = {
    "ProtectSystem": "strict",
    "NoNewPrivileges": "true",
    "ProtectHome": "true",
    "PrivateTmp": "true",
    "User": getpass.getuser(),
}


def settings(tmp_path: Path) -> Settings:
    data = {
        "supervisor": "systemd",
        "user": getpass.getuser(),
        "folder": str(tmp_path / "srv"),
        "hosts": {"web1": {"bind": ["127.0.0.1:8000", "unix:/run/demo.sock"]}},
    }
    return parse_settings(data, root=tmp_path, name="demo")


@pytest.mark.checks("FA-9")
def test_hardened(tmp_path: Path) -> None:
    """The service has its own user, and may write only beside its releases."""
    example = settings(tmp_path)
    texts = units(example, example.hosts[0], "/usr/bin/python3")
    service = configparser.ConfigParser(interpolation=None, strict=False)
    service.optionxform = str  # type: ignore[method-assign, assignment]
    service.read_string(texts["demo.service"])
    values = dict(service["Service"])
    assert HARDENED.items() <= values.items()
    assert values["ReadOnlyPaths"] == f"{tmp_path}/srv/releases {tmp_path}/srv/bin"
    assert "ListenStream=127.0.0.1:8000\nListenStream=/run/demo.sock\n" in texts["demo.socket"]


@pytest.mark.checks("FA-9")
@pytest.mark.parametrize(
    ("folder", "python", "expected"),
    [
        ("/srv/demo", "/usr/bin/python3", "true"),
        ("/home/shop/demo", "/usr/bin/python3", "read-only"),
        ("/srv/demo", "/home/demo/.pyenv/bin/python3", "read-only"),
        ("/homes/demo", "/usr/bin/python3", "true"),
    ],
)
def test_home(tmp_path: Path, folder: str, python: str, expected: str) -> None:
    """The service sees its folder and its Python below /home, which it could not start without."""
    data = {"supervisor": "systemd", "folder": folder, "hosts": {"web1": {}}}
    example = parse_settings(data, root=tmp_path, name="demo")
    assert f"\nProtectHome={expected}\n" in units(example, example.hosts[0], python)["demo.service"]


@pytest.mark.checks("FA-9", "FA-11")
@pytest.mark.parametrize(
    ("folder", "command", "writable"),
    [
        ("/srv/my shop", '"/srv/my shop/bin/host.pyz" run "/srv/my shop"', '"/srv/my shop"'),
        ("/srv/100%h", "/srv/100%%h/bin/host.pyz run /srv/100%%h", "/srv/100%%h"),
        ("/srv/a'b", '"/srv/a\'b/bin/host.pyz" run "/srv/a\'b"', '"/srv/a\'b"'),
    ],
)
def test_special_characters(tmp_path: Path, folder: str, command: str, writable: str) -> None:
    """The units contain a path as it is, whatever its characters mean to systemd."""
    hosts = {"web1": {"bind": ["unix:/run/%h.sock"]}}
    data = {"supervisor": "systemd", "user": getpass.getuser(), "folder": folder, "hosts": hosts}
    example = parse_settings(data, root=tmp_path, name="demo")
    texts = units(example, example.hosts[0], sys.executable)
    lines = texts["demo.service"].splitlines()
    assert f"ExecStart={sys.executable} {command}" in lines
    assert f"WorkingDirectory={folder.replace('%', '%%')}" in lines
    assert f"ReadWritePaths={writable}" in lines
    assert "ListenStream=/run/%%h.sock\n" in texts["demo.socket"]
    verify(tmp_path, texts)


@pytest.mark.checks("FA-9")
def test_verified(tmp_path: Path) -> None:
    """systemd-analyze reports no problem."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not on this machine")
    example = settings(tmp_path)
    verify(tmp_path, units(example, example.hosts[0], sys.executable))


def verify(folder: Path, texts: dict[str, str]) -> None:
    """Check that systemd-analyze, if it is on this machine, reports no problem."""
    if not shutil.which("systemd-analyze"):
        return
    paths: list[Path] = []
    for name, text in texts.items():
        paths.append(folder / name)
        paths[-1].write_text(text)
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *paths], capture_output=True, text=True
    )
    assert [line for line in result.stderr.splitlines() if "demo." in line] == []


@pytest.mark.checks("FA-9")
def test_bootstrap_plan(tmp_path: Path) -> None:
    """The units are verified, installed and enabled, with sudo unless root logs in."""
    plan = Deployment(settings(tmp_path)).plan("bootstrap")
    text = "\n".join(action for _, _, action in plan)
    order = [
        "systemd-analyze verify",
        "install -m 644",
        "daemon-reload",
        "enable --now demo.socket",
    ]
    places = [text.index(word) for word in order]
    assert places == sorted(places)
    data = {"supervisor": "systemd", "user": "shop", "hosts": {"a": {}}}
    other = parse_settings(data, root=tmp_path, name="demo")
    assert "sudo -n systemctl daemon-reload" in repr(Deployment(other).plan("bootstrap"))
    other = parse_settings({**data, "admin": "root"}, root=tmp_path, name="demo")
    assert "sudo" not in repr(Deployment(other).plan("bootstrap"))


@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.timeout(600)
@pytest.mark.checks("FA-9")
async def test_activation(project: Project) -> None:
    """The supervisor serves on sockets that systemd passes to it."""
    activate = shutil.which("systemd-socket-activate")
    if not activate:
        pytest.skip("systemd-socket-activate is not on this machine")
    host = project.hosts[0]
    deployment = project.deployment()
    await deployment.bootstrap()
    await deployment.deploy(await project.release("1.0"))
    program = host.app / "bin" / "host.pyz"
    stop = await asyncio.create_subprocess_exec(sys.executable, program, "stop", host.app)
    await stop.wait()
    host.web = free_port()
    async with asyncio.timeout(200):
        while await running(program, host.app):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    process = await asyncio.create_subprocess_exec(
        activate, "-l", f"127.0.0.1:{host.web}", sys.executable, program, "run", host.app,
        stderr=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        env={**os.environ},
    )  # fmt: skip
    try:
        async with asyncio.timeout(200):
            while await answer(host) != "1.0":  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        status = await running(program, host.app)
        assert status and status["systemd"]
    finally:
        process.terminate()
        await process.wait()


async def running(program: Path, folder: Path) -> dict[str, object] | None:
    """Return what the supervisor reports, or None if it does not run."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, program, "status", folder, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    status: dict[str, dict[str, object] | None] = json.loads(output)
    return status["running"]


@pytest.mark.checks("FA-2")
def test_plan_of_unknown_command(hosts_folder: Path) -> None:
    """The plan of a command that does not exist is an error, not the plan of another one."""
    with pytest.raises(ValueError, match="'status' is not a command: write bootstrap, deploy or"):
        Deployment(settings(hosts_folder)).plan("status")
