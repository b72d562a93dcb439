"""The package of Flask's page, and the port."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from quartpatterns.compare.processes import Process, accepts, free_port
from quartpatterns.packages.example.port import create_app
from quartpatterns.packages.example.yourapplication import app
from tests.written import Write

PAGE = {
    "yourapplication/__init__.py": """
        from quart import Quart
        app = Quart(__name__)

        import yourapplication.views
    """,
    "yourapplication/views.py": """
        from yourapplication import app

        @app.route('/')
        async def index():
            return 'Hello World!'
    """,
    "yourapplication/static/style.css": "main { color: green }",
}


@pytest.mark.checks("PKG-1", "PKG-2", "PKG-3", "PKG-4")
async def test_page(write: Write) -> None:
    """The package of Flask's page, with Quart."""
    write(PAGE)
    import yourapplication  # type: ignore[import-not-found]  # the test has written it

    client = yourapplication.app.test_client()
    assert yourapplication.app.name == "yourapplication"
    index = await client.get("/")
    assert await index.get_data() == b"Hello World!"
    assert index.headers["Content-Type"] == "text/html; charset=utf-8"
    style = await client.get("/static/style.css")
    assert await style.get_data() == b"main { color: green }"
    assert (await client.get("/nope")).status_code == 404
    posted = await client.post("/")
    assert posted.status_code == 405
    assert set(posted.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.wire
@pytest.mark.checks("PKG-5")
def test_run(write: Write, tmp_path: Path) -> None:
    """Quart's command serves the package."""
    folder = write(PAGE)
    port = free_port()
    command = [sys.executable, "-m", "quart", "--app", "yourapplication", "run", "-p", str(port)]
    with Process(command, log=tmp_path / "log", cwd=folder) as process:
        process.wait_until(lambda: accepts(port))
        assert httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).text == "Hello World!"


@pytest.mark.checks("PKG-5")
def test_run_as_script(write: Write) -> None:
    """The file as a script fails, because the package is unknown."""
    command = [sys.executable, "yourapplication/__init__.py"]
    done = subprocess.run(command, cwd=write(PAGE), capture_output=True, text=True, timeout=60)
    assert "No module named 'yourapplication'" in done.stderr
    assert done.returncode == 1


@pytest.mark.checks("PKG-2", "PKG-3", "PKG-7")
def test_port() -> None:
    """The port is the application of its package with its blueprints."""
    assert create_app({"SITE": "x"}) is app
    assert app.config["SITE"] == "x"
    assert app.import_name == "quartpatterns.packages.example.yourapplication"
    assert list(app.blueprints) == ["news", "users"]
