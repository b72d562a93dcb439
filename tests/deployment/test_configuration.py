"""Configuration in two layers, on each class of application."""

from __future__ import annotations

from pathlib import Path

import pytest
from quart import Quart

from quartpatterns.deployment import ConfigurationMissingError, load_configuration

DEFAULTS = "quartpatterns.deployment.example.default_config"


@pytest.mark.checks("FA-3")
def test_layers(app_class: type[Quart], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of the host overrides the defaults, and can add settings."""
    (tmp_path / "host.cfg").write_text("ITEMS_PER_PAGE = 3\nOWN = 'x'\nlower = 1\n")
    monkeypatch.setenv("SHOP_CONFIG", str(tmp_path / "host.cfg"))
    app = app_class(__name__)
    load_configuration(app, DEFAULTS, "SHOP_CONFIG")
    assert app.config["ITEMS_PER_PAGE"] == 3
    assert app.config["GREETING"] == "Hello from the defaults"
    assert app.config["OWN"] == "x"
    assert "lower" not in app.config


@pytest.mark.checks("FA-3")
@pytest.mark.parametrize(
    ("file", "text"),
    [
        pytest.param(None, "'SHOP_CONFIG' is not set. Set it to the path", id="unset"),
        pytest.param("", "SHOP_CONFIG' is not set", id="empty"),
        pytest.param("missing.cfg", "which cannot be read .No such file", id="missing"),
        pytest.param("broken.cfg", "line 2 of it is not valid Python", id="broken"),
    ],
)
def test_missing(
    file: str | None, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a valid file the application does not start with the defaults."""
    (tmp_path / "broken.cfg").write_text("A = 1\nB = (\n")
    monkeypatch.delenv("SHOP_CONFIG", raising=False)
    if file is not None:
        monkeypatch.setenv("SHOP_CONFIG", str(tmp_path / file) if file else "")
    with pytest.raises(ConfigurationMissingError, match=text):
        load_configuration(Quart(__name__), DEFAULTS, "SHOP_CONFIG")
