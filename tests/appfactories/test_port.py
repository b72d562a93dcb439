"""The factory of the port, and differences of the original's."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from jinja2 import TemplateNotFound
from quart import Quart

from quartpatterns.appfactories import ConfigError, sources
from quartpatterns.appfactories.example import original, port
from quartpatterns.compare.processes import Process, accepts, free_port

PORT = "quartpatterns.appfactories.example.port"


async def make_app(config: str | Mapping[str, Any] | None = None) -> Quart:
    """Return an application; reading its file would block the event loop."""
    return await asyncio.to_thread(port.create_app, config)


async def text(app: Quart, path: str) -> str:
    response = await app.test_client().get(path)
    return await response.get_data(as_text=True)


@pytest.mark.checks("AF-3", "AF-5")
async def test_two_applications() -> None:
    """Two applications of one factory have their own settings and entries."""
    dev, prod = await make_app("dev"), await make_app("prod")

    async def write(app: Quart, what: str) -> None:
        for number in range(5):
            response = await app.test_client().post("/entries", form={"text": f"{what} {number}"})
            assert response.status_code == 303

    await asyncio.gather(write(dev, "dev"), write(prod, "prod"), write(dev, "dev"))
    assert "10 entries" in await text(dev, "/admin/")
    assert "<dd>5 of at most 100</dd>" in await text(prod, "/admin/")
    assert "prod" not in await text(dev, "/")
    assert "dev 4" not in await text(prod, "/")


@pytest.mark.checks("AF-3")
def test_two_applications_of_the_original() -> None:
    """Two applications of the original's factory have their own settings and entries."""
    dev, prod = original.create_app("dev"), original.create_app("prod")  # type: ignore[no-untyped-call]
    assert "0 entries" in dev.test_client().get("/admin/").text
    assert "0 of at most 100" in prod.test_client().get("/admin/").text


@pytest.mark.checks("AF-4")
async def test_current_app() -> None:
    """Outside a context there is no current application."""
    with pytest.raises(RuntimeError, match="Not within an app context"):
        _ = port.guestbook.entries
    app = await make_app({})
    async with app.app_context():
        assert not await port.guestbook.entries.all()


@pytest.mark.checks("AF-2")
def test_missing_key() -> None:
    """Without the setting the page's view fails in each request; the port is not made."""
    app = original.create_app()  # type: ignore[no-untyped-call]
    del app.config["INDEX_TEMPLATE"]
    assert app.test_client().get("/admin/").status_code == 500
    with pytest.raises(ConfigError, match="INDEX_TEMPLATE must be a string, not None"):
        port.create_app({"INDEX_TEMPLATE": None})


@pytest.mark.checks("AF-2", "AF-7")
async def test_missing_template() -> None:
    """The port does not start if the template is missing."""
    app = await make_app({"INDEX_TEMPLATE": "nope.html"})
    with pytest.raises(TemplateNotFound, match="nope.html"):
        await app.startup()
    app = await make_app("dev")
    await app.startup()
    await app.shutdown()


@pytest.mark.checks("AF-7", "AF-8")
async def test_mapping(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a mapping neither file nor environment are read, and other keys are ignored."""
    monkeypatch.setenv("QUART_SITE", "Environment")
    app = await make_app({"MAX_ENTRIES": 1, "MONGODB_URL": "mongodb://x"})
    assert app.config["SITE"] == "Guestbook"
    assert app.config["MAX_ENTRIES"] == 1
    assert "MONGODB_URL" not in app.config
    app = await make_app("dev")
    assert app.config["SITE"] == "Environment"
    assert sources(app)["MAX_ENTRIES"].place.endswith("config/dev.toml")


def quart(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "quart", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environ},
    )


@pytest.mark.wire
@pytest.mark.checks("AF-6")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(PORT, id="found"),
        pytest.param(f"{PORT}:create_app", id="named"),
        pytest.param(f"{PORT}:create_app('dev')", id="argument"),
        pytest.param(f'{PORT}:create_app(config="prod")', id="keyword"),
    ],
)
def test_command(name: str) -> None:
    """Quart's command finds the factory, and passes its argument."""
    done = quart("--app", name, "routes")
    assert done.returncode == 0, done.stderr
    assert "admin.overview" in done.stdout


@pytest.mark.wire
@pytest.mark.checks("AF-6", "AF-9")
def test_command_with_invalid_settings() -> None:
    """The command shows all problems of the configuration."""
    done = quart("--app", f"{PORT}:create_app('test')", "routes", QUART_MAX_ENTRY="1")
    assert done.returncode == 1
    assert "config/test.toml; the folder contains dev.toml, prod.toml" in done.stderr
    assert "MAX_ENTRY is not a setting (environment QUART_MAX_ENTRY)" in done.stderr


@pytest.mark.wire
@pytest.mark.checks("AF-6", "AF-10")
def test_serve(tmp_path: Path) -> None:
    """The command serves the application with the settings of file and environment."""
    number = free_port()
    command = [sys.executable, "-m", "quart", "--app", f'{PORT}:create_app("dev")', "run"]
    environ = {**os.environ, "QUART_RUN_PORT": str(number), "QUART_SITE": "Environment"}
    with Process(command, log=tmp_path / "log", env=environ) as process:
        process.wait_until(lambda: accepts(number))
        answer = httpx.get(f"http://127.0.0.1:{number}/admin/", trust_env=False)
    assert "<h1>0 entries</h1>" in answer.text
    assert "Environment</title>" in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
