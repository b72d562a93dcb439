from __future__ import annotations

import os
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest
from hypercorn.config import Config

from quartpatterns.compare.processes import StartError
from quartpatterns.compare.server_commands import (
    ASGI_SERVERS,
    WSGI_SERVERS,
    ServerMissingError,
    ensure_installed,
    hypercorn_settings,
)
from quartpatterns.compare.servers import Running, Server, serve

pytestmark = pytest.mark.wire

SERVERS = (*ASGI_SERVERS, *WSGI_SERVERS)
DEFAULTS: tuple[Server, ...] = ("hypercorn", "gunicorn-gthread")


def side(server: Server) -> str:
    return f"tests.compare.benched:{'port' if server in ASGI_SERVERS else 'original'}"


def get(running: Running, path: str = "/") -> str:
    with urllib.request.urlopen(running.url + path, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def tree(running: Running) -> list[psutil.Process]:
    root = psutil.Process(running.pid)
    return [root, *root.children(recursive=True)]


@pytest.mark.parametrize("server", SERVERS)
def test_serves(server: Server, tmp_path: Path) -> None:
    """Each server serves the application with its configuration, and leaves no process."""
    with serve(side(server), server, config={"NAME": 'it\'s "me"'}, folder=tmp_path) as running:
        assert get(running) == 'hello it\'s "me"'
        processes = tree(running)
    assert not [process for process in processes if process.is_running()]
    assert "GET / " not in running.log.read_text(), "an access log costs time"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins processes to cores")
@pytest.mark.parametrize("server", ["hypercorn", "granian", "gunicorn-gthread"])
def test_cores(server: Server) -> None:
    """All processes of a server are on the given cores, and this thread stays where it was."""
    before = os.sched_getaffinity(0)
    last = max(before)
    with serve(side(server), server, cores=[last], workers=2) as running:
        assert os.sched_getaffinity(0) == before
        processes = tree(running)
        assert len(processes) >= 3
        assert {tuple(process.cpu_affinity() or ()) for process in processes} == {(last,)}


def test_lifespan() -> None:
    """A server that answers has started its application."""
    with serve(side("hypercorn"), "hypercorn") as running:
        assert get(running, "/started") == "!"


@pytest.mark.parametrize("server", SERVERS)
def test_no_module(server: Server) -> None:
    """A start that fails tells why without a traceback."""
    with pytest.raises(StartError) as caught, serve("tests.nowhere:app", server):
        pass
    assert str(caught.value).startswith(f"{server} ended with exit code")
    assert "no module 'tests.nowhere'" in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("server", ASGI_SERVERS)
def test_no_start(server: Server) -> None:
    """A lifespan that fails is a failing start, with the words of the application."""
    with pytest.raises(StartError, match="no broker: set BROKER_URL"):
        with serve("tests.compare.benched:broken", server):
            pass


def test_config_of_literals() -> None:
    """A configuration that is no literal can't be handed over; the error says so."""
    with pytest.raises(StartError, match="takes literals for a configuration"):
        with serve(side("hypercorn"), "hypercorn", config={"NAME": object()}):
            pass


@pytest.mark.parametrize("server", DEFAULTS)
def test_own_settings(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user's own servers are told elsewhere changes nothing."""
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--access-logfile=- --workers=3")
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gunicorn.conf.py").write_text("accesslog = '-'")
    (folder := tmp_path / "logs").mkdir()
    with serve(side(server), server, folder=folder) as running:
        get(running)
        workers = tree(running)[1:]
        assert len([one for one in workers if "resource_tracker" not in str(one.cmdline())]) == 1
    assert "GET / " not in running.log.read_text()


@pytest.mark.parametrize(
    ("server", "package"), [("uvicorn", "uvicorn"), ("gunicorn-gevent", "gevent")]
)
def test_not_installed(server: Server, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is not installed is an error that names the extra."""
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == package else object()
    )
    with pytest.raises(ServerMissingError, match=r"pip install 'quartpatterns\[bench\]'"):
        ensure_installed(server)


def test_hypercorn_settings() -> None:
    """Hypercorn runs with the project's file, of which each key exists."""
    settings = hypercorn_settings()
    assert settings["worker_class"] == "uvloop"
    assert not [key for key in settings if not hasattr(Config, key)]


def test_hypercorn_file(tmp_path: Path) -> None:
    """What the project's file says holds in the benchmark, but for the port and the log."""
    with serve(side("hypercorn"), "hypercorn", folder=tmp_path, workers=2) as running:
        file = next(tmp_path.glob("hypercorn-*.toml"))
        written = Config.from_toml(file)
    project = hypercorn_settings()
    assert written.accesslog is None and written.workers == 2
    assert written.bind == [running.url.removeprefix("http://")]
    changed = {"accesslog", "bind", "workers", "keep_alive_timeout"}
    for key in project.keys() - changed:
        assert getattr(written, key) == project[key], key
