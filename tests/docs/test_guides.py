"""The code of the guides works, and what they say about settings is true."""

from __future__ import annotations

import os
import re
import signal
import sys
import tomllib
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from quart import Quart, url_for

from docs.extension.repository import ROOT
from quartpatterns._shared.settings_of import all_declarations
from quartpatterns.cli import main
from quartpatterns.compare.processes import Process, StartError, accepts, free_port
from quartpatterns.compare.pytest_plugin import AssertParity
from quartpatterns.deployment import parse_settings
from quartpatterns.gallery.metrics import metrics_text
from quartpatterns.gallery.settings import SETTINGS
from tests.docs.pages import blocks
from tests.written import Write

DOCS = ROOT / "docs"


@pytest.fixture
def shop(write: Write) -> Path:
    """The files of docs/beside_flask.md."""
    files: dict[str, str] = {}
    for code in blocks(DOCS / "beside_flask.md", "python"):
        name = code.split()[1].rstrip(",")
        files[name] = files.get(name, "") + code
    assert files.keys() == {"old_shop.py", "shop.py", "test_shop.py"}
    return write(files)


async def test_beside_flask(shop: Path) -> None:
    """The moved route is answered by Quart, the others by Flask, with one session."""
    import old_shop  # type: ignore[import-not-found]
    from shop import app  # type: ignore[import-not-found]

    asked: list[str] = []
    old_shop.app.before_request(lambda: asked.append(old_shop.request.path))
    client = app.test_client()
    assert (await client.get("/orders/1")).status_code == 200
    assert (await client.get("/orders/2")).status_code == 404
    assert asked == []
    assert (await client.post("/login", form={"name": "ada"})).status_code == 302
    assert await (await client.get("/")).get_data(as_text=True) == "Hello ada"
    assert asked == ["/login", "/"]
    async with app.test_request_context("/orders/1"):
        assert url_for("index") == "/"


def test_beside_flask_is_compared(shop: Path, assert_parity: AssertParity) -> None:
    """The test of the page passes, and so does its command."""
    import test_shop  # type: ignore[import-not-found]

    test_shop.test_port(assert_parity)
    (command,) = blocks(DOCS / "beside_flask.md", "console")
    words = command.removeprefix("$ quartpatterns ").split()
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output


@pytest.mark.slow
@pytest.mark.wire
def test_killed_worker(write: Write, tmp_path: Path) -> None:
    """Hypercorn does not go on if one of its workers is killed."""
    code = """
        import os
        from quart import Quart

        app = Quart(__name__)
        app.add_url_rule("/", "index", lambda: str(os.getpid()))
    """
    folder, port = write({"pids.py": code}), free_port()
    command = [sys.executable, "-m", "hypercorn", "--workers", "2"]
    command += ["--bind", f"127.0.0.1:{port}", "pids:app"]
    with Process(command, log=tmp_path / "log", cwd=folder) as server:
        server.wait_until(lambda: accepts(port))
        os.kill(int(httpx.get(f"http://127.0.0.1:{port}/").text), signal.SIGKILL)
        with pytest.raises(StartError, match="exited"):
            server.wait_until(lambda: False)


def test_deploy_settings() -> None:
    """The deploy.toml of docs/deploy.md is valid."""
    (text,) = blocks(DOCS / "deploy.md", "toml")
    settings = parse_settings(tomllib.loads(text), root=Path("/p"), name="shop")
    assert settings.variables == {"QUART_PROXIES": "1"}


def known_settings() -> set[str]:
    """Return all keys that a helper, Quart or Quart-Schema has."""
    found: set[str] = {*Quart.default_config}
    for declared in all_declarations().values():
        found |= {*declared, *declared.instead}
    return found


def test_gallery_metrics() -> None:
    """docs/gallery.md has each metric of the gallery."""
    shown = re.findall(r"^# TYPE (quartpatterns_\w+) (\w+)", metrics_text([]).decode(), re.M)
    # The client also adds a gauge with the time at which each counter or histogram began.
    names = {name for name, _ in shown if not name.endswith("_created")}
    described = set(re.findall(r"`(quartpatterns_\w+)`", (DOCS / "gallery.md").read_text()))
    assert described == names


def test_gallery_variables() -> None:
    """The page names settings that exist, and `serve --help` has the variable of each."""
    variables = {f"QUARTPATTERNS_{key.removeprefix('GALLERY_')}" for key in SETTINGS}
    assert set(re.findall(r"GALLERY_\w+", (DOCS / "gallery.md").read_text())) <= SETTINGS.keys()
    shown = CliRunner().invoke(main, ["serve", "--help"]).output
    assert variables <= set(re.findall(r"\bQUARTPATTERNS_\w+", shown))


# What is written like a setting and is an environment variable.
OTHER_NAMES = re.compile(r"QUART(PATTERNS)?_\w+")


@pytest.mark.parametrize("page", ["workers", "deploy", "nginx", "installation", "quickstart"])
def test_settings_exist(page: str) -> None:
    """Each setting that a guide names is one."""
    text = (DOCS / f"{page}.md").read_text()
    names = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b", text))
    declared = all_declarations().values()
    unknown = {
        name
        for name in names - known_settings()
        if not OTHER_NAMES.fullmatch(name) and not any(one.find(name) for one in declared)
    }
    assert not unknown
