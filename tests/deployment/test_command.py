"""The command ``quartpatterns deploy``."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from quartpatterns.cli import main
from quartpatterns.deployment import Status
from quartpatterns.deployment.report import status_table
from tests.deployment.conftest import Projects
from tests.deployment.project import SECRET, Project, answer

PLANNED_STEPS = ["space", "program", "environment", "upload", "unpack", "venv", "install", "load"]
PLANNED_STEPS += ["migrate", "trial", "switch", "verify", "prune"]


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["deploy", *map(str, arguments)])


async def run(*arguments: str | Path) -> Result:
    """Run the command in a thread, because it has its own event loop."""
    return await asyncio.to_thread(invoke, *arguments)


def write_settings(project: Project, **changes: Any) -> Path:
    """Write a deploy.toml for the hosts of *project*."""
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


@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.timeout(600)
@pytest.mark.checks("FA-2", "FA-8")
async def test_commands(projects: Projects) -> None:
    """The commands bootstrap, deploy, status, logs and rollback."""
    async with projects(2) as project:
        config = write_settings(project)
        result = await run("bootstrap", "-c", config)
        assert result.exit_code == 0, result.output
        assert "✓" in result.output and "web1" in result.output
        for version in ("1.0", "1.1"):
            await project.release(version)
            result = await run("deploy", "-c", config, "--batch", "1")
            assert result.exit_code == 0, result.output
            assert f"{version}-" in result.output and "on 2 hosts" in result.output
        assert await answer(project.hosts[1]) == "1.1"
        result = await run("status", "-c", config, "--json")
        assert [one["current"][:3] for one in json.loads(result.output)] == ["1.1", "1.1"]
        result = await run("logs", "web1", "-c", config, "-n", "3")
        assert result.output.startswith("web1: ") and "web0" not in result.output
        result = await run("rollback", "web0", "-c", config, "--json")
        data = json.loads(result.output)
        assert data["succeeded"] and data["release"].startswith("1.0-")
        assert [await answer(host) for host in project.hosts.all] == ["1.0", "1.1"]
        result = await run("status", "-c", config)
        assert result.exit_code == 0 and "1 web" in result.output


@pytest.mark.wire
@pytest.mark.timeout(600)
@pytest.mark.checks("FA-8")
async def test_failure(project: Project) -> None:
    """A failure has exit code 1, and shows host, step, command and output."""
    config = write_settings(project, migrate="echo no such table: user; exit 4")
    await run("bootstrap", "-c", config)
    await project.release("1.0")
    result = await run("deploy", "-c", config)
    assert result.exit_code == 1
    assert "web0: migrate: no such table: user (exit code 4)" in result.output
    assert "$ " in result.output and "host.pyz exec" in result.output
    result = await run("deploy", "-c", config, "--json")
    data = json.loads(result.output)
    assert result.exit_code == 1 and data["succeeded"] is False
    (failure,) = data["failures"]
    assert (failure["host"], failure["step"]) == ("web0", "migrate")
    assert failure["output"] == "no such table: user"
    assert SECRET not in result.output
    project.hosts[0].refuse = True
    result = await run("status", "-c", config)
    assert result.exit_code == 1 and "refuses the key" in " ".join(result.output.split())


@pytest.mark.checks("FA-2", "FA-8")
async def test_dry_run(projects: Projects) -> None:
    """A dry run prints the commands in order, without secrets, and runs none."""
    async with projects(2) as project:
        config = write_settings(project, migrate="alembic upgrade head")
        archive = await project.release("1.0")
        result = await run("deploy", "-c", config, "--dry-run", "--json")
        plan = json.loads(result.output)
        first = [line for line in plan if line["host"] == "web0"]
        assert list(dict.fromkeys(line["step"] for line in first)) == PLANNED_STEPS
        # Without a connection it is not known whether the hosts share a database.
        assert [line["host"] for line in plan if line["step"] == "migrate"] == ["web0", "web1"]
        commands = "\n".join(line["command"] for line in first)
        assert f"sftp put {archive.path} " in commands
        assert "--no-index --require-hashes" in commands
        assert f"sftp put {project.root / 'production.env'} " in commands and SECRET not in commands
        text = (await run("deploy", "web1", "-c", config, "--dry-run")).output
        assert text.startswith("# web1\nspace ") and "host.pyz switch" in text
        for name in ("bootstrap", "rollback"):
            assert "host.pyz" in (await run(name, "-c", config, "--dry-run")).output
        assert [host.commands for host in project.hosts.all] == [[], []]


@pytest.mark.checks("FA-11")
def test_invalid_calls(tmp_path: Path) -> None:
    """Invalid arguments and settings have exit code 2."""
    result = invoke("status", "-c", tmp_path)
    assert result.exit_code == 2 and "Write a deploy.toml" in result.output
    (tmp_path / "deploy.toml").write_text('name = "demo"\nkep = 3\n')
    result = invoke("status", "-c", tmp_path)
    assert result.exit_code == 2 and "Did you mean keep?" in result.output
    (tmp_path / "deploy.toml").write_text('name = "demo"\n[hosts]\na = "b"\n')
    result = invoke("deploy", "nobody", "-c", tmp_path)
    assert result.exit_code == 2 and "'nobody' is unknown. The settings have a" in result.output
    result = invoke("deploy", "a", "-c", tmp_path, "--dry-run")
    assert result.exit_code == 2 and "Run quartpatterns deploy pack" in result.output
    result = invoke("deploy", "--batch", "0", "-c", tmp_path)
    assert result.exit_code == 2


def test_status_in_80_columns() -> None:
    """The table contains all of the names of two releases that differ at their ends."""
    running: Any = {"since": "2026-11-30 09:00:00 UTC", "processes": {"web": 2, "jobs": 1}}
    running |= {"changed": False, "stopping": 0}
    names = [f"2026.11.30.dev20261130-{number}c0ffee" for number in range(2)]
    statuses = [
        Status("web1.eu-central.example.org", name, running=cast(Any, {**running, "release": name}))
        for name in names
    ]
    console = Console(width=80, record=True)
    console.print(status_table(statuses))
    text = console.export_text()
    assert "…" not in text
    assert all(name in text for name in names)


def test_help() -> None:
    text = invoke("--help").output
    for name in ("pack", "bootstrap", "deploy", "rollback", "status", "logs"):
        assert f"\n  {name} " in text
