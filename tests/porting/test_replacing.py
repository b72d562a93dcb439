# ruff: noqa: E501 - the port does not wrap lines
"""Functions that tests replace: what has moved, and what is asynchronous now."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from quartpatterns.porting import make_plan
from tests.porting.ported import port, written

SHOP = """
import time
from time import sleep

import requests
from flask import Flask, render_template

app = Flask(__name__)

def load():
    return requests.get("http://a").json()

@app.get("/")
def index():
    time.sleep(1)
    sleep(1)
    return render_template("a.html", data=load())
"""
HEAD = """
import time
from unittest import mock
from unittest.mock import Mock, patch

import requests
import shop

"""
NEW_HEAD = HEAD.replace("import requests", "import niquests as requests")

# Each pair stands after HEAD.
PAIRS = {
    "monkeypatch": (
        """
        def test_index(monkeypatch):
            def fake(url):
                return Mock()
            monkeypatch.setattr(requests, "get", fake)
            monkeypatch.setattr(shop.requests, "get", fake)
            monkeypatch.setattr("shop.requests.get", lambda url: Mock())
            monkeypatch.setattr("requests.get", Mock())
            monkeypatch.setattr(time, "sleep", lambda seconds: None)
            monkeypatch.setattr(shop.time, "sleep", fake)
            monkeypatch.setattr("shop.time.sleep", fake)
            monkeypatch.setattr("time.sleep", fake)
            monkeypatch.setattr(shop, "sleep", lambda seconds: None)
            monkeypatch.setattr("shop.sleep", fake)
            monkeypatch.setattr(shop, "render_template", lambda name, data: name)
            monkeypatch.setattr(shop, "load", lambda: 1)
            monkeypatch.setattr(time, "time", lambda: 0)
            assert shop.app.test_client().get("/").status_code == 200
        """,
        """
        async def test_index(monkeypatch):
            async def fake(url):
                return Mock()
            monkeypatch.setattr(requests, "aget", fake)
            monkeypatch.setattr(shop.requests, "aget", fake)
            monkeypatch.setattr("shop.requests.aget", AsyncMock(side_effect=lambda url: Mock()))
            monkeypatch.setattr("niquests.aget", AsyncMock(side_effect=Mock()))
            monkeypatch.setattr(asyncio, "sleep", AsyncMock(side_effect=lambda seconds: None))
            monkeypatch.setattr(shop.asyncio, "sleep", fake)
            monkeypatch.setattr("shop.asyncio.sleep", fake)
            monkeypatch.setattr("asyncio.sleep", fake)
            monkeypatch.setattr(shop, "sleep", AsyncMock(side_effect=lambda seconds: None))
            monkeypatch.setattr("shop.sleep", fake)
            monkeypatch.setattr(shop, "render_template", AsyncMock(side_effect=lambda name, data: name))
            monkeypatch.setattr(shop, "load", AsyncMock(side_effect=lambda: 1))
            monkeypatch.setattr(time, "time", lambda: 0)
            assert (await shop.app.test_client().get("/")).status_code == 200
        """,
    ),
    "patch": (
        """
        @patch("shop.requests.get")
        @mock.patch("shop.load", return_value=1)
        def test_index(load, get):
            get.return_value.json.return_value = {}
            with patch.object(requests, "get", side_effect=OSError), patch("time.sleep"):
                shop.app.test_client().get("/")
            with patch("shop.load", Mock()), mock.patch.object(shop, "load", new=lambda: 2):
                shop.app.test_client().get("/")

        def test_other(mocker):
            mocker.patch("shop.requests.get")
            mocker.patch.object(shop, "load", return_value=1)
            mocker.patch("shop.Flask")
            shop.app.test_client().get("/")
        """,
        """
        @patch("shop.requests.aget", return_value=MagicMock())
        @mock.patch("shop.load", return_value=1)
        async def test_index(load, get):
            get.return_value.json.return_value = {}
            with patch.object(requests, "aget", side_effect=OSError), patch("asyncio.sleep", return_value=MagicMock()):
                await shop.app.test_client().get("/")
            with patch("shop.load", AsyncMock(side_effect=Mock())), mock.patch.object(shop, "load", new=AsyncMock(side_effect=lambda: 2)):
                await shop.app.test_client().get("/")

        async def test_other(mocker):
            mocker.patch("shop.requests.aget", return_value=MagicMock())
            mocker.patch.object(shop, "load", return_value=1)
            mocker.patch("shop.Flask")
            await shop.app.test_client().get("/")
        """,
    ),
}
IMPORTS = {"asyncio, ": "import asyncio"} | {
    f"{name}(": f"from unittest.mock import {name}" for name in ("AsyncMock", "MagicMock")
}


@pytest.mark.parametrize("name", PAIRS)
def test_pair(tmp_path: Path, name: str) -> None:
    """The port of each, and the port of the port, which changes nothing."""
    before, after = (textwrap.dedent(text).lstrip("\n") for text in PAIRS[name])
    written(tmp_path, {"shop.py": SHOP, "test_shop.py": HEAD.lstrip() + before})
    plan = port(tmp_path, "data")
    text = (tmp_path / "test_shop.py").read_text()
    for used, statement in IMPORTS.items():
        assert text.count(f"{statement}\n") == (used in after)
        text = text.replace(f"{statement}\n", "")
    assert text == NEW_HEAD.lstrip() + after
    assert not [each for each in plan.findings if each.file == "test_shop.py"]
    assert not make_plan(tmp_path, "data").changes


def test_flash_in_mocks(tmp_path: Path) -> None:
    """``flash`` is no coroutine function, so that ``patch`` alone would not make it awaitable."""
    shop = """
    from flask import Flask, flash

    app = Flask(__name__)

    @app.get("/")
    def index():
        flash("saved")
        return ""
    """
    tests = """
    from unittest.mock import patch
    import shop

    @patch("shop.flash")
    def test_index(flash):
        with patch.object(shop, "flash", return_value=None):
            shop.app.test_client().get("/")
    """
    written(tmp_path, {"shop.py": shop, "test_shop.py": tests})
    port(tmp_path)
    text = (tmp_path / "test_shop.py").read_text()
    assert '@patch("shop.flash", new_callable=AsyncMock)' in text
    assert 'patch.object(shop, "flash", return_value=None, new_callable=AsyncMock)' in text
    assert "from unittest.mock import AsyncMock\n" in text
    assert not make_plan(tmp_path).changes
