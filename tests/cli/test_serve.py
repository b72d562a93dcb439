"""``quartpatterns serve`` as a person calls it: real processes, signals, and nobody left behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from quartpatterns.compare.processes import free_port

APP = """
import asyncio
import os

from quart import Quart

app = Quart(__name__)


@app.get("/")
async def index():
    return {"pid": os.getpid(), "redis": os.environ.get("REDIS_URL")}


@app.get("/slow/<float:seconds>")
async def slow(seconds):
    open("started", "w").close()
    await asyncio.sleep(seconds)
    return "done"


@app.get("/stuck")
async def stuck():
    await asyncio.sleep(60)


@app.after_serving
async def farewell():
    with open("farewell", "a") as file:
        file.write("shut down\\n")


class Unready(Quart):
    async def startup(self):
        raise RuntimeError("no database")


unready = Unready(__name__)
"""


class Served:
    """A running ``quartpatterns serve``, and every process that it has started."""

    def __init__(self, folder: Path, *arguments: str, **env: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.file = folder / "output"
        command = [sys.executable, "-m", "quartpatterns", "serve"]
        command += ["--bind", f"127.0.0.1:{self.port}", *arguments]
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

    def until(self, condition: Callable[[], Any], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)

    def until_ready(self) -> Served:
        self.until(lambda: "Ctrl-C ends all" in self.output or self.process.poll() is not None)
        assert self.process.poll() is None, self.output
        self.look()
        return self

    def look(self) -> list[psutil.Process]:
        """Remember every process there is now."""
        root = psutil.Process(self.process.pid)
        self.tree = list({*self.tree, root, *root.children(recursive=True)})
        return self.tree

    def alive(self) -> list[psutil.Process]:
        return [
            process
            for process in self.tree
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        ]

    def find(self, words: str) -> psutil.Process:
        """The one process that has *words* in its command, and is no keeper, when it is there."""

        def found() -> list[psutil.Process]:
            self.look()
            commands = {process: " ".join(process.cmdline()) for process in self.alive()}
            return [
                process
                for process, command in commands.items()
                if words in command and "keeper.py" not in command
            ]

        self.until(found)
        return found()[0]

    def code(self, seconds: float = 30) -> int:
        return self.process.wait(timeout=seconds)


def environment(**env: str) -> dict[str, str]:
    ours = {"REDIS_URL", "MONGODB_URL", "DATABASE_URL", "SECRET_KEY"}
    return {key: value for key, value in os.environ.items() if key not in ours} | env


Serve = Callable[..., Served]


@pytest.fixture(autouse=True)
def no_nohup() -> Iterator[None]:
    """What is started hears a hang-up and Ctrl-C, also where the tests themselves must not."""
    before = {sign: signal.getsignal(sign) for sign in (signal.SIGHUP, signal.SIGINT)}
    for sign, handler in before.items():
        if handler == signal.SIG_IGN:
            signal.signal(sign, signal.SIG_DFL)
    yield
    for sign, handler in before.items():
        signal.signal(sign, handler)


@pytest.fixture
def serve(tmp_path: Path, redis_url: str) -> Iterator[Serve]:
    """Start ``quartpatterns serve`` in an empty folder; everything is ended for certain.

    It starts a Valkey of its own; *redis_url* only says whether the machine has one.
    """
    (tmp_path / "shop.py").write_text(APP)
    with contextlib.ExitStack() as stack:

        def start(*arguments: str, app: str | None = "shop:app", **env: str) -> Served:
            chosen = ("--app", app) if app else ()
            served = Served(tmp_path, *arguments, *chosen, **env)
            stack.callback(end, served)
            return served

        yield start


def end(served: Served) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        served.look()
    for process in served.tree:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    served.process.wait()


def fails(folder: Path, *arguments: str, **env: str) -> str:
    """The one line that a wrong call is answered with."""
    done = subprocess.run(
        [sys.executable, "-m", "quartpatterns", "serve", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env=environment(**env),
    )
    assert done.returncode == 2, done.stderr
    line = done.stderr.strip()
    assert line.startswith("Error: ")
    assert "\n" not in line
    return line


def test_serve(serve: Serve) -> None:
    """From an empty folder: a database, a Valkey, a worker and pages, told in a few lines."""
    served = serve().until_ready()
    for line in ("database  sqlite:///", "redis     redis://", "worker    its log is"):
        assert line in served.output
    assert f"gallery   {served.url}" in served.output
    answer = httpx.get(served.url).json()
    assert answer["redis"] in served.output
    assert (served.folder / "instance" / "gallery.sqlite").stat().st_size > 0
    log = served.folder / "instance" / "worker.log"
    served.until(lambda: "ready for the jobs" in log.read_text())
    assert "Traceback" not in served.output


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_stop(serve: Serve, sign: signal.Signals, workers: str) -> None:
    """A signal lets a request end, shuts the application down, and leaves no process behind."""
    served = serve("--workers", workers).until_ready()
    assert len(served.look()) >= 7  # this command; Valkey, worker, Hypercorn and their keepers
    with slow_request(served, 1.0) as slow:
        served.process.send_signal(sign)
        assert slow.communicate(timeout=30)[0] == "done\n"
    assert served.code() == 0
    assert not served.alive()
    assert (served.folder / "farewell").read_text() == "shut down\n" * int(workers)
    assert "Traceback" not in served.output


@contextlib.contextmanager
def slow_request(served: Served, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """A process that asks for what takes *seconds*, once the server is at it."""
    get = f"httpx.get('{served.url}/slow/{seconds}', timeout=60)"
    command = [sys.executable, "-c", f"import httpx; print({get}.text)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        served.until(lambda: (served.folder / "started").exists())
        yield process


def test_stop_slowly(serve: Serve, tmp_path: Path) -> None:
    """Requests have the time that Hypercorn's settings give them."""
    (tmp_path / "hypercorn.toml").write_text("graceful_timeout = 20")
    served = serve("--config", "hypercorn.toml").until_ready()
    with slow_request(served, 11.0) as slow:
        served.process.terminate()
        assert slow.communicate(timeout=30)[0] == "done\n"
    assert served.code() == 0
    assert not served.alive()


def test_ctrl_c_in_a_terminal(serve: Serve) -> None:
    """Ctrl-C reaches the whole foreground group; that ends in the same good order."""
    served = serve().until_ready()
    os.killpg(served.process.pid, signal.SIGINT)
    assert served.code() == 0
    assert not served.alive()
    assert (served.folder / "farewell").exists()


def test_second_signal(serve: Serve) -> None:
    """A second signal ends at once what a request keeps from ending."""
    served = serve("--workers", "2").until_ready()
    stuck = socket.create_connection(("127.0.0.1", served.port))
    stuck.sendall(b"GET /stuck HTTP/1.1\r\nHost: localhost\r\n\r\n")
    time.sleep(0.5)
    served.process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert served.process.poll() is None
    asked = time.monotonic()
    served.process.send_signal(signal.SIGINT)
    assert served.code() == 0
    assert time.monotonic() - asked < 5
    assert not served.alive()
    stuck.close()


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGHUP])
def test_killed(serve: Serve, workers: str, sign: signal.Signals) -> None:
    """Nothing outlives the command when it is killed, or its terminal is closed."""
    served = serve("--workers", workers).until_ready()
    served.process.send_signal(sign)
    served.code()
    served.until(lambda: not served.alive(), 20)


def test_hypercorn_killed(serve: Serve) -> None:
    """When Hypercorn is killed the command says so and ends, and so does all it started."""
    served = serve().until_ready()
    served.find("-m hypercorn").kill()
    assert served.code() == 1
    assert not served.alive()
    assert "the server ended with exit code 137" in served.output


def test_worker_killed(serve: Serve) -> None:
    """A worker that is killed is replaced; one that can't live is not."""
    served = serve().until_ready()
    first = served.find("quartpatterns worker")
    time.sleep(5)
    first.kill()
    served.until(lambda: "The worker ended with exit code 137; here is another" in served.output)
    second = served.find("quartpatterns worker")
    assert second.pid != first.pid
    second.kill()
    served.until(lambda: "tasks wait until" in served.output)
    assert httpx.get(served.url).status_code == 200
    served.process.terminate()
    assert served.code() == 0
    assert not served.alive()


def test_early_signal(serve: Serve) -> None:
    """A signal while things are being started leaves nothing behind either."""
    served = serve()
    served.until(lambda: "redis  " in served.output)
    served.look()
    served.process.terminate()
    assert served.code() == 0
    served.until(lambda: not served.alive())


def test_two(serve: Serve) -> None:
    """A second one on the same data has a Redis of its own; on the same port it is refused."""
    one, two = serve().until_ready(), serve().until_ready()
    assert httpx.get(one.url).json()["redis"] != httpx.get(two.url).json()["redis"]
    said = fails(one.folder, "--bind", f"127.0.0.1:{one.port}", "--workers", "2")
    assert f"127.0.0.1:{one.port} is taken: stop what listens there, or choose" in said


def test_given_redis(serve: Serve, redis_url: str) -> None:
    """With REDIS_URL no Valkey and no worker is started; the line that is shown starts one."""
    served = serve(REDIS_URL=redis_url).until_ready()
    (line,) = re.findall(
        "its worker: QUART_REDIS_URL=\\$REDIS_URL quartpatterns (.*)", served.output
    )
    command = [sys.executable, "-m", "quartpatterns", *line.split(), "--burst"]
    subprocess.run(command, check=True, timeout=60, env=environment(QUART_REDIS_URL=redis_url))
    commands = [" ".join(process.cmdline()) for process in served.look()]
    assert not [command for command in commands if "valkey" in command or " worker " in command]
    assert httpx.get(served.url).json()["redis"] == redis_url


def test_mongodb(serve: Serve, mongodb_server: str) -> None:
    """A mongod is started, and keeps its data in the data folder; *mongodb_server* only says
    whether the machine has one."""
    served = serve().until_ready()
    assert "mongodb   mongodb://127.0.0.1:" in served.output
    assert served.find("--dbpath").is_running()
    assert (served.folder / "instance" / "mongodb" / "mongod.log").exists()
    two = serve().until_ready()
    assert "mongodb   none, so that mongodb answers 503: see " in two.output
    assert httpx.get(two.url).status_code == 200


def test_given_mongodb(serve: Serve) -> None:
    """With MONGODB_URL none is started, and the password is not told."""
    served = serve(MONGODB_URL="mongodb://ada:secret@db.example/x").until_ready()
    assert "mongodb   mongodb://db.example/x" in served.output
    assert "secret" not in served.output
    commands = [" ".join(process.cmdline()) for process in served.look()]
    assert not [command for command in commands if "--dbpath" in command]


def test_redis_down(serve: Serve) -> None:
    """A REDIS_URL where nobody answers is told once, without its password; the rest runs."""
    served = serve(REDIS_URL="redis://:secret@127.0.0.1:1/0").until_ready()
    assert served.output.count("127.0.0.1:1 doesn't answer") == 1
    assert "tasks answer 503 until it does" in served.output
    assert "secret" not in served.output
    assert httpx.get(served.url).status_code == 200


def test_gallery(serve: Serve) -> None:
    """The gallery itself: a task is handed to the worker, and gives 65; data is in one folder."""
    served = serve(app=None).until_ready()
    with httpx.Client(base_url=served.url) as client:
        assert client.get("/").status_code == 200
        id = client.post("/tasks/add", data={"a": "23", "b": "42"}).json()["result_id"]
        served.until(lambda: client.get(f"/tasks/result/{id}").json()["ready"])
        assert client.get(f"/tasks/result/{id}").json()["value"] == 65
        assert client.get("/sqlite3/").status_code == 200
    assert (served.folder / "instance" / "sqlite3.db").stat().st_size > 0


def test_addresses(serve: Serve, tmp_path: Path) -> None:
    """Several addresses, one of them a socket file, one on a port that is chosen for us."""
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
    ("text", "said"),
    [
        pytest.param(
            "wokers = 2", "Hypercorn has no setting 'wokers': do you mean workers?", id="key"
        ),
        pytest.param("_bind = 2", "Hypercorn has no setting '_bind'", id="private"),
        pytest.param("workers = 'two'", "workers is 'two', it should be like 1", id="type"),
        pytest.param("workers = true", "workers is True, it should be like 1", id="bool"),
        pytest.param("workers = 0", "workers is 0, it should be 1 or more", id="no workers"),
        pytest.param("workers = ", "is not TOML", id="no toml"),
        pytest.param("worker_class = 'trio'", "Quart runs on asyncio or uvloop", id="trio"),
        pytest.param("loglevel = 'LOUD'", "LOUD", id="level"),
        pytest.param("errorlog = '/nowhere/log'", "/nowhere/log", id="log"),
        pytest.param("certfile = 'c'\nkeyfile = 'k'", "No such file", id="certificate"),
        pytest.param("bind = 'here'", "write HOST:PORT, [IPV6]:PORT or unix:PATH", id="address"),
        pytest.param("bind = [5000]", "write HOST:PORT, [IPV6]:PORT or unix:PATH", id="number"),
    ],
)
def test_bad_configuration(tmp_path: Path, text: str, said: str) -> None:
    """A setting that Hypercorn would take in silence, or fail on later, is told in one line."""
    file = tmp_path / "hypercorn.toml"
    file.write_text(text)
    line = fails(tmp_path, "--config", str(file))
    assert said in line


def test_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "can't be read: No such file" in fails(tmp_path, "--config", "nothing.toml")
    assert "is not TOML" in fails(tmp_path, "--config", "binary")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        pytest.param("5000", "is no address", id="no host"),
        pytest.param("127.0.0.1:http", "is no address", id="no number"),
        pytest.param("127.0.0.1:99999", "ports end at 65535", id="large"),
        pytest.param("192.0.2.1:5000", "can't be bound", id="elsewhere"),
        pytest.param("fd://3", "is no address", id="descriptor"),
    ],
)
def test_bad_address(tmp_path: Path, address: str, said: str) -> None:
    assert said in fails(tmp_path, "--bind", address)


@pytest.mark.parametrize(
    ("env", "said"),
    [
        pytest.param({"REDIS_URL": "localhost"}, "REDIS_URL is not like redis://", id="redis"),
        pytest.param({"DATABASE_URL": "nonsense"}, "correct DATABASE_URL", id="database"),
        pytest.param(
            {"DATABASE_URL": "postgresql://a:b@127.0.0.1:1/c"}, "correct DATABASE_URL", id="down"
        ),
    ],
)
def test_bad_environment(tmp_path: Path, env: dict[str, str], said: str) -> None:
    assert said in fails(tmp_path, "--bind", "127.0.0.1:0", **env)


def test_bad_data(tmp_path: Path) -> None:
    """A data folder that is a file, and a database that is none."""
    (tmp_path / "file").write_text("")
    assert "--data file/sub: Not a directory" in fails(
        tmp_path, "--bind", "127.0.0.1:0", "--data", "file/sub"
    )
    (tmp_path / "instance").mkdir()
    (tmp_path / "instance" / "gallery.sqlite").write_text("no database, not at all" * 100)
    assert "file is not a database" in fails(tmp_path, "--bind", "127.0.0.1:0")


@pytest.mark.parametrize(
    ("app", "said"),
    [
        pytest.param("shopp:app", "no module 'shopp'", id="module"),
        pytest.param("shop:apq", "has no 'apq'", id="name"),
    ],
)
def test_bad_application(serve: Serve, app: str, said: str) -> None:
    served = serve(app=app)
    assert served.code() == 2
    assert said in served.output
    assert "Traceback" not in served.output


def test_application_fails(serve: Serve) -> None:
    """An application that can't start ends the command."""
    served = serve("--workers", "2", app="shop:unready")
    assert served.code() == 2
    assert "no database" in served.output


def test_help(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "quartpatterns", "serve", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for word in ("--workers 4", "REDIS_URL", "DATABASE_URL", "Ctrl-C", "Exit code"):
        assert word in text
