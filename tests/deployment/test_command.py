"""The command ``quartpatterns deploy``."""

from __future__ import annotations

import asyncio
import io
import json
import re
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from quartpatterns.cli import main
from quartpatterns.deployment import Event, Status
from quartpatterns.deployment.report import Report, print_statuses
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
    config = write_settings(project, migrate="python -c 'raise OSError(1, \"no column x\")'")
    data = json.loads((await run("deploy", "-c", config, "--json")).output)
    assert "web0: migrate: PermissionError: [Errno 1] no column x (exit code 1)" in data["error"]
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


def status_text(width: int, *, terminal: bool = True) -> str:
    """Return what ``status`` prints for two hosts that are up, and one that is not."""
    running: Any = {"since": "2026-11-30 09:00:00 UTC", "processes": {"web": 2, "jobs": 1}}
    running |= {"changed": False, "stopping": 0}
    statuses = [
        Status(f"web{number}", name, running=cast(Any, {**running, "release": name}))
        for number, name in enumerate(NAMES)
    ]
    statuses.append(Status("web2", problem="connect: " + " ".join(["is not reachable"] * 9)))
    file = io.StringIO()
    print_statuses(statuses, Console(width=width, file=file, force_terminal=terminal))
    return file.getvalue()


NAMES = [f"11.30.dev20261130-{number}c0ffee" for number in range(2)]


@pytest.mark.parametrize("width", [200, 80, 60, 40])
def test_status_on_a_terminal(width: int) -> None:
    """No width cuts off a name. A remark is one line, which the terminal wraps."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", status_text(width))
    assert "…" not in text
    *lines, remark = text.splitlines()
    assert remark == "web2: connect: " + " ".join(["is not reachable"] * 9)
    assert all(len(line) <= width for line in lines)
    if width == 200:
        assert lines[1].split()[:2] == ["web0", NAMES[0]]
    else:
        assert lines[:3] == [
            "web0",
            f"  serves     {NAMES[0]}",
            "  since      2026-11-30 09:00:00 UTC",
        ]


@pytest.mark.wire
async def test_output_in_a_pipe(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The width of a terminal has no influence on a pipe, and the summary has its own line."""
    monkeypatch.setenv("COLUMNS", "20")
    config = write_settings(project)
    result = await run("bootstrap", "-c", config)
    lines = result.output.splitlines()
    assert lines[-1].startswith("1 hosts, ")
    assert lines[-2].split()[0] == "start"
    lines = (await run("status", "-c", config)).output.splitlines()
    assert lines[0].split() == ["host", "serves", "since", "processes", "releases"]
    assert lines[1].split() == ["web0", "nothing", "0"]


@pytest.mark.parametrize("width", [200, 60])
def test_table_of_many_hosts(width: int) -> None:
    """If the columns of all hosts are too wide for the terminal, there is a row for each host."""
    hosts = [f"web{number}" for number in range(10)]
    report = Report(hosts, "deploy demo")
    for host in hosts:
        report(Event(host, "install", "done", 1.5))
        report(Event(host, "load", "running"))
    file = io.StringIO()
    console = Console(width=width, file=file)
    console.print(report.table(console))
    _, head, first, *others = file.getvalue().splitlines()
    if width == 200:
        assert head.split() == ["step", *hosts]
        assert first.split() == ["install", *["✓", "1.5", "s"] * 10]
    else:
        assert head.split() == ["host", "step"]
        assert first.split() == ["web0", "load", "…"] and len(others) == 9


def test_help() -> None:
    text = invoke("--help").output
    for name in ("pack", "bootstrap", "deploy", "rollback", "status", "logs"):
        assert f"\n  {name} " in text
