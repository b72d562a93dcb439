"""``quartpatterns deploy``: what a person types, and reads."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from quartpatterns.cli import main
from tests.deployment.conftest import Projects
from tests.deployment.project import SECRET, Project, answer

PLANNED = ["space", "program", "environment", "upload", "unpack", "venv", "install", "load"]
PLANNED += ["migrate", "trial", "switch", "verify", "prune"]


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["deploy", *map(str, arguments)])


async def called(*arguments: str | Path) -> Result:
    """The command in a thread: it has a loop of its own, and the hosts are in the test's."""
    return await asyncio.to_thread(call, *arguments)


def write_settings(project: Project, **changes: Any) -> Path:
    """A deploy.toml for the hosts of *project*."""
    data = project.data(**changes)
    hosts = data.pop("hosts")
    health = data.pop("health")
    lines = [f"{key} = {json.dumps(value)}" for key, value in data.items()]
    lines += ["[health]", *(f"{key} = {json.dumps(value)}" for key, value in health.items())]
    for name, host in hosts.items():
        lines.append(f"[hosts.{name}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in host.items()]
    path = project.root / "deploy.toml"
    path.write_text("\n".join(lines))
    return path


@pytest.mark.wire
@pytest.mark.checks("FA-2", "FA-8")
async def test_commands(projects: Projects) -> None:
    """pack, bootstrap, deploy, status, logs and rollback, as on the page and further."""
    async with projects(2) as project:
        config = write_settings(project)
        done = await called("bootstrap", "-c", config)
        assert done.exit_code == 0, done.output
        assert "✓" in done.output and "web1" in done.output
        for version in ("1.0", "1.1"):
            await project.release(version)
            done = await called("deploy", "-c", config, "--batch", "1")
            assert done.exit_code == 0, done.output
            assert f"{version}-" in done.output and "on 2 hosts" in done.output
        assert await answer(project.hosts[1]) == "1.1"
        done = await called("status", "-c", config, "--json")
        assert [one["current"][:3] for one in json.loads(done.output)] == ["1.1", "1.1"]
        done = await called("logs", "web1", "-c", config, "-n", "3")
        assert done.output.startswith("web1: ") and "web0" not in done.output
        done = await called("rollback", "web0", "-c", config, "--json")
        told = json.loads(done.output)
        assert told["succeeded"] and told["release"].startswith("1.0-")
        assert [await answer(host) for host in project.hosts.all] == ["1.0", "1.1"]
        done = await called("status", "-c", config)
        assert done.exit_code == 0 and "1 web" in done.output


@pytest.mark.wire
@pytest.mark.checks("FA-8")
async def test_failure(project: Project) -> None:
    """Exit code 1 with the host, the step, the command and what it printed."""
    config = write_settings(project, migrate="echo no such table: user; exit 4")
    await called("bootstrap", "-c", config)
    await project.release("1.0")
    done = await called("deploy", "-c", config)
    assert done.exit_code == 1
    assert "web0: migrate: no such table: user (exit code 4)" in done.output
    assert "$ " in done.output and "host.pyz exec" in done.output
    done = await called("deploy", "-c", config, "--json")
    told = json.loads(done.output)
    assert done.exit_code == 1 and told["succeeded"] is False
    (failure,) = told["failures"]
    assert (failure["host"], failure["step"]) == ("web0", "migrate")
    assert failure["output"] == "no such table: user"
    assert SECRET not in done.output
    project.hosts[0].refuse = True
    done = await called("status", "-c", config)
    assert done.exit_code == 1 and "refuses the key" in " ".join(done.output.split())


@pytest.mark.checks("FA-2", "FA-8")
async def test_dry_run(projects: Projects) -> None:
    """Each command is printed, in order, without a secret; nobody is asked, nothing is done."""
    async with projects(2) as project:
        config = write_settings(project, migrate="alembic upgrade head")
        archive = await project.release("1.0")
        done = await called("deploy", "-c", config, "--dry-run", "--json")
        plan = json.loads(done.output)
        first = [line for line in plan if line["host"] == "web0"]
        assert list(dict.fromkeys(line["step"] for line in first)) == PLANNED
        # The migration is for one host.
        assert [line["host"] for line in plan if line["step"] == "migrate"] == ["web0"]
        commands = "\n".join(line["command"] for line in first)
        assert f"sftp put {archive.path} " in commands
        assert "--no-index --require-hashes" in commands
        assert f"sftp put {project.root / 'production.env'} " in commands and SECRET not in commands
        text = (await called("deploy", "web1", "-c", config, "--dry-run")).output
        assert text.startswith("# web1\nspace ") and "host.pyz switch" in text
        for name in ("bootstrap", "rollback"):
            assert "host.pyz" in (await called(name, "-c", config, "--dry-run")).output
        assert [host.commands for host in project.hosts.all] == [[], []]


@pytest.mark.checks("FA-11")
def test_wrong_calls(tmp_path: Path) -> None:
    """Exit code 2 where whoever calls can put it right."""
    done = call("status", "-c", tmp_path)
    assert done.exit_code == 2 and "write a deploy.toml" in done.output
    (tmp_path / "deploy.toml").write_text('name = "demo"\nkep = 3\n')
    done = call("status", "-c", tmp_path)
    assert done.exit_code == 2 and "do you mean keep?" in done.output
    (tmp_path / "deploy.toml").write_text('name = "demo"\n[hosts]\na = "b"\n')
    done = call("deploy", "nobody", "-c", tmp_path)
    assert done.exit_code == 2 and "no host or group 'nobody'; there is a" in done.output
    done = call("deploy", "a", "-c", tmp_path, "--dry-run")
    assert done.exit_code == 2 and "deploy pack makes one" in done.output
    done = call("deploy", "--batch", "0", "-c", tmp_path)
    assert done.exit_code == 2


def test_help() -> None:
    text = call("--help").output
    for name in ("pack", "bootstrap", "deploy", "rollback", "status", "logs"):
        assert f"\n  {name} " in text
