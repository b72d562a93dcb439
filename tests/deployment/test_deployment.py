"""Deployments, rollbacks and supervisors on real hosts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import stat
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from quartpatterns.deployment import DeploymentError, FailedError, LockedError
from tests.deployment.conftest import Projects
from tests.deployment.hosts import Host, run_hosts
from tests.deployment.project import SECRET, Project, answer, wait_until

pytestmark = [pytest.mark.wire, pytest.mark.timeout(600)]


@dataclass
class Load:
    """What a client has sent, and which requests failed."""

    requests: int = 0
    failures: list[str] = field(default_factory=list)


async def generate_load(host: Host, load: Load, *, keep_alive: bool) -> None:
    """Send requests to *host* until the task is cancelled."""
    connection = "keep-alive" if keep_alive else "close"
    request = f"GET / HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\n\r\n".encode()
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", host.web)
            with contextlib.closing(writer):
                head = ""
                while keep_alive and "connection: close" not in head or not head:
                    writer.write(request)
                    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                    match = re.search(r"content-length: (\d+)", head)
                    await reader.readexactly(int(match[1]) if match else 0)
                    if " 200 " not in head:
                        load.failures.append(head)
                    load.requests += 1
                    await asyncio.sleep(0.02)
        except (OSError, asyncio.IncompleteReadError) as error:
            load.failures.append(repr(error))


@contextlib.asynccontextmanager
async def clients(*hosts: Host) -> AsyncIterator[list[Load]]:
    """Run a client with keep-alive and one without on each host. No request may fail."""
    loads: list[Load] = []
    tasks: list[asyncio.Task[None]] = []
    for host in hosts:
        for keep_alive in (True, False):
            loads.append(Load())
            coroutine = generate_load(host, loads[-1], keep_alive=keep_alive)
            tasks.append(asyncio.create_task(coroutine))
    yield loads
    # Each client still has responses from the servers that run now.
    before = [load.requests for load in loads]
    await wait_until(
        lambda: all(load.requests > count + 2 for load, count in zip(loads, before, strict=True))
    )
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await asyncio.sleep(0)  # the transports close in the next iteration of the loop
    assert [load.failures for load in loads] == [[]] * len(loads)


@pytest.mark.slow
@pytest.mark.checks("FA-6", "FA-8", "FA-9")
async def test_no_request_fails(projects: Projects, hypercorn_wheels: Path) -> None:
    """Under load, a deployment with all its wheels, a rollback and a failure lose no request."""
    async with projects(2) as project:
        deployment = project.deployment(keep=2, graceful=10)
        await deployment.bootstrap()
        release = partial(project.release, wheels=hypercorn_wheels, requires="hypercorn")
        first = await deployment.deploy(await release("1.0"))
        async with clients(*project.hosts.all):
            second = await deployment.deploy(await release("1.1"), batch=1)
            assert [await answer(host) for host in project.hosts.all] == ["1.1", "1.1"]
            back = await deployment.rollback()
            assert [await answer(host) for host in project.hosts.all] == ["1.0", "1.0"]
            assert (back.release, second.release[:3]) == (first.release, "1.1")
            await fail_at_public_address(project)


@pytest.mark.slow
@pytest.mark.checks("FA-6", "FA-8")
async def test_switched_back(project: Project) -> None:
    """A release that is only unhealthy at its public address is replaced by the old one."""
    deployment = project.deployment()
    await deployment.bootstrap()
    await deployment.deploy(await project.release("1.0"))
    async with clients(project.hosts[0]):
        await fail_at_public_address(project)


async def fail_at_public_address(project: Project) -> None:
    """Deploy a release that is healthy on its private socket, but not at its public address."""
    archive = await project.release("1.2", health="503 if public else 200")
    # The server must start within the timeout, which takes long if the machine is slow.
    for timeout in (2, 10, 50):
        with pytest.raises(FailedError) as caught:
            await project.deployment(health={"timeout": timeout}, graceful=10).deploy(archive)
        steps = {failure.step for failure in caught.value.failures}
        if steps == {"verify"}:
            break
        assert steps == {"trial"}
    else:
        pytest.fail("the release did not start")
    for host in project.hosts.all:
        assert re.search(f"{host.name} serves 1.0-\\w+ again", caught.value.note)
        assert await answer(host) == "1.0"
    for status in await project.deployment().status():
        assert status.current and status.current.startswith("1.0-")


@pytest.mark.slow
@pytest.mark.checks("FA-5", "FA-6")
async def test_deploy_twice(project: Project) -> None:
    """A second deployment skips the steps that are done, and applies a changed environment."""
    deployment = project.deployment()
    await deployment.bootstrap()
    archive = await project.release("1.0")
    await deployment.deploy(archive)
    (before,) = await deployment.status()
    project.events.clear()
    await deployment.deploy(archive)
    (after,) = await deployment.status()
    skipped = {event.step for event in project.events if event.state == "skipped"}
    assert skipped >= {"space", "program", "upload", "unpack", "venv", "install", "trial"}
    assert before.running and after.running
    assert after.running["since"] == before.running["since"]
    # The processes read the environment when they start, so they are replaced.
    assert await answer(project.hosts[0], "/secret") == "True"
    (project.root / "production.env").write_text("SECRET_KEY=another\n")
    await deployment.deploy(archive)
    assert await answer(project.hosts[0], "/secret") == "False"


@pytest.mark.slow
@pytest.mark.checks("FA-5")
async def test_rollback(project: Project) -> None:
    """The last releases are kept, and a rollback serves one of them."""
    deployment = project.deployment(keep=2)
    await deployment.bootstrap()
    releases: list[str] = []
    for version in ("1.0", "1.1", "1.2"):
        releases.append((await deployment.deploy(await project.release(version))).release)
    folder = project.hosts[0].app / "releases"
    assert sorted(path.name for path in folder.iterdir()) == sorted(releases[1:])
    assert (project.hosts[0].app / "current").resolve().name == releases[2]
    for _ in range(2):  # the second time, nothing is left to do
        await deployment.rollback()
        assert await answer(project.hosts[0]) == "1.1"
    with pytest.raises(
        FailedError, match="the release 9.9 does not exist. The releases are 1.1-.*, 1.2-"
    ):
        await deployment.rollback(to="9.9")
    await deployment.rollback(to=releases[2])
    assert await answer(project.hosts[0]) == "1.2"
    # A release that was rolled back is never a target again, and is removed first.
    await deployment.rollback(to=releases[1])
    await deployment.deploy(await project.release("1.3"))
    await deployment.rollback()
    assert await answer(project.hosts[0]) == "1.1"


@pytest.mark.slow
@pytest.mark.checks("FA-7")
async def test_locked(project: Project) -> None:
    """Only one deployment runs on a host. The error of a second one names the first."""
    deployment = project.deployment(migrate="sleep 60")
    await deployment.bootstrap()
    archive = await project.release("1.0")
    first = asyncio.create_task(deployment.deploy(archive))
    await wait_until(lambda: "load" in project.steps(), first)
    (status,) = await deployment.status()
    assert status.locked and f"deploying {archive.release}" in status.locked
    with pytest.raises(FailedError, match=r"locked by .*@.*deploying.* since .*. Wait") as caught:
        await project.deployment().deploy(archive)
    assert isinstance(caught.value.failures[0], LockedError)
    # A deployment that is cancelled unlocks the host.
    first.cancel()
    await asyncio.wait({first})
    (status,) = await deployment.status()
    assert status.locked is None
    await project.deployment().deploy(archive)
    assert await answer(project.hosts[0]) == "1.0"


@pytest.mark.checks("FA-8")
async def test_services(project: Project) -> None:
    """The migration runs once. Workers run beside the servers, with the environment."""
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
    await wait_until(lambda: mail.stat().st_size > 0)
    lines = [line async for line in deployment.logs(service="mail")]
    assert [line.text for line in lines] == [str(len(SECRET))]
    with pytest.raises(
        DeploymentError, match="'post' is unknown. The services are web, supervisor, mail"
    ):
        _ = [line async for line in deployment.logs(service="post")]


PROXIED = """
from quart import Quart, request
from quartpatterns.appfactories import configure
from quartpatterns.subclassing import ProxyFix

app = Quart(__name__)
configure(app, {"PROXIES": 0, "PREFIX": "", "SECURE_COOKIES": False})
config = app.config
app.asgi_app = ProxyFix(
    app.asgi_app, config["PROXIES"], config["PROXIES"],
    prefix=config["PREFIX"], secure_cookies=config["SECURE_COOKIES"],
)


@app.get("/health")
async def health():
    return "healthy"


@app.get("/")
async def index():
    return f"{request.remote_addr} {request.url}", {"Set-Cookie": "a=b"}
"""


@pytest.mark.slow
@pytest.mark.checks("FA-4")
async def test_proxy_settings(project: Project) -> None:
    """The application gets the settings for proxies; the environment file takes precedence."""
    url = f"http://127.0.0.1:{project.hosts[0].web}"
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "Host": "shop"}
    settings: dict[str, Any] = {"proxies": 1, "prefix": "/shop", "secure-cookies": True}
    deployment = project.deployment(**settings)
    await deployment.bootstrap()
    files = {"demo/__init__.py": "", "demo/asgi.py": PROXIED}
    archive = await project.release("1.0", files=files)
    await deployment.deploy(archive)
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
        response = await client.get("/shop/")
        assert response.text == "203.0.113.9 https://shop/shop/"
        assert response.headers["set-cookie"] == "a=b; Secure"
        assert (await client.get("/")).status_code == 404
    # The same release with other settings.
    deployment = project.deployment(**settings | {"prefix": "/other", "secure-cookies": False})
    (project.root / "production.env").write_text(f"SECRET_KEY={SECRET}\nQUART_PROXIES=0\n")
    await deployment.deploy(archive)
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
        response = await client.get("/other/")
        assert response.text == "127.0.0.1 http://shop/other/"
        assert response.headers["set-cookie"] == "a=b"


@pytest.mark.slow
@pytest.mark.checks("FA-10")
async def test_secrets(project: Project) -> None:
    """A secret is only in files that only its user may read, and in no output."""
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
    log = host.app / "log" / "web.log"
    await wait_until(lambda: "the key is" in log.read_text())
    assert "the key is ***" in [line.text async for line in deployment.logs()]
    files_with_secret = [
        file.relative_to(host.app).as_posix()
        for file in host.app.rglob("*")
        if file.is_file()
        and SECRET.encode() in file.read_bytes()
        # The source of the application contains the secret, and the log is written by it.
        and not file.name.startswith(("asgi.", "web.log"))
        and ".whl" not in file.name
    ]
    assert sorted(files_with_secret) == ["shared/application.cfg", "shared/env"]
    for name in files_with_secret:
        assert stat.S_IMODE((host.app / name).stat().st_mode) == 0o600
    shown = repr([host.commands, project.events, str(caught.value), failure.command])
    assert SECRET not in shown


@pytest.mark.slow
@pytest.mark.checks("FA-9")
async def test_killed_processes(project: Project) -> None:
    """A server that was killed is started again. A supervisor is, by the next bootstrap."""
    deployment = project.deployment()
    await deployment.bootstrap()
    archive = await project.release("1.0")
    await deployment.deploy(archive)
    (status,) = await deployment.status()
    assert status.running
    supervisor = psutil.Process(status.running["pid"])
    # The process that tried the release may still be stopping.
    await wait_until(lambda: len(supervisor.children()) == 1)
    [server] = supervisor.children()
    server.kill()
    await wait_for_answer(project.hosts[0], "1.0")
    supervisor.kill()
    await wait_for_answer(project.hosts[0], None)
    await deployment.bootstrap()
    assert await answer(project.hosts[0]) == "1.0"


@pytest.mark.slow
@pytest.mark.checks("FA-9")
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
async def test_one_of_two_killed(project: Project, sign: signal.Signals) -> None:
    """If one of two servers ends, the other one serves, and the first is started again."""
    deployment = project.deployment(processes=2)
    await deployment.bootstrap()
    await deployment.deploy(await project.release("1.0"))
    (status,) = await deployment.status()
    assert status.running
    supervisor = psutil.Process(status.running["pid"])
    await wait_until(lambda: len(supervisor.children()) == 2)
    before = {child.pid for child in supervisor.children()}
    supervisor.children()[0].send_signal(sign)
    await wait_until(lambda: not before <= {child.pid for child in supervisor.children()})
    assert await answer(project.hosts[0]) == "1.0"
    await wait_until(lambda: len({child.pid for child in supervisor.children()} - before) == 1)
    (status,) = await deployment.status()
    assert status.running and status.running["processes"] == {"web": 2}
    assert await answer(project.hosts[0]) == "1.0"


@pytest.mark.slow
@pytest.mark.checks("FA-9")
async def test_new_supervisor(project: Project) -> None:
    """A supervisor of another version takes over the sockets, and no request fails."""
    host = project.hosts[0]
    deployment = project.deployment(graceful=10)
    await deployment.bootstrap()
    await deployment.deploy(await project.release("1.0"))
    (before,) = await deployment.status()
    program = host.app / "bin" / "host.pyz"
    # This changes the hash but not the program, because a zip file may start with other data.
    program.write_bytes(b"# another version\n" + program.read_bytes())
    async with clients(host):
        await run(sys.executable, program, "start", host.app)
        output = await run(sys.executable, program, "status", host.app)
    status: dict[str, Any] = json.loads(output)
    assert before.running
    assert status["running"]["pid"] != before.running["pid"]
    assert await answer(host) == "1.0"


async def wait_for_answer(host: Host, expected: str | None) -> None:
    """Wait until the application on *host* returns *expected*."""
    while await answer(host) != expected:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.05)


async def run(*command: str | Path) -> str:
    """Run a command, and return its output."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return output.decode()


@pytest.mark.checks("FA-1")
async def test_special_characters(tmp_path: Path, pip_wheel: Path) -> None:
    """A folder can have a name with spaces, a quote and a percent sign."""
    (tmp_path / "demo").mkdir()
    with tempfile.TemporaryDirectory(prefix="h '%h ") as folder:
        async with run_hosts(Path(folder), 1) as hosts:
            project = Project(tmp_path / "demo", pip_wheel, hosts)
            deployment = project.deployment(migrate="test -d ../venv")
            await deployment.bootstrap()
            await deployment.deploy(await project.release("1.0"))
            assert await answer(hosts[0]) == "1.0"
            (status,) = await deployment.status()
            assert status.running and status.running["processes"] == {"web": 1}
