"""``quartpatterns serve``: real processes and signals. No process outlives the command."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import psutil
import pymongo
import pytest
import redis
from hypercorn.config import Config

from quartpatterns.cli.serve import _shut_down, until_signal
from quartpatterns.compare.processes import free_port
from tests.serving import TIMEOUT

APP = """
import asyncio
import os

from quart import Quart, request

app = Quart(__name__)


@app.get("/")
async def index():
    return {"pid": os.getpid(), "redis": os.environ.get("REDIS_URL")}


@app.get("/slow/<float:seconds>")
async def slow(seconds):
    open("started", "w").close()
    await asyncio.sleep(seconds)
    return "done"


@app.get("/seen")
async def seen():
    return f"{request.remote_addr} {request.url}"


@app.get("/stuck")
async def stuck():
    open("started", "w").close()
    await asyncio.sleep(60)


@app.before_serving
async def start_up():
    with open("starts", "a") as file:
        file.write("started\\n")


@app.after_serving
async def shut_down():
    with open("shutdowns", "a") as file:
        file.write("shut down\\n")


class Unready(Quart):
    async def startup(self):
        raise RuntimeError("no database")


unready = Unready(__name__)


class WSGI:
    wsgi_app = None

    def __call__(self, environ, start_response):
        ...


wsgi = WSGI()
"""
# An application whose server does not react to SIGTERM.
DEAF = """
import signal

from quart import Quart

app = Quart(__name__)


@app.before_serving
async def start_up():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
"""


SERVERS = [
    "hypercorn",
    pytest.param("uvicorn", marks=pytest.mark.slow),
    pytest.param("granian", marks=pytest.mark.slow),
]
PROGRAMS = {
    "hypercorn": "-m hypercorn",
    "uvicorn": "-m quartpatterns.cli.uvicorn_server",
    "granian": "-m granian",
}

# Makes a package look as if it were not installed.
HIDE = """
import importlib.util

find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "{package}" else find(name, *rest)
"""


class Command:
    """A running ``quartpatterns serve``, and every process that it started."""

    binds_port = True

    def __init__(self, folder: Path, *arguments: str, **env: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.file = folder / "output"
        command = [sys.executable, "-m", "quartpatterns", "serve", *arguments]
        command += ["--bind", f"127.0.0.1:{self.port}"] if self.binds_port else []
        with self.file.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                cwd=folder,
                env=environment(**env),
                start_new_session=True,
            )
        self.tree: list[psutil.Process] = []

    @property
    def output(self) -> str:
        return self.file.read_text()

    def until(self, condition: Callable[[], Any], seconds: float = TIMEOUT) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)

    def until_ready(self) -> Command:
        self.until(lambda: "Press Ctrl-C to stop" in self.output or self.process.poll() is not None)
        assert self.process.poll() is None, self.output
        self.update_tree()
        return self

    def update_tree(self) -> list[psutil.Process]:
        """Add the current processes to the tree, and return it."""
        root = psutil.Process(self.process.pid)
        self.tree = list({*self.tree, root, *root.children(recursive=True)})
        return self.tree

    def alive(self) -> list[psutil.Process]:
        return [
            process
            for process in self.tree
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        ]

    def find(self, words: str) -> list[psutil.Process]:
        """Return the processes with *words* in their command line, except their watchdogs."""
        found = []
        for process in self.update_tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                line = " ".join(process.cmdline())
                if words in line and "watchdog.py" not in line:
                    found.append(process)
        return found

    def wait_for(self, words: str) -> psutil.Process:
        """Wait for a process with *words* in its command line, and return the oldest."""
        self.until(lambda: self.find(words))
        return min(self.find(words), key=lambda process: process.create_time())

    def code(self, seconds: float = TIMEOUT) -> int:
        return self.process.wait(timeout=seconds)


def environment(**env: str) -> dict[str, str]:
    removed = {"REDIS_URL", "MONGODB_URL", "DATABASE_URL", "SECRET_KEY"}
    return {key: value for key, value in os.environ.items() if key not in removed} | env


Serve = Callable[..., Command]


@pytest.fixture(autouse=True)
def default_signals() -> Iterator[None]:
    """The command receives SIGHUP and SIGINT, even if the tests run under nohup."""
    before = {sign: signal.getsignal(sign) for sign in (signal.SIGHUP, signal.SIGINT)}
    for sign, handler in before.items():
        if handler == signal.SIG_IGN:
            signal.signal(sign, signal.SIG_DFL)
    yield
    for sign, handler in before.items():
        signal.signal(sign, handler)


@pytest.fixture
def serve(tmp_path: Path, redis_url: str) -> Iterator[Serve]:
    """Return a function that starts ``quartpatterns serve`` in an empty folder.

    It starts a Valkey of its own; *redis_url* skips the test if Valkey is not installed.
    """
    (tmp_path / "shop.py").write_text(APP)
    with contextlib.ExitStack() as stack:

        def start(*arguments: str, app: str | None = "shop:app", **env: str) -> Command:
            chosen = ("--app", app) if app else ()
            served = Command(tmp_path, *arguments, *chosen, **env)
            stack.callback(end, served)
            return served

        yield start


def end(served: Command) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        served.update_tree()
    for process in served.tree:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    served.process.wait()


def error_of(folder: Path, *arguments: str, **env: str) -> str:
    """Return the error message of a call with wrong arguments: one line."""
    done = subprocess.run(
        [sys.executable, "-m", "quartpatterns", "serve", *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        cwd=folder,
        env=environment(**env),
    )
    assert done.returncode == 2, done.stderr
    line = done.stderr.strip()
    assert line.startswith("Error: ")
    assert "\n" not in line
    return line


def test_serve(serve: Serve) -> None:
    """In an empty folder it creates a database and starts a Valkey, a worker and the server."""
    served = serve().until_ready()
    for line in ("database  sqlite:///", "redis     redis://", "worker    log file: "):
        assert line in served.output
    assert f"gallery   {served.url}" in served.output
    response = httpx.get(served.url).json()
    assert response["redis"] in served.output
    assert (served.folder / "instance" / "gallery.sqlite").stat().st_size > 0
    log = served.folder / "instance" / "worker.log"
    served.until(lambda: "ready" in log.read_text())
    assert "Traceback" not in served.output


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("server", [*PROGRAMS])
def test_stop(serve: Serve, server: str, sign: signal.Signals, workers: str) -> None:
    """After a signal the request finishes, the application shuts down, and all processes exit."""
    served = serve("--server", server, "--workers", workers).until_ready()
    assert (
        len(served.update_tree()) >= 7
    )  # this command; Valkey, worker, server and their watchdogs
    served.until(lambda: (served.folder / "starts").read_text() == "started\n" * int(workers))
    with slow_request(served, 1.0) as slow:
        served.process.send_signal(sign)
        assert slow.communicate(timeout=TIMEOUT)[0] == "done\n"
    assert served.code() == 0
    assert not served.alive()
    assert (served.folder / "shutdowns").read_text() == "shut down\n" * int(workers)
    assert "Traceback" not in served.output


@contextlib.contextmanager
def slow_request(served: Command, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """Send a request that takes *seconds*, and wait until the server handles it."""
    get = f"httpx.get('{served.url}/slow/{seconds}', timeout=100)"
    command = [sys.executable, "-c", f"import httpx; print({get}.text)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        served.until(lambda: (served.folder / "started").exists())
        yield process


@pytest.mark.slow
@pytest.mark.parametrize("server", [*PROGRAMS])
def test_graceful_timeout(serve: Serve, server: str, tmp_path: Path) -> None:
    """Requests can take as long as the graceful_timeout in the configuration."""
    (tmp_path / "hypercorn.toml").write_text("graceful_timeout = 20")
    served = serve("--server", server, "--config", "hypercorn.toml").until_ready()
    with slow_request(served, 11.0) as slow:
        served.process.terminate()
        assert slow.communicate(timeout=TIMEOUT)[0] == "done\n"
    assert served.code() == 0
    assert not served.alive()


@pytest.mark.slow
@pytest.mark.parametrize("server", [*PROGRAMS])
def test_ctrl_c_in_a_terminal(serve: Serve, server: str) -> None:
    """Ctrl-C reaches the whole foreground group, with the same result."""
    served = serve("--server", server).until_ready()
    os.killpg(served.process.pid, signal.SIGINT)
    assert served.code() == 0
    assert not served.alive()
    assert (served.folder / "shutdowns").exists()


@pytest.mark.slow
@pytest.mark.parametrize("server", SERVERS)
def test_second_signal(serve: Serve, server: str, tmp_path: Path) -> None:
    """A second signal stops the command immediately, even if a request never finishes."""
    (tmp_path / "hypercorn.toml").write_text("graceful_timeout = 600")
    options = ("--server", server, "--workers", "2", "--config", "hypercorn.toml")
    served = serve(*options).until_ready()
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.sendall(b"GET /stuck HTTP/1.1\r\nHost: localhost\r\n\r\n")
        served.until(lambda: (served.folder / "started").exists())
        served.process.send_signal(signal.SIGINT)
        served.until(lambda: "Stopping" in served.output)
        assert served.process.poll() is None
        served.process.send_signal(signal.SIGINT)
        assert served.code() == 130
    assert not served.alive()


@pytest.mark.slow
def test_stuck_request(serve: Serve, tmp_path: Path) -> None:
    """A server that does not stop in time is killed, and the exit code says so."""
    (tmp_path / "deaf.py").write_text(DEAF)
    (tmp_path / "short.toml").write_text("graceful_timeout = 1\nshutdown_timeout = 1")
    served = serve("--config", "short.toml", app="deaf:app").until_ready()
    served.process.terminate()
    assert served.code() == 1
    assert "The server did not stop within 3 s and is killed." in served.output
    assert not served.alive()


def test_signal_while_it_ends() -> None:
    """A command that stops because no server is left stops everything, and fails all the same."""
    with until_signal() as signals:
        signals.failed = True
        _shut_down([], [], Config(), signals)
        signal.raise_signal(signal.SIGINT)
        assert (signals.received, signals.exit_code) == ([signal.SIGINT], 1)
        killed: list[bool] = []
        signals.kill = lambda: killed.append(True)
        signal.raise_signal(signal.SIGINT)
        assert (killed, signals.exit_code) == ([True], 130)
        return
    pytest.fail("the signal left the context")


@pytest.mark.slow
def test_signal_after_the_last_server(serve: Serve, tmp_path: Path) -> None:
    """The other programs have ended when the command ends, and its exit code is 1."""
    (tmp_path / "sitecustomize.py").write_text(
        "from quartpatterns.cli import supervision\nsupervision.PAUSES = ()\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    served = serve(PYTHONPATH=path).until_ready()
    valkey = redis_process(served)
    valkey.suspend()  # so that stopping takes long
    served.find(PROGRAMS["hypercorn"])[0].kill()
    served.until(lambda: "This command ends" in served.output)
    served.process.send_signal(signal.SIGINT)
    assert served.code() == 1
    assert not served.alive()


@pytest.mark.parametrize("line", [1, 2, 3, 4])
def test_two_signals_at_once(line: int) -> None:
    """A second signal that arrives while the first one is handled does not hide it."""
    before = sys.gettrace()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_name == "handle" and event == "line":
            reached.append(frame.f_lineno)
            if len(reached) == line:
                signal.raise_signal(signal.SIGTERM)
        return trace

    reached: list[int] = []
    with until_signal():
        sys.settrace(trace)
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            sys.settrace(before)
        pytest.fail("the first signal did not leave the context")


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGHUP])
@pytest.mark.parametrize("server", SERVERS)
def test_killed(serve: Serve, server: str, workers: str, sign: signal.Signals) -> None:
    """All processes exit if the command is killed or its terminal is closed."""
    served = serve("--server", server, "--workers", workers).until_ready()
    served.process.send_signal(sign)
    served.code()
    served.until(lambda: not served.alive())


@pytest.mark.slow
@pytest.mark.parametrize("server", SERVERS)
def test_server_killed(serve: Serve, server: str) -> None:
    """A single server that is killed is restarted at the same address."""
    served = serve("--server", server).until_ready()
    pid = httpx.get(served.url).json()["pid"]
    (killed := served.wait_for(PROGRAMS[server])).kill()
    killed_text = f"The server (process {killed.pid}) exited with code 137 (SIGKILL)"
    served.until(lambda: f"{killed_text} and is restarted." in served.output)

    def serves_again() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return bool(httpx.get(served.url, timeout=TIMEOUT).json()["pid"] != pid)
        return False

    served.until(serves_again)
    served.process.terminate()
    assert served.code() == 0
    assert not served.alive()


@pytest.mark.slow
def test_requests_wait_for_the_server(serve: Serve) -> None:
    """No connection is refused while the only server is started again."""
    served = serve().until_ready()
    killed = served.wait_for(PROGRAMS["hypercorn"])
    killed.kill()
    for _ in range(5):
        assert httpx.get(served.url, timeout=TIMEOUT).json()["pid"] != killed.pid


@pytest.mark.slow
@pytest.mark.parametrize("part", ["valkey-server", "quartpatterns worker", "-m hypercorn"])
def test_watchdog_killed(serve: Serve, part: str) -> None:
    """If a watchdog is killed, its program is stopped and started again. No orphan is left."""
    served = serve().until_ready()
    served.until(lambda: served.find(part))
    (before,) = served.find(part)
    before.parent().kill()  # type: ignore[union-attr]
    served.until(
        lambda: f"(process {before.pid}) lost its watchdog and is restarted" in served.output
    )
    served.until(lambda: {one.pid for one in served.find(part)} - {before.pid})
    assert before not in served.alive()
    served.process.terminate()
    assert served.code() == 0
    assert not served.alive()


@pytest.mark.slow
def test_everything_killed(serve: Serve) -> None:
    """On Linux the programs end even if the command and all watchdogs are killed together."""
    served = serve().until_ready()
    for process in served.update_tree():
        if process.pid == served.process.pid or "watchdog.py" in " ".join(process.cmdline()):
            process.kill()
    served.code()
    served.until(lambda: not served.alive())


@pytest.mark.slow
def test_mongodb_killed(serve: Serve, mongodb_server: str) -> None:
    """A MongoDB that is killed is restarted at the same address, with its data."""
    served = serve().until_ready()
    found = re.search(r"mongodb   (mongodb://\S+),", served.output)
    assert found
    with pymongo.MongoClient[dict[str, int]](found[1]) as client:
        journaled = pymongo.WriteConcern(j=True)
        client.db.get_collection("numbers", write_concern=journaled).insert_one({"number": 42})
        served.wait_for("--dbpath").kill()
        served.until(lambda: "The MongoDB runs again after" in served.output)
        assert client.db.numbers.find_one({}, {"_id": 0}) == {"number": 42}


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("server", ["hypercorn", "uvicorn"])
def test_one_of_two_killed(serve: Serve, server: str, sign: signal.Signals) -> None:
    """One of two server processes that exits is restarted. The other one serves meanwhile."""
    program = PROGRAMS[server]
    served = serve("--server", server, "--workers", "2").until_ready()
    served.until(lambda: len(served.find(program)) == 2)
    # The one that answers has started. The other one may still load the application.
    pid = httpx.get(served.url, timeout=TIMEOUT).json()["pid"]
    first, second = sorted(served.find(program), key=lambda process: process.pid != pid)
    assert first.pid == pid
    first.send_signal(sign)
    served.until(lambda: f"of 2 (process {first.pid}) exited with code" in served.output)
    # After its shutdown, Uvicorn raises the signal again.
    terminated = "143 (SIGTERM)" if server == "uvicorn" else "0"
    code = "137 (SIGKILL)" if sign == signal.SIGKILL else terminated
    assert f"(process {first.pid}) exited with code {code} and is restarted." in served.output
    assert httpx.get(served.url, timeout=TIMEOUT).status_code == 200
    # The new process serves, too.
    second.suspend()
    try:
        served.until(lambda: httpx.get(served.url, timeout=TIMEOUT).status_code == 200)
    finally:
        second.resume()
    served.process.terminate()
    assert served.code() == 0
    assert not served.alive()


@pytest.mark.slow
def test_granian_worker_killed(serve: Serve) -> None:
    """Granian restarts one of two workers. If its main process is killed, it starts again."""

    def pid() -> int:
        number: int = httpx.get(served.url, timeout=TIMEOUT).json()["pid"]
        return number

    def serves_again(before: set[int]) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return pid() not in before
        return False

    served = serve("--server", "granian", "--workers", "2").until_ready()
    workers: set[int] = set()

    def both_answer() -> bool:
        workers.add(pid())
        return len(workers) == 2

    served.until(both_answer)
    psutil.Process(killed := min(workers)).kill()
    served.until(lambda: "Respawning worker" in served.output)
    served.until(lambda: pid() not in workers)
    assert not psutil.pid_exists(killed)
    main = served.wait_for("-m granian")
    before = {process.pid for process in [main, *main.children()]}
    main.kill()
    text = f"(process {main.pid}) exited with code 137 (SIGKILL) and is restarted."
    served.until(lambda: text in served.output)
    served.until(lambda: serves_again(before))
    served.process.terminate()
    assert served.code() == 0
    assert not served.alive()


@pytest.mark.slow
def test_queue_survives(serve: Serve) -> None:
    """The data of the Valkey that the command starts is there after the command was killed."""

    def count(served: Command) -> object:
        with redis.Redis.from_url(httpx.get(served.url).json()["redis"]) as client:
            return client.incr("started")

    first = serve().until_ready()
    assert count(first) == 1
    first.process.kill()
    first.code()
    first.until(lambda: not first.alive())
    assert count(serve().until_ready()) == 2


@pytest.mark.slow
def test_valkey_killed(serve: Serve) -> None:
    """A Valkey that is killed is restarted at the same address, with its data."""
    served = serve().until_ready()
    url = httpx.get(served.url).json()["redis"]
    with redis.Redis.from_url(url) as client:
        assert client.incr("started") == 1
        redis_process(served).kill()

        def count() -> object:
            with contextlib.suppress(redis.ConnectionError):
                return client.incr("started")
            return None

        served.until(lambda: count() == 2)
    assert "exited with code 137 (SIGKILL) and is restarted." in served.output
    served.until(lambda: "The Valkey runs again after" in served.output)


@pytest.mark.slow
def test_terminated_group(serve: Serve) -> None:
    """systemd sends SIGTERM to every process. None is restarted while a request finishes."""
    served = serve().until_ready()
    with slow_request(served, 2.0) as slow:
        os.killpg(served.process.pid, signal.SIGTERM)
        assert slow.communicate(timeout=TIMEOUT)[0] == "done\n"
    assert served.code() == 0
    assert "restarted" not in served.output


def redis_process(served: Command) -> psutil.Process:
    """Return the process of the Valkey, whose command line is only its address."""
    (found,) = (one for one in served.update_tree() if one.name() == "valkey-server")
    return found


@pytest.mark.parametrize("server", SERVERS)
def test_prefix(serve: Serve, server: str) -> None:
    """The prefix is part of each path and link, by option or by variable; others do not exist."""
    message = error_of(Path.cwd(), "--prefix", "demo")
    assert "--prefix demo: the prefix must be a path such as /shop" in message
    options = ("--server", server, "--secure-cookies")
    served = serve(*options, QUARTPATTERNS_PREFIX="/demo").until_ready()
    assert httpx.get(f"{served.url}/demo/seen").text == f"127.0.0.1 {served.url}/demo/seen"
    assert httpx.get(f"{served.url}/seen").status_code == 404
    assert "Traceback" not in served.output


@pytest.mark.slow
def test_root_path(serve: Serve, tmp_path: Path) -> None:
    """With ``root_path`` in the configuration of Hypercorn, other paths do not exist."""
    (tmp_path / "hypercorn.toml").write_text('root_path = "/demo"')
    served = serve("--config", "hypercorn.toml", app=None).until_ready()
    paths = {"/demo/": 200, "/demo": 308, "/": 404, "/streaming/": 404, "/demostreaming/": 404}
    for http1 in (True, False):
        client = httpx.Client(
            base_url=served.url, http1=http1, http2=not http1, timeout=TIMEOUT, trust_env=False
        )
        with client:
            responses = [client.get(path) for path in paths]
        assert {response.http_version for response in responses} == {
            "HTTP/1.1" if http1 else "HTTP/2"
        }
        assert [response.status_code for response in responses] == [*paths.values()]
    for prefix, expected in (("/demo", "101"), ("", "404"), ("/other", "404")):
        with socket.create_connection(("127.0.0.1", served.port), timeout=TIMEOUT) as connection:
            connection.sendall(
                f"GET {prefix}/streaming/feed/live HTTP/1.1\r\nHost: localhost\r\n".encode()
                + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            assert connection.recv(100).startswith(f"HTTP/1.1 {expected}".encode())
    assert "Traceback" not in served.output


@pytest.mark.slow
def test_worker_killed(serve: Serve) -> None:
    """A worker that is killed is restarted, also if it has just been started."""
    served = serve().until_ready()

    def kill_worker(expected: str) -> None:
        worker = served.wait_for("quartpatterns worker")
        worker.kill()
        text = f"The worker (process {worker.pid}) exited with code 137 (SIGKILL){expected}"
        served.until(lambda: text in served.output)
        served.until(lambda: worker not in served.alive())

    kill_worker(" and is restarted.")
    kill_worker(f". It is restarted in 1 s; see {served.folder / 'instance' / 'worker.log'}.")
    served.until(lambda: served.find("quartpatterns worker"))
    served.process.terminate()
    assert served.code() == 0
    assert not served.alive()


def test_early_signal(serve: Serve) -> None:
    """A signal during the start stops everything that was started."""
    served = serve()
    served.until(lambda: "redis  " in served.output)
    served.update_tree()
    served.process.terminate()
    assert served.code() == 0
    served.until(lambda: not served.alive())


@pytest.mark.slow
def test_two(serve: Serve) -> None:
    """A second command needs another data folder and another port, and has a Redis of its own."""
    one, two = serve().until_ready(), serve("--data", "other").until_ready()
    assert httpx.get(one.url).json()["redis"] != httpx.get(two.url).json()["redis"]
    message = error_of(one.folder, "--bind", "127.0.0.1:0", "--app", "shop:app")
    assert message.endswith(
        f"instance is in use by another quartpatterns serve (process {one.process.pid} at"
        f" {one.url}): stop it, or choose another folder with --data FOLDER"
    )
    log = (one.folder / "instance" / "worker.log").read_text()
    arguments = ("--data", "third", "--bind", f"127.0.0.1:{one.port}", "--workers", "2")
    message = error_of(one.folder, *arguments)
    assert f"127.0.0.1:{one.port} is already in use: choose another address" in message
    assert not (one.folder / "third").exists()
    assert (one.folder / "instance" / "worker.log").read_text().startswith(log)


@pytest.mark.slow
def test_after_kill(serve: Serve) -> None:
    """The next command waits until the programs of one that was killed have ended."""
    one = serve().until_ready()
    (watchdog,) = (each.parent() for each in one.find("quartpatterns worker"))
    assert watchdog
    watchdog.suspend()  # it does not notice
    try:
        one.process.kill()
        one.code()
        two = serve()
        waiting = f"Waiting for the programs of process {one.process.pid}, which was killed, to end"
        two.until(lambda: waiting in two.output)
        assert "redis" not in two.output
    finally:
        watchdog.resume()
    two.until_ready()
    assert not one.alive()


@pytest.mark.slow
def test_given_redis(serve: Serve, redis_url: str) -> None:
    """With REDIS_URL no Valkey and no worker are started; the printed command starts a worker."""
    served = serve(REDIS_URL=redis_url).until_ready()
    ((database, line),) = re.findall(
        r"start a worker with: REDIS_URL=\$REDIS_URL DATABASE_URL=(\S+) quartpatterns (.*)",
        served.output,
    )
    command = [sys.executable, "-m", "quartpatterns", *line.split(), "--burst"]
    env = environment(REDIS_URL=redis_url, DATABASE_URL=database)
    subprocess.run(command, check=True, timeout=TIMEOUT, env=env)
    assert not served.find("valkey") and not served.find(" worker ")
    assert httpx.get(served.url).json()["redis"] == redis_url


def test_mongodb(serve: Serve, mongodb_server: str) -> None:
    """A MongoDB is started with its data in the data folder.

    *mongodb_server* skips the test if MongoDB is not installed.
    """
    served = serve().until_ready()
    assert "mongodb   mongodb://127.0.0.1:" in served.output
    assert served.wait_for("--dbpath").is_running()
    assert (served.folder / "instance" / "mongodb" / "mongod.log").exists()


@pytest.mark.slow
def test_mongodb_that_does_not_start(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a MongoDB the rest runs, and one line says where the cause is."""
    (program := tmp_path / "mongod").write_text("#!/bin/sh\necho no AVX\nexit 132\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    served = serve(app=None).until_ready()
    log = tmp_path / "instance" / "mongodb" / "mongod.log"
    line = f"mongodb   not running, so mongodb responds with 503: see {log}"
    assert line in served.output
    assert log.read_text() == "no AVX\n"
    assert httpx.get(f"{served.url}/sqlite3/", timeout=TIMEOUT).status_code == 200
    response = httpx.get(f"{served.url}/mongodb/", timeout=TIMEOUT)
    assert response.status_code == 503
    assert "Set MONGODB_URL to a running MongoDB" in response.text
    assert "Traceback" not in served.output


def test_given_mongodb(serve: Serve) -> None:
    """With MONGODB_URL no MongoDB is started, and the password is not printed."""
    served = serve(MONGODB_URL="mongodb://ada:secret@db.example/x").until_ready()
    assert "mongodb   mongodb://db.example/x" in served.output
    assert "secret" not in served.output
    assert not served.find("--dbpath")


def test_redis_down(serve: Serve) -> None:
    """An unreachable REDIS_URL is reported once, without its password; the gallery runs."""
    served = serve(REDIS_URL="redis://:secret@127.0.0.1:1/0").until_ready()
    assert served.output.count("127.0.0.1:1 does not respond") == 1
    assert "tasks respond with 503" in served.output
    assert "secret" not in served.output
    assert httpx.get(served.url).status_code == 200


def test_gallery(serve: Serve) -> None:
    """The gallery: the worker runs a task, and all data are in one folder."""
    served = serve(app=None).until_ready()
    with httpx.Client(base_url=served.url) as client:
        assert client.get("/").status_code == 200
        id = client.post("/tasks/add", data={"a": "23", "b": "42"}).json()["result_id"]
        served.until(lambda: client.get(f"/tasks/result/{id}").json()["ready"])
        assert client.get(f"/tasks/result/{id}").json()["value"] == 65
        assert client.get("/sqlite3/").status_code == 200
    assert (served.folder / "instance" / "sqlite3.db").stat().st_size > 0


@pytest.mark.slow
def test_gallery_of_four_processes(serve: Serve) -> None:
    """What a user did is there in each process, and what was forgotten is in none."""
    served = serve("--workers", "4", app=None).until_ready()
    served.until(lambda: len(served.find("-m hypercorn")) == 4)

    def get(path: str) -> str:
        """Send a request on a connection of its own, which another process may accept."""
        response = httpx.get(f"{served.url}{path}", timeout=TIMEOUT)
        assert response.status_code == 200
        return response.text

    def post(path: str, fields: dict[str, str]) -> int:
        with httpx.Client(base_url=served.url, timeout=TIMEOUT) as client:
            page = client.get(f"/wtforms/{path}").text
            found = re.search(r'name="csrf_token" type="hidden" value="([^"]+)"', page)
            assert found
            form = {**fields, "csrf_token": found[1]}
            return client.post(f"/wtforms/{path}", data=form).status_code

    user = {"username": "gracehop", "email": "grace@example.com", "password": "engine"}
    assert post("register", {**user, "confirm": "engine", "accept_tos": "y"}) == 302
    assert [post("login", user) for _ in range(12)] == [302] * 12

    path = "/caching/page/four"
    with httpx.Client(base_url=served.url, timeout=TIMEOUT) as client:
        # One connection, so one process: the page contains how often this process has made it.
        for number in range(1, 10):
            assert client.get(path).text == f"<p>four, made {number} times</p>"
            assert {get(path) for _ in range(4)} == {client.get(path).text}
            assert client.post(f"{path}/delete").json() == {"deleted": True}
    after = {get(path) for _ in range(20)}
    assert len(after) == 1
    assert after <= {"<p>four, made 1 times</p>", "<p>four, made 10 times</p>"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "127.0.0.1 http://shop.example/seen"),
        (("--proxies", "1"), "203.0.113.9 https://shop.example/seen"),
    ],
)
@pytest.mark.parametrize("server", SERVERS)
def test_proxies(serve: Serve, server: str, arguments: tuple[str, ...], expected: str) -> None:
    """Behind a proxy, the client and the scheme are those that the proxy has seen."""
    served = serve("--server", server, *arguments).until_ready()
    headers = {
        "Host": "shop.example",
        "X-Forwarded-For": "6.6.6.6, 203.0.113.9",
        "X-Forwarded-Proto": "https",
    }
    assert httpx.get(f"{served.url}/seen", headers=headers).text == expected


def test_addresses(serve: Serve, tmp_path: Path) -> None:
    """Several addresses: a Unix socket, and a port 0 that becomes a free port."""
    path = tmp_path / "s"
    host = "[::1]" if has_ipv6() else "127.0.0.1"
    served = serve("--bind", f"unix:{path}", "--bind", f"{host}:0").until_ready()
    transport = httpx.HTTPTransport(uds=str(path))
    with httpx.Client(transport=transport) as client:
        assert client.get("http://localhost/").status_code == 200
    others = set(re.findall(rf"{re.escape(f'http://{host}')}:\d+", served.output)) - {served.url}
    assert [httpx.get(url).status_code for url in others] == [200]


def has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "wokers = 2", "Hypercorn has no setting 'wokers': did you mean workers?", id="key"
        ),
        pytest.param("_bind = 2", "Hypercorn has no setting '_bind'", id="private"),
        pytest.param("workers = 'two'", "workers is 'two', expected a value like 1", id="type"),
        pytest.param("workers = true", "workers is True, expected a value like 1", id="bool"),
        pytest.param("workers = 0", "workers is 0, expected 1 or more", id="no workers"),
        pytest.param("workers = ", "is not TOML", id="not TOML"),
        pytest.param("worker_class = 'trio'", "Quart needs asyncio or uvloop", id="trio"),
        pytest.param("loglevel = 'LOUD'", "LOUD", id="level"),
        pytest.param("errorlog = '/nowhere/log'", "/nowhere/log", id="log"),
        pytest.param("certfile = 'c'\nkeyfile = 'k'", "No such file", id="certificate"),
        pytest.param("bind = 'here'", "write HOST:PORT, [IPV6]:PORT or unix:PATH", id="address"),
        pytest.param("bind = [5000]", "write HOST:PORT, [IPV6]:PORT or unix:PATH", id="number"),
    ],
)
def test_bad_configuration(tmp_path: Path, text: str, message: str) -> None:
    """A setting that Hypercorn would ignore, or fail on later, is an error of one line."""
    file = tmp_path / "hypercorn.toml"
    file.write_text(text)
    line = error_of(tmp_path, "--config", str(file))
    assert message in line


@pytest.mark.parametrize(
    ("server", "text", "message"),
    [
        pytest.param(
            "uvicorn",
            "h2_max_concurrent_streams = 9",
            "uvicorn has no h2_max_concurrent_streams: leave it out, or use --server hypercorn or"
            " granian",
            id="http2 on uvicorn",
        ),
        pytest.param(
            "granian",
            "keep_alive_timeout = 9",
            "granian has no keep_alive_timeout: leave it out, or use --server hypercorn or uvicorn",
            id="idle connections on granian",
        ),
        pytest.param(
            "uvicorn",
            'quic_bind = "127.0.0.1:0"',
            "uvicorn has no quic_bind: leave it out, or use --server hypercorn",
            id="http3",
        ),
        pytest.param(
            "granian",
            'keyfile_password = "secret"',
            "granian has no keyfile_password: leave it out, or use --server hypercorn or uvicorn",
            id="key with a password on granian",
        ),
        pytest.param(
            "granian",
            'root_path = "/shop"',
            "granian has no root_path: use the option --prefix",
            id="prefix",
        ),
        pytest.param(
            "granian",
            'bind = ["127.0.0.1:0", "127.0.0.1:0"]',
            "granian listens on one address, not 2: leave out a --bind, or use --server hypercorn"
            " or uvicorn",
            id="addresses",
        ),
        pytest.param(
            "uvicorn",
            'accesslog = "access.log"',
            "uvicorn writes its log to the output of this command",
            id="log",
        ),
        pytest.param(
            "granian",
            "certfile = 'c'\nkeyfile = 'k'\nverify_mode = 1",
            "granian has no optional certificates of clients",
            id="optional certificates",
        ),
        pytest.param(
            "granian", "wokers = 2", "Hypercorn has no setting 'wokers': did you mean", id="key"
        ),
    ],
)
def test_what_a_server_has_not(tmp_path: Path, server: str, text: str, message: str) -> None:
    """A setting that the server has nothing for is an error that says what to use."""
    (tmp_path / "h.toml").write_text(text)
    line = error_of(tmp_path, "--server", server, "--config", "h.toml")
    assert line.partition("h.toml: ")[2].startswith(message) or line == f"Error: {message}"


@pytest.mark.parametrize(
    ("server", "package"), [("uvicorn", "httptools"), ("granian", "granian"), ("uvicorn", "uvloop")]
)
def test_missing_server(tmp_path: Path, server: str, package: str) -> None:
    """A server that is not installed is an error that names its extra."""
    (tmp_path / "sitecustomize.py").write_text(HIDE.format(package=package))
    search = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    line = error_of(tmp_path, "--server", server, PYTHONPATH=search)
    remedy = f"pip install 'quartpatterns[{server}]'"
    assert line == f"Error: {server} needs {package}, which is not installed: {remedy}"


@pytest.mark.slow
@pytest.mark.parametrize("server", [*PROGRAMS])
def test_tls(serve: Serve, server: str, tmp_path: Path) -> None:
    """With a certificate the server speaks TLS 1.2 and 1.3, and HTTP/2 unless it is Uvicorn."""
    options = "req -x509 -newkey rsa:2048 -nodes -days 9 -keyout k.pem -out c.pem -subj /CN=shop"
    subprocess.run(["openssl", *options.split()], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "h.toml").write_text('certfile = "c.pem"\nkeyfile = "k.pem"')
    served = serve("--server", server, "--config", "h.toml").until_ready()
    url = served.url.replace("http:", "https:")
    assert f"gallery   {url}" in served.output
    trusted = ssl.create_default_context(cafile=str(tmp_path / "c.pem"))
    trusted.check_hostname = False
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        trusted.minimum_version = trusted.maximum_version = version
        with httpx.Client(verify=trusted, http2=True, timeout=TIMEOUT) as client:
            response = client.get(f"{url}/seen")
        assert response.text == f"127.0.0.1 {url}/seen"
        assert response.http_version == ("HTTP/1.1" if server == "uvicorn" else "HTTP/2")


@pytest.mark.slow
@pytest.mark.parametrize("server", ["uvicorn", "granian"])
def test_unix_socket(
    serve: Serve, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Command, "binds_port", False)
    served = serve("--server", server, "--bind", f"unix:{tmp_path / 's'}").until_ready()
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(tmp_path / "s"))) as client:
        assert client.get("http://localhost/").status_code == 200
    served.process.terminate()
    assert served.code() == 0


@pytest.mark.slow
@pytest.mark.parametrize("server", [*PROGRAMS])
def test_access_log(serve: Serve, server: str, tmp_path: Path) -> None:
    """Each request is one line of the output, unless the configuration has no access log."""
    served = serve("--server", server).until_ready()
    assert httpx.get(f"{served.url}/seen?a=b", timeout=TIMEOUT).status_code == 200
    served.until(lambda: '"GET /seen' in served.output)
    served.process.terminate()
    assert served.code() == 0
    (tmp_path / "h.toml").write_text("workers = 1")
    served = serve("--server", server, "--config", "h.toml").until_ready()
    assert httpx.get(f"{served.url}/seen", timeout=TIMEOUT).status_code == 200
    served.process.terminate()
    assert served.code() == 0
    assert "GET /seen" not in served.output


@pytest.mark.slow
@pytest.mark.parametrize("server", [*PROGRAMS])
@pytest.mark.parametrize("level", ["WARN", "fatal", "NOTSET"])
def test_log_level(serve: Serve, server: str, level: str, tmp_path: Path) -> None:
    """Each server knows each name of a level."""
    (tmp_path / "h.toml").write_text(f'loglevel = "{level}"')
    serve("--server", server, "--config", "h.toml").until_ready()


def test_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "cannot be read: No such file" in error_of(tmp_path, "--config", "nothing.toml")
    assert "is not TOML" in error_of(tmp_path, "--config", "binary")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        pytest.param("5000", "is not an address", id="no host"),
        pytest.param("127.0.0.1:http", "is not an address", id="no number"),
        pytest.param("127.0.0.1:99999", "the highest is 65535", id="large"),
        pytest.param("192.0.2.1:5000", "is not available", id="elsewhere"),
        pytest.param("fd://3", "is not an address", id="descriptor"),
        pytest.param("unix:no/s", "the folder no does not exist", id="no folder"),
        pytest.param("unix:file", "the file exists and is not a socket", id="file"),
        pytest.param(f"unix:{'x' * 150}", "path too long: choose another path", id="long"),
        pytest.param(f"unix:{'x' * 300}", "too long: choose another path", id="longer"),
        pytest.param("unix:used", "unix:used: already in use: choose another path", id="used"),
    ],
)
def test_bad_address(tmp_path: Path, address: str, message: str) -> None:
    (tmp_path / "file").touch()
    with socket.socket(socket.AF_UNIX) as used:
        used.bind(str(tmp_path / "used"))
        used.listen()
        assert message in error_of(tmp_path, "--bind", address)
    assert not (tmp_path / "instance").exists()


@pytest.mark.parametrize(
    ("env", "message"),
    [
        pytest.param({"REDIS_URL": "localhost"}, "REDIS_URL is not like redis://", id="redis"),
        pytest.param({"DATABASE_URL": "nonsense"}, "correct DATABASE_URL", id="database"),
        pytest.param(
            {"DATABASE_URL": "postgresql://a:b@127.0.0.1:1/c"}, "correct DATABASE_URL", id="down"
        ),
    ],
)
def test_bad_environment(tmp_path: Path, env: dict[str, str], message: str) -> None:
    assert message in error_of(tmp_path, "--bind", "127.0.0.1:0", **env)


def test_bad_data(tmp_path: Path) -> None:
    """The data folder is a file, or the database file is invalid."""
    (tmp_path / "file").write_text("")
    assert "--data file/sub: Not a directory" in error_of(
        tmp_path, "--bind", "127.0.0.1:0", "--data", "file/sub"
    )
    (tmp_path / "instance").mkdir()
    (tmp_path / "instance" / "gallery.sqlite").write_text("invalid" * 100)
    assert "file is not a database" in error_of(tmp_path, "--bind", "127.0.0.1:0")


@pytest.mark.parametrize(
    ("app", "message"),
    [
        pytest.param("shopp:app", "no module 'shopp'", id="module"),
        pytest.param("shop:apq", "module 'shop' has no 'apq'", id="name"),
        pytest.param("shop:wsgi", "shop:wsgi is a WSGI application", id="wsgi"),
        pytest.param("broken:app", "importing 'broken' failed: ZeroDivisionError", id="import"),
        pytest.param("ends:app", "ends:app ended its process with code 3", id="exit"),
    ],
)
def test_bad_application(tmp_path: Path, app: str, message: str) -> None:
    """An application that cannot be loaded is an error before anything is started."""
    (tmp_path / "shop.py").write_text(APP)
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "ends.py").write_text("raise SystemExit(3)")
    line = error_of(tmp_path, "--bind", "127.0.0.1:0", "--app", app)
    assert line.startswith(f"Error: --app: {message}")
    assert not (tmp_path / "instance").exists()


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("server", SERVERS)
def test_failing_application(serve: Serve, server: str, workers: str) -> None:
    """If the application does not start, the command exits."""
    served = serve("--server", server, "--workers", workers, app="shop:unready")
    assert served.code() == 2
    assert "no database" in served.output


def test_help(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "quartpatterns", "serve", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for word in ("--workers 4", "REDIS_URL", "DATABASE_URL", "Ctrl-C", "Exit code"):
        assert word in text
