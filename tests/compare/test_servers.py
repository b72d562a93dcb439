from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest
from hypercorn.config import Config

from quartpatterns.catalog import PATTERNS
from quartpatterns.compare.processes import StartError
from quartpatterns.compare.resources import pinned
from quartpatterns.compare.servers import (
    ASGI_SERVERS,
    WSGI_SERVERS,
    RunningServer,
    Server,
    ServerMissingError,
    ensure_installed,
    hypercorn_settings,
    serve,
)

pytestmark = pytest.mark.wire

SERVERS = (*ASGI_SERVERS, *WSGI_SERVERS)
DEFAULTS: tuple[Server, ...] = ("hypercorn", "gunicorn-gthread")


def application(server: Server) -> str:
    return f"tests.compare.bench_apps:{'port' if server in ASGI_SERVERS else 'original'}"


def get(running: RunningServer, path: str = "/") -> str:
    with urllib.request.urlopen(running.url + path, timeout=60) as response:
        text: str = response.read().decode()
        return text


def tree(running: RunningServer) -> list[psutil.Process]:
    root = psutil.Process(running.pid)
    return [root, *root.children(recursive=True)]


@pytest.mark.parametrize("server", SERVERS)
def test_serves(server: Server, tmp_path: Path) -> None:
    """Each server serves the application with its configuration, and all its processes exit."""
    with serve(
        application(server), server, config={"NAME": 'it\'s "me"'}, folder=tmp_path
    ) as running:
        assert get(running) == 'hello it\'s "me"'
        processes = tree(running)
    assert not [process for process in processes if process.is_running()]
    assert "GET / " not in running.log.read_text(), "there must be no access log"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins processes to cores")
@pytest.mark.parametrize("server", ["hypercorn", "granian", "gunicorn-gthread"])
def test_cores(server: Server) -> None:
    """All processes of a server are pinned to the cores of the thread that starts it."""
    last = max(os.sched_getaffinity(0))
    with pinned([last]), serve(application(server), server, workers=2) as running:
        processes = tree(running)
        assert len(processes) >= 3
        assert {tuple(process.cpu_affinity() or ()) for process in processes} == {(last,)}


def test_lifespan() -> None:
    """A server that responds has started its application."""
    with serve(application("hypercorn"), "hypercorn") as running:
        assert get(running, "/started") == "!"


@pytest.mark.parametrize("server", SERVERS)
def test_no_module(server: Server) -> None:
    """If a server does not start, the message says why, without a traceback."""
    with pytest.raises(StartError) as caught, serve("tests.nowhere:app", server):
        pass
    assert str(caught.value).startswith(f"{server} exited with code")
    assert "no module 'tests.nowhere'" in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("server", ASGI_SERVERS)
def test_lifespan_fails(server: Server) -> None:
    """If the lifespan fails, the server does not start, and the message has the reason."""
    with pytest.raises(StartError, match="no broker: set BROKER_URL"):
        with serve("tests.compare.bench_apps:broken", server):
            pass


def test_config_without_literal() -> None:
    """A configuration must consist of literals; the error says so."""
    with pytest.raises(StartError, match="must consist of literals"):
        with serve(application("hypercorn"), "hypercorn", config={"NAME": object()}):
            pass


@pytest.mark.parametrize("server", DEFAULTS)
def test_user_settings(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the user's own servers are ignored."""
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--access-logfile=- --workers=3")
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gunicorn.conf.py").write_text("accesslog = '-'")
    (folder := tmp_path / "logs").mkdir()
    with serve(application(server), server, folder=folder) as running:
        get(running)
        workers = tree(running)[1:]
        assert len([one for one in workers if "resource_tracker" not in str(one.cmdline())]) == 1
    assert "GET / " not in running.log.read_text()


@pytest.mark.parametrize(
    ("server", "package", "extra"),
    [("uvicorn", "uvicorn", "uvicorn"), ("gunicorn-gevent", "gevent", "bench")],
)
def test_not_installed(
    server: Server, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the extra."""
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == package else object()
    )
    with pytest.raises(ServerMissingError, match=rf"pip install 'quartpatterns\[{extra}\]'"):
        ensure_installed(server)


def test_hypercorn_settings() -> None:
    """Each key of the project's file is a setting of Hypercorn."""
    settings = hypercorn_settings()
    assert settings["worker_class"] == "uvloop"
    assert not [key for key in settings if not hasattr(Config, key)]


def test_hypercorn_file(tmp_path: Path) -> None:
    """Hypercorn runs with the project's settings, except for address, log and keep-alive."""
    with serve(application("hypercorn"), "hypercorn", folder=tmp_path, workers=2) as running:
        file = next(tmp_path.glob("hypercorn-*.toml"))
        written = Config.from_toml(file)
    project = hypercorn_settings()
    assert written.accesslog is None and written.workers == 2
    assert written.bind == [running.url.removeprefix("http://")]
    changed = {"accesslog", "bind", "workers", "keep_alive_timeout"}
    for key in project.keys() - changed:
        assert getattr(written, key) == project[key], key


@pytest.mark.parametrize("pattern", [pattern.name for pattern in PATTERNS])
def test_original_without_helpers(pattern: str) -> None:
    """The process of an original has neither Quart nor the helper in its memory."""
    code = (
        "import sys; from quartpatterns.compare.target import app;"
        f"import quartpatterns.{pattern}.example.original;"
        f"print([name for name in sys.modules if name == 'quart' or name.startswith("
        f"'quartpatterns.{pattern}.') and '.example' not in name])"
    )
    name = f"quartpatterns.{pattern}.example.original:create_app"
    env = os.environ | {"QUARTPATTERNS_TARGET": name}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
