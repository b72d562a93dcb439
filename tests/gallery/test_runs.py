"""Comparisons and measurements that are started in the gallery: real processes, a real Valkey."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from quart import Quart

from quartpatterns.gallery import originals, run_process, runs
from quartpatterns.gallery.pages import pages
from quartpatterns.gallery.results import Kind, Run, add_run, change_state, db, now
from quartpatterns.gallery.run_output import Progress
from quartpatterns.gallery.settings import GallerySettings, read_environment
from quartpatterns.gallery.worker import create_app as create_worker
from quartpatterns.sqlalchemy.migrations import upgrade
from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.tasks import run_worker
from tests.serving import TIMEOUT, served

LOCAL: Any = {"client": ("127.0.0.1", 50000)}
PATTERNS = ("flashing", "favicon", "packages", "streaming", "caching", "tasks", "wtforms", "ajax")

# A command that waits for a file, with a child that outlives it unless both are ended.
COMMAND = """
import os, pathlib, subprocess, sys, time

folder, name = pathlib.Path({folder!r}), sys.argv[-1]
pathlib.Path(os.environ["TMPDIR"], "left").touch()
child = subprocess.Popen(["sleep", "1000"])
with (folder / "log").open("a") as log:
    print("start", name, os.getpid(), child.pid, os.getcwd(), file=log, flush=True)
    print(f"{{name}}: 1 of 2 cases", file=sys.stderr, flush=True)
    while not (folder / "go").exists():
        time.sleep(0.01)
    time.sleep(0.05)
    child.kill()
    print("end", name, file=log, flush=True)
print((folder / "output").read_text())
sys.exit(int((folder / "code").read_text()))
"""
PASSED = {
    "comparisons": {
        "any": {
            "cases": 2,
            "extra": 0,
            "passed": 2,
            "declared": 1,
            "results": [
                {"case": "one", "passed": True, "findings": []},
                {"case": "two", "passed": True, "findings": [{"state": "declared"}]},
            ],
        }
    },
    "not_run": {},
}
FINDING = {"state": "undeclared", "aspect": "body", "original": "<b>old</b>", "port": None}
FAILED = {
    "comparisons": {
        "any": PASSED["comparisons"]["any"]
        | {"passed": 1, "results": [{"case": "one", "passed": False, "findings": [FINDING]}]}
    },
    "not_run": {},
}


@dataclass
class Command:
    """A stand-in for the command that a run starts, and what it has done."""

    folder: Path
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "log").touch()
        self.returns(PASSED)

    def returns(self, output: object, code: int = 0) -> None:
        text = output if isinstance(output, str) else json.dumps(output)
        (self.folder / "output").write_text(text)
        (self.folder / "code").write_text(str(code))

    def go(self) -> None:
        """Let it end."""
        (self.folder / "go").touch()

    def lines(self) -> list[list[str]]:
        return [line.split() for line in (self.folder / "log").read_text().splitlines()]

    def started(self) -> list[str]:
        return [line[1] for line in self.lines() if line[0] == "start"]

    def processes(self) -> list[psutil.Process]:
        """Return those of its processes, and of their children, that still run."""
        found = []
        for line in self.lines():
            for pid in map(int, line[2:4]):
                if psutil.pid_exists(pid):
                    process = psutil.Process(pid)
                    if process.status() != psutil.STATUS_ZOMBIE:
                        found.append(process)
        return found

    def folders(self) -> list[str]:
        return [line[4] for line in self.lines() if line[0] == "start"]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    folder = tmp_path / "command"
    folder.mkdir()
    (folder / "command.py").write_text(COMMAND.format(folder=str(folder)))
    monkeypatch.setattr(run_process, "PROGRAM", (sys.executable, str(folder / "command.py")))
    return Command(folder)


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> dict[str, Any]:
    """The settings of a gallery whose Redis and database are empty."""
    url = f"{redis_url.rpartition('/')[0]}/7"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    database = f"sqlite:///{tmp_path / 'gallery.sqlite'}"
    upgrade(database)
    return {
        "REDIS_URL": url,
        "SQLALCHEMY_DATABASE_URI": database,
        "SECRET_KEY": "the same in all processes",
        "TASKS_SHUTDOWN_TIMEOUT": 0,
        "TASKS_LEASE": 2,
    }


def create_app(settings: dict[str, Any]) -> Quart:
    """Return the gallery without its ports, whose creation takes a second."""
    app = FaithfulQuart("quartpatterns.gallery.application", static_url_path="/gallery/static")
    app.config.from_mapping(settings)
    GallerySettings(app)
    app.register_blueprint(pages)
    app.register_blueprint(originals.views)
    runs.init_app(app)
    return app


@pytest.fixture
def app(settings: dict[str, Any]) -> Quart:
    return create_app(settings)


@asynccontextmanager
async def working(settings: dict[str, Any]) -> AsyncIterator[asyncio.Task[None]]:
    """Run the worker of the gallery in this event loop."""
    worker = asyncio.create_task(run_worker(create_worker(settings), handle_signals=False))
    try:
        yield worker
    finally:
        worker.cancel()
        await asyncio.wait([worker])


async def eventually(condition: Callable[[], Any]) -> None:
    """Wait until *condition*, a function or a coroutine function, returns something true."""
    async with asyncio.timeout(TIMEOUT):
        while True:
            found = condition()
            if await found if isinstance(found, Coroutine) else found:
                return
            await asyncio.sleep(0.02)


async def post(app: Quart, path: str, kind: str = "parity", **headers: str) -> Any:
    """Send a form as a browser on this machine does."""
    own = {"Host": "localhost", "Origin": "http://localhost"}
    return await app.test_client().post(
        path,
        form={"kind": kind},
        headers=own | {name.replace("_", "-"): value for name, value in headers.items()},
        scope_base=LOCAL,
    )


async def start(app: Quart, pattern: str = "flashing", kind: str = "parity") -> str:
    """Start a run, and return its path."""
    response = await post(app, f"/gallery/{pattern}/runs", kind)
    assert response.status_code == 303, await response.get_data(as_text=True)
    path: str = response.location
    return path


async def page(app: Quart, path: str) -> str:
    response = await app.test_client().get(path)
    assert response.status_code == 200
    text: str = await response.get_data(as_text=True)
    return text


def run_of(app: Quart, id: int = 1) -> Callable[[], Coroutine[Any, Any, Run]]:
    async def read() -> Run:
        async with app.app_context():
            run = await db.session.get(Run, id)
        assert run is not None
        return run

    return read


async def state(app: Quart, id: int = 1) -> str:
    return (await run_of(app, id)()).state


def has_state(app: Quart, expected: str, id: int = 1) -> Callable[[], Coroutine[Any, Any, bool]]:
    async def check() -> bool:
        return await state(app, id) == expected

    return check


RESULTS = {
    "passed": (PASSED, 0, "passed", "2 of 2 cases"),
    "failed": (FAILED, 1, "failed", "&lt;b&gt;old&lt;/b&gt;"),
    "not run": (PASSED | {"not_run": {"any": "no <mongod>"}}, 2, "error", "no &lt;mongod&gt;"),
    "nothing run": (
        {"comparisons": {}, "not_run": {"any": "no mongod"}},
        2,
        "error",
        ">no mongod</",
    ),
    "no result": ("Usage: quartpatterns", 2, "error", "exit code 2"),
    "another result": ("[]", 0, "error", "exit code 0"),
}


@pytest.mark.parametrize("name", RESULTS)
async def test_results(name: str, app: Quart, settings: dict[str, Any], command: Command) -> None:
    """The page of a run has its result, and so have the queue and the page of the pattern."""
    output, code, expected, text = RESULTS[name]
    command.returns(output, code)
    command.go()
    async with working(settings):
        path = await start(app)
        await eventually(has_state(app, expected))
    assert text in await page(app, path)
    for other in ("/gallery/queue", "/gallery/flashing/runs", "/gallery/flashing"):
        found = await page(app, other)
        assert f'href="{path}"' in found
        assert "0 of 0" not in found
    assert not command.processes()
    assert not any(map(os.path.exists, command.folders()))


FIGURE = re.compile('<figure class="chart">.*?</figure>', re.S)


async def test_charts(app: Quart) -> None:
    """Two results of a kind are drawn, above the table of all."""
    for id in (1, 2):
        summaries: dict[Kind, Any] = {
            "parity": {"cases": 21, "passed": 22 - id},
            "bench": {"cases": 1, "ratio": 0.5 * id},
        }
        charts = re.findall(FIGURE, await page(app, "/gallery/flashing/runs"))
        assert charts == []  # one result is no line
        async with app.app_context():
            for kind, summary in summaries.items():
                run = await add_run(kind, "flashing", limit=5)
                assert run
                await change_state(run.id, "queued", "passed", ended=now(), summary=summary)
    parity, bench = re.findall(FIGURE, await page(app, "/gallery/flashing/runs"))
    assert re.findall("<title>(.*?),", parity) == ["21 of 21 cases", "20 of 21 cases"]
    assert re.findall("<title>(.*?),", bench) == ["×0.50", "×1.00"]


async def test_one_at_a_time(settings: dict[str, Any], command: Command) -> None:
    """With two server processes, two workers and many requests at once, one runs after another.

    No more than GALLERY_RUN_QUEUE are accepted.
    """
    apps = [create_app(settings), create_app(settings)]
    async with working(settings), working(settings):
        responses = await asyncio.gather(
            *(
                post(apps[index % 2], f"/gallery/{pattern}/runs")
                for index, pattern in enumerate(PATTERNS)
            )
        )
        codes = sorted(response.status_code for response in responses)
        assert codes == [303] * 5 + [429] * 3
        full = next(each for each in responses if each.status_code == 429)
        assert "5 comparisons or measurements wait or run" in await full.get_data(as_text=True)
        command.go()
        for id in range(1, 6):
            await eventually(has_state(apps[0], "passed", id))
    lines = command.lines()
    assert [line[0] for line in lines] == ["start", "end"] * 5
    assert all(one[1] == two[1] for one, two in zip(lines[::2], lines[1::2], strict=True))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["flashing", "flashing: 3 of 21 cases"], (3, 21)),
        (["1 case(s), about 2 s"], (0, 1)),
        (["3 case(s), about 1 min 4 s", "a · b: in process", "a · c: in process"], (1, 3)),
        (["Warning: 3 of 4 things"], (0, 0)),
        ([""], (0, 0)),
    ],
)
def test_progress_lines(lines: list[str], expected: tuple[int, int]) -> None:
    progress = Progress()
    for line in lines:
        progress.read(line)
    assert (progress.done, progress.total) == expected
    assert progress.line == ("" if "cases" in lines[-1] else lines[-1])


async def test_same_run_twice(app: Quart, settings: dict[str, Any]) -> None:
    """A second click returns the run that waits."""
    first = await start(app)
    assert await start(app) == first
    assert await start(app, kind="bench") != first


async def test_progress(app: Quart, settings: dict[str, Any], command: Command) -> None:
    """Without JavaScript the page has the progress, and loads itself again."""
    async with working(settings):
        path = await start(app)
        await eventually(lambda: command.started())

        async def shown() -> bool:
            return "1 of 2" in await page(app, path)

        await eventually(shown)
        text = await page(app, path)
        assert '<progress aria-label="Progress of the parity" max="2" value="1">' in text
        assert '<noscript><meta http-equiv="refresh"' in text
        command.go()
        await eventually(has_state(app, "passed"))
    assert 'http-equiv="refresh"' not in await page(app, path)


@pytest.mark.wire
async def test_events(app: Quart, settings: dict[str, Any], command: Command) -> None:
    """The stream has the progress and the end. A client that leaves costs nothing."""
    broadcaster = app.extensions["broadcaster"]
    async with served(app) as server, working(settings):
        path = await start(app)
        async with server.client.stream("GET", f"{path}/events") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            async for line in response.aiter_lines():
                if re.search('"done": ?1', line):
                    break
            assert broadcaster.subscribers == 1
        await eventually(lambda: broadcaster.subscribers == 0)
        async with server.client.stream("GET", f"{path}/events") as response:
            lines = response.aiter_lines()
            async for line in lines:
                if line == "event: progress":
                    break
            command.go()
            rest = [line async for line in lines]
    assert rest[-3:-1] == ["event: end", 'data: {"id": 1, "state": "passed"}']


@pytest.mark.wire
async def test_events_without_messages(
    app: Quart, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream looks at the run itself: a worker that died sends nothing."""
    monkeypatch.setattr(runs, "CHECK_INTERVAL", 0.05)
    async with served(app) as server:
        path = await start(app)
        async with server.client.stream("GET", f"{path}/events") as response:
            lines = response.aiter_lines()
            for _ in range(2):
                async for line in lines:
                    if '"state": "queued"' in line:
                        break
            async with app.app_context():
                await change_state(1, "queued", "cancelled")
            assert "event: end" in [line async for line in lines]


@pytest.mark.wire
async def test_events_of_lost_job(
    app: Quart, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks at a run that the worker has lost learns that, without loading the page."""
    monkeypatch.setattr(runs, "CHECK_INTERVAL", 0.05)
    async with served(app) as server:
        path = await start(app)
        async with app.app_context():
            await change_state(1, "queued", "running")
        with redis.Redis.from_url(settings["REDIS_URL"]) as client:
            client.flushdb()
        async with server.client.stream("GET", f"{path}/events") as response:
            async with asyncio.timeout(TIMEOUT):
                assert "event: end" in [line async for line in response.aiter_lines()]
    assert await state(app) == "error"


@pytest.mark.slow
@pytest.mark.wire
async def test_queue_events(app: Quart, settings: dict[str, Any], command: Command) -> None:
    """Whoever looks at the queue sees the changes of all runs."""
    async with served(app) as server, working(settings):
        async with server.client.stream("GET", "/gallery/queue/events") as response:
            lines = response.aiter_lines()
            await anext(lines)
            await start(app)
            command.go()
            states = []
            async for line in lines:
                states += re.findall('"state": ?"([a-z]+)"', line)
                if "passed" in states:
                    break
    assert states[-1] == "passed" and "running" in states


async def test_cancel_waiting(app: Quart, settings: dict[str, Any], command: Command) -> None:
    """A run that is cancelled while it waits never starts; the next one does."""
    first, second, third = [await start(app, each) for each in PATTERNS[:3]]
    for path in (first, second):
        assert (await post(app, f"{path}/cancel")).status_code == 303
    command.go()
    async with working(settings):
        await eventually(has_state(app, "passed", 3))
    assert [await state(app, id) for id in (1, 2)] == ["cancelled", "cancelled"]
    assert command.started() == [PATTERNS[2]]
    assert "cancelled" in await page(app, first) and third


async def test_cancel_running(app: Quart, settings: dict[str, Any], command: Command) -> None:
    """The processes of a run that is cancelled end, also its children, and its files are gone."""
    async with working(settings):
        path = await start(app)
        await start(app, "favicon")
        await eventually(lambda: len(command.processes()) == 2)
        before = command.processes()
        assert (await post(app, f"{path}/cancel")).status_code == 303
        await eventually(has_state(app, "cancelled"))
        assert not any(each.is_running() and each.status() != "zombie" for each in before)
        command.go()
        await eventually(has_state(app, "passed", 2))
    assert not any(map(os.path.exists, command.folders()))


async def test_time_limit(settings: dict[str, Any], command: Command) -> None:
    settings["GALLERY_RUN_TIMEOUT"] = 0.5
    app = create_app(settings)
    async with working(settings):
        path = await start(app)
        await eventually(has_state(app, "error"))
    assert "stopped after 0.5 seconds" in await page(app, path)
    assert not command.processes()


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param(256 * 1024**2, id="limited"),
        pytest.param(None, id="unlimited", marks=pytest.mark.slow),
    ],
)
async def test_memory_limit(limit: int | None, settings: dict[str, Any], command: Command) -> None:
    """A process of a run that allocates too much ends, and the page names the limit."""
    settings["GALLERY_RUN_MEMORY"] = limit
    code = f"found = bytearray(2**30)\nprint({json.dumps(PASSED)!r})\n"
    (command.folder / "command.py").write_text(code)
    app = create_app(settings)
    async with working(settings):
        path = await start(app)
        await eventually(has_state(app, "error" if limit else "passed"))
    message = "a process needed more than 268,435,456 bytes of memory"
    assert (message in await page(app, path)) == bool(limit)


def test_smallest_memory() -> None:
    """A limit with which no run could start is refused."""
    app = FaithfulQuart("gallery")
    app.config["GALLERY_RUN_MEMORY"] = 1_000
    with pytest.raises(ValueError, match="GALLERY_RUN_MEMORY must be a whole number of bytes, "):
        GallerySettings(app)


def test_no_memory_limit() -> None:
    """The environment variable can say that there is no limit."""
    assert read_environment({"QUARTPATTERNS_RUN_MEMORY": "null"}) == {"GALLERY_RUN_MEMORY": None}


@pytest.mark.slow
async def test_output_limit(
    app: Quart, settings: dict[str, Any], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_process, "MAX_OUTPUT", 10)
    async with working(settings):
        path = await start(app)
        await eventually(has_state(app, "error"))
    assert "more than 10 bytes" in await page(app, path)
    assert not command.processes()


async def test_user_without_name(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container the user can be a number that no file names."""
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    command.go()
    lines: list[str] = []

    async def on_line(line: str) -> None:
        lines.append(line)

    found = await run_process.run_command("a-run", ["flashing"], on_line)
    assert (found.code, json.loads(found.output)) == (0, PASSED)
    assert lines == ["flashing: 1 of 2 cases"]


async def test_stopped_worker(app: Quart, settings: dict[str, Any], command: Command) -> None:
    """A run that the worker does not finish starts again with the next worker."""
    async with working(settings):
        path = await start(app)
        await eventually(lambda: command.started())
    await eventually(has_state(app, "queued"))
    assert not command.processes()
    command.go()
    async with working(settings):
        await eventually(has_state(app, "passed"))
    assert command.started() == ["flashing", "flashing"]
    assert "2 of 2 cases" in await page(app, path)


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
async def test_killed_worker(
    sign: int, app: Quart, settings: dict[str, Any], command: Command, tmp_path: Path
) -> None:
    """A run whose worker is killed starts again, and its processes do not outlive the worker."""
    module = tmp_path / "gallery_worker.py"
    module.write_text(
        "from quartpatterns.gallery import run_process, worker\n"
        f"run_process.PROGRAM = {run_process.PROGRAM!r}\n"
        f"def create_app():\n    return worker.create_app({settings!r})\n"
    )
    arguments = [sys.executable, "-m", "quartpatterns", "worker", "gallery_worker"]
    path = os.pathsep.join(sys.path)
    env = {**os.environ, "PYTHONPATH": path}

    async def start_worker() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(*arguments, env=env, cwd=tmp_path)

    await start(app)
    worker = await start_worker()
    try:
        await eventually(lambda: len(command.processes()) == 2)
        before = command.processes()
        worker.send_signal(sign)
        await worker.wait()
        await eventually(
            lambda: not any(each.is_running() and each.status() != "zombie" for each in before)
        )
        command.go()
        worker = await start_worker()
        await eventually(has_state(app, "passed"))
    finally:
        worker.terminate()
        await worker.wait()
    assert command.started() == ["flashing", "flashing"]
    assert not any(map(os.path.exists, command.folders()))


async def test_lost_job(app: Quart, settings: dict[str, Any], command: Command) -> None:
    """A Redis that has lost its data does not hold up the queue for ever."""
    await start(app, "flashing")
    await start(app, "favicon")
    async with app.app_context():
        run = await db.session.get(Run, 1)
        assert run
        run.state = "running"
        await db.session.commit()
    with redis.Redis.from_url(settings["REDIS_URL"]) as client:
        client.flushdb()
    assert "the worker has lost it" in await page(app, "/gallery/queue")
    assert [await state(app, id) for id in (1, 2)] == ["error", "queued"]
    command.go()
    async with working(settings):
        await eventually(has_state(app, "passed", 2))
    assert command.started() == ["favicon"]


@pytest.mark.slow
async def test_kept_results(settings: dict[str, Any], command: Command) -> None:
    """Of each pattern and kind, the newest results are kept."""
    settings["GALLERY_KEEP_RUNS"] = 1
    app = create_app(settings)
    command.go()
    async with working(settings):
        for id, pattern in enumerate(("flashing", "favicon", "flashing"), 1):
            await start(app, pattern)
            await eventually(has_state(app, "passed", id))
    text = await page(app, "/gallery/queue")
    assert re.findall(r'href="(/gallery/runs/\d)"', text) == ["/gallery/runs/3", "/gallery/runs/2"]
    response = await app.test_client().get("/gallery/runs/1")
    assert response.status_code == 404


async def test_no_worker(app: Quart) -> None:
    path = await start(app)
    for each in (path, "/gallery/queue"):
        assert "quartpatterns worker quartpatterns.gallery.worker" in await page(app, each)


REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "another origin": ({"Origin": "http://evil.example"}, "another site"),
    "another site": ({"Sec_Fetch_Site": "cross-site"}, "another site"),
    "no origin": ({"Origin": "null"}, "another site"),
    "a proxy": ({"X_Forwarded_For": "127.0.0.1"}, "--proxies 1"),
    "rebinding": (
        {"Host": "evil.example:5000", "Origin": "http://evil.example:5000"},
        "no name of this machine",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refused(name: str, app: Quart) -> None:
    """Only a page of this gallery, in a browser on this machine, can start or cancel a run."""
    headers, reason = REFUSED[name]
    path = await start(app)
    for target in ("/gallery/favicon/runs", f"{path}/cancel"):
        response = await post(app, target, **headers)
        assert response.status_code == 403
        assert reason in await response.get_data(as_text=True)
    assert await state(app) == "queued"


async def test_unknown(app: Quart) -> None:
    assert (await post(app, "/gallery/flashing/runs", "deploy")).status_code == 400
    assert (await post(app, "/gallery/flushing/runs")).status_code == 404
    assert (await post(app, "/gallery/runs/7/cancel")).status_code == 404
    assert (await app.test_client().get("/gallery/runs/7/events")).status_code == 404


@pytest.mark.parametrize("missing", ["REDIS_URL", "SQLALCHEMY_DATABASE_URI"])
async def test_missing_service(missing: str, settings: dict[str, Any]) -> None:
    """One line replaces the buttons."""
    app = create_app({**settings, missing: None})
    name = {"SQLALCHEMY_DATABASE_URI": "DATABASE_URL"}.get(missing, missing)
    for path in ("/gallery/queue", "/gallery/flashing/runs", "/gallery/flashing"):
        text = await page(app, path)
        assert f"set {name}" in text and 'name="kind"' not in text
    assert (await post(app, "/gallery/flashing/runs")).status_code == 503


async def test_without_redis(settings: dict[str, Any]) -> None:
    """While Redis fails, nothing can be started, and the pages say so."""
    app = create_app({**settings, "REDIS_URL": "redis://127.0.0.1:1/0"})
    assert (await post(app, "/gallery/flashing/runs")).status_code == 503
    assert await state(app) == "error"
    assert "Redis cannot be reached" in await page(app, "/gallery/runs/1")
    assert "Redis cannot be reached" in await page(app, "/gallery/queue")


@pytest.mark.slow
async def test_postgresql(settings: dict[str, Any], postgres_url: str, command: Command) -> None:
    """Concurrent transactions do not accept too many runs."""
    await asyncio.to_thread(upgrade, postgres_url)
    settings["SQLALCHEMY_DATABASE_URI"] = postgres_url
    apps = [create_app(settings), create_app(settings)]
    async with apps[0].test_app(), apps[1].test_app():
        responses = await asyncio.gather(
            *(
                post(apps[index % 2], f"/gallery/{pattern}/runs")
                for index, pattern in enumerate(PATTERNS)
            )
        )
        codes = sorted(response.status_code for response in responses)
        assert codes == [303] * 5 + [429] * 3
        command.go()
        async with working(settings):
            for id in range(1, 6):
                await eventually(has_state(apps[0], "passed", id))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["parity", "bench"])
async def test_real_command(kind: str, app: Quart, settings: dict[str, Any]) -> None:
    """The real commands, with their progress."""
    async with working(settings):
        path = await start(app, "favicon", kind)
        counts = set()

        async def ended() -> bool:
            counts.update(re.findall('data-part="count">([^<]+)', await page(app, path)))
            return await state(app) not in ("queued", "running")

        await eventually(ended)
    assert await state(app) == "passed"
    text = await page(app, path)
    assert ("Processor time of a request" if kind == "bench" else "All ") in text
    # The comparison of this pattern can end between two looks at the page.
    assert kind == "parity" or any(re.fullmatch(r"\d+ of \d+", count) for count in counts)
    left = os.listdir(tempfile.gettempdir())
    own = f"quartpatterns-{os.getuid()}-run-1-{os.getpid()}-"  # Other tests run at the same time.
    assert not [name for name in left if name.startswith(own)]
