"""Releases come and go on real hosts, and nobody is left unserved."""

from __future__ import annotations

import asyncio
import json
import re
import stat
from typing import Any

import pytest

from quartpatterns.deployment import DeploymentError, FailedError, LockedError
from tests.deployment.conftest import Projects
from tests.deployment.hosts import Host
from tests.deployment.project import SECRET, Project, answer
from tests.serving import eventually

pytestmark = pytest.mark.wire


async def load(host: Host, end: asyncio.Event, *, keep: bool) -> tuple[int, list[str]]:
    """Ask *host* until the end: how often, and what went wrong."""
    asked, wrong = 0, []
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None
    while not end.is_set():
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", host.web)
            assert reader
            connection = "keep-alive" if keep else "close"
            writer.write(f"GET / HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            match = re.search(r"content-length: (\d+)", head)
            await reader.readexactly(int(match[1]) if match else 0)
            if " 200 " not in head:
                wrong.append(head)
            if "connection: close" in head or not keep:
                writer.close()
                await writer.wait_closed()
                writer = None
        except (OSError, asyncio.IncompleteReadError) as error:
            wrong.append(repr(error))
            if writer:
                writer.close()
            writer = None
        asked += 1
        await asyncio.sleep(0.02)
    if writer:
        writer.close()
        await writer.wait_closed()
    return asked, wrong


@pytest.mark.checks("FA-6", "FA-8", "FA-9")
async def test_no_request_fails(projects: Projects) -> None:
    """Under constant load a deployment, a rolling one and a rollback fail no request."""
    async with projects(2) as project:
        deployment = project.deployment(keep=2)
        await deployment.bootstrap()
        first = await deployment.deploy(await project.release("1.0"))
        end = asyncio.Event()
        clients = [
            asyncio.create_task(load(host, end, keep=keep))
            for host in project.hosts.all
            for keep in (True, True, False)
        ]
        second = await deployment.deploy(await project.release("1.1"), batch=1)
        assert [await answer(host) for host in project.hosts.all] == ["1.1", "1.1"]
        back = await deployment.rollback()
        assert [await answer(host) for host in project.hosts.all] == ["1.0", "1.0"]
        assert (back.release, second.release[:3]) == (first.release, "1.1")
        # What is to be served is not well where clients ask for it: it goes back by itself.
        unwell = await project.release("1.2", health="503 if public else 200")
        with pytest.raises(FailedError, match="web0 serves 1.0.* again; web1 serves 1.0.* again"):
            await project.deployment(health={"timeout": 5}).deploy(unwell)
        end.set()
        for asked, wrong in await asyncio.gather(*clients):
            assert asked > 100
            assert wrong == []
        assert [await answer(host) for host in project.hosts.all] == ["1.0", "1.0"]


@pytest.mark.checks("FA-5", "FA-6")
async def test_again(project: Project) -> None:
    """What is done is not done again; what has changed is."""
    deployment = project.deployment()
    await deployment.bootstrap()
    archive = await project.release("1.0")
    await deployment.deploy(archive)
    (before,) = await deployment.status()
    project.events.clear()
    await deployment.deploy(archive)
    (after,) = await deployment.status()
    was_done = {one.step for one in project.events if one.state == "was done"}
    assert was_done >= {"space", "program", "upload", "unpack", "venv", "install", "trial"}
    assert before.running and after.running
    assert after.running["since"] == before.running["since"]
    # Another environment is another generation of processes.
    assert await answer(project.hosts[0], "/secret") == "True"
    (project.root / "production.env").write_text("SECRET_KEY=another\n")
    await deployment.deploy(archive)
    assert await answer(project.hosts[0], "/secret") == "False"


@pytest.mark.checks("FA-5")
async def test_kept(project: Project) -> None:
    """The last releases are kept, and a rollback goes back through them."""
    deployment = project.deployment(keep=2)
    await deployment.bootstrap()
    made = []
    for version in ("1.0", "1.1", "1.2"):
        made.append((await deployment.deploy(await project.release(version))).release)
    folder = project.hosts[0].app / "releases"
    assert sorted(path.name for path in folder.iterdir()) == sorted(made[1:])
    assert (project.hosts[0].app / "current").resolve().name == made[2]
    for _ in range(2):  # the second time there is nothing left to do
        await deployment.rollback()
        assert await answer(project.hosts[0]) == "1.1"
    with pytest.raises(FailedError, match="there is no release 9.9; there is 1.1-.*, 1.2-"):
        await deployment.rollback(to="9.9")
    await deployment.rollback(to=made[2])
    assert await answer(project.hosts[0]) == "1.2"
    # What was withdrawn is no release to go back to, and is the first that goes.
    await deployment.rollback(to=made[1])
    await deployment.deploy(await project.release("1.3"))
    await deployment.rollback()
    assert await answer(project.hosts[0]) == "1.1"


@pytest.mark.checks("FA-7")
async def test_locked(project: Project) -> None:
    """Two deployments never meet on a host; the second is told who the first is."""
    deployment = project.deployment(migrate="sleep 60")
    await deployment.bootstrap()
    archive = await project.release("1.0")
    first = asyncio.create_task(deployment.deploy(archive))
    await eventually(lambda: "load" in project.steps())
    (status,) = await deployment.status()
    assert status.locked and f"deploying {archive.release}" in status.locked
    with pytest.raises(FailedError, match=r"locked by .*@.*deploying.* since .*: wait") as caught:
        await project.deployment().deploy(archive)
    assert isinstance(caught.value.failures[0], LockedError)
    # Whoever gives up leaves no lock behind, nor a command that runs.
    first.cancel()
    await asyncio.wait({first})
    (status,) = await deployment.status()
    assert status.locked is None
    await project.deployment().deploy(archive)
    assert await answer(project.hosts[0]) == "1.0"


@pytest.mark.checks("FA-8")
async def test_services(project: Project) -> None:
    """The migration runs once, on one host; workers run beside, with the environment."""
    code = "import os, time; print(len(os.environ['SECRET_KEY'])); time.sleep(99)"
    deployment = project.deployment(
        migrate="echo migrated >> ../../../migrations",
        workers={"mail": f'python -c "{code}"'},
        processes=2,
    )
    await deployment.bootstrap()
    archive = await project.release("1.0")
    await deployment.deploy(archive)
    await deployment.deploy(archive)
    assert (project.hosts[0].app / "migrations").read_text() == "migrated\n"
    (status,) = await deployment.status()
    assert status.running
    assert status.running["processes"] == {"web": 2, "mail": 1}
    mail = project.hosts[0].app / "log" / "mail.log"
    await eventually(lambda: mail.stat().st_size > 0)
    lines = [line async for line in deployment.logs(service="mail")]
    assert [line.text for line in lines] == [str(len(SECRET))]
    with pytest.raises(DeploymentError, match="no service 'post'; there is web, supervisor, mail"):
        _ = [line async for line in deployment.logs(service="post")]


@pytest.mark.checks("FA-10")
async def test_secrets(project: Project) -> None:
    """A secret is in one file that only its user may read, and in nothing that is shown."""
    host = project.hosts[0]
    deployment = project.deployment(
        migrate="sh -c 'echo $SECRET_KEY; exit 3'",
        files={"application.cfg": "{host}.cfg"},
    )
    (project.root / "web0.cfg").write_text(f"KEY = '{SECRET}'\n")
    await deployment.bootstrap()
    with pytest.raises(FailedError) as caught:
        await deployment.deploy(await project.release("1.0"))
    (failure,) = caught.value.failures
    assert (failure.step, failure.output) == ("migrate", "***")
    await project.deployment().deploy(await project.release("1.1"))
    assert await answer(host, "/secret") == "True"
    await answer(host, "/log")
    async with asyncio.timeout(10):
        lines: list[str] = []
        while not any("the key is" in line for line in lines):
            lines = [line.text async for line in deployment.logs()]
    assert "the key is ***" in lines
    with_it = [
        file.relative_to(host.app).as_posix()
        for file in host.app.rglob("*")
        if file.is_file()
        and SECRET.encode() in file.read_bytes()
        # The application of this test compares with it, and has printed it.
        and file.name not in {"asgi.py", "asgi.cpython-311.pyc", "web.log"}
        and ".whl" not in file.name
        and "asgi.cpython" not in file.name
    ]
    assert sorted(with_it) == ["shared/application.cfg", "shared/env"]
    for name in with_it:
        assert stat.S_IMODE((host.app / name).stat().st_mode) == 0o600
    said = repr([host.commands, project.events, str(caught.value), failure.command])
    assert SECRET not in said


@pytest.mark.checks("FA-9")
async def test_killed_server(project: Project) -> None:
    """A server that dies is started again, and so is all after the supervisor died."""
    deployment = project.deployment()
    await deployment.bootstrap()
    archive = await project.release("1.0", top="import os; PID = os.getpid()")
    await deployment.deploy(archive)
    (status,) = await deployment.status()
    assert status.running
    await run(f"pkill -KILL -P {status.running['pid']}")
    await until(project.hosts[0], "1.0")
    await run(f"kill -KILL {status.running['pid']}")
    await until(project.hosts[0], None)
    await deployment.bootstrap()
    assert await answer(project.hosts[0]) == "1.0"


@pytest.mark.checks("FA-9")
async def test_new_supervisor(project: Project) -> None:
    """A supervisor of another version takes the sockets over, and no request fails."""
    host = project.hosts[0]
    deployment = project.deployment()
    await deployment.bootstrap()
    archive = await project.release("1.0")
    await deployment.deploy(archive)
    (before,) = await deployment.status()
    end = asyncio.Event()
    clients = [asyncio.create_task(load(host, end, keep=keep)) for keep in (True, False)]
    program = host.app / "bin" / "host.pyz"
    # Still a program, with another hash: a zip file may have something before it.
    program.write_bytes(b"# another version\n" + program.read_bytes())
    await run(f"python3 {program} start {host.app}")
    status: dict[str, Any] = json.loads(await run(f"python3 {program} status {host.app}"))
    end.set()
    results = await asyncio.gather(*clients)
    assert before.running
    assert status["running"]["pid"] != before.running["pid"]
    assert [wrong for _, wrong in results] == [[], []]
    assert await answer(host) == "1.0"


async def until(host: Host, answered: str | None) -> None:
    """Wait until *host* answers so."""
    async with asyncio.timeout(15):
        while await answer(host) != answered:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)


async def run(command: str) -> str:
    process = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return output.decode()
