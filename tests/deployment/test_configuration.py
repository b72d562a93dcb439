"""The configuration in two layers, on each class of application."""

from __future__ import annotations

from pathlib import Path

import pytest
from quart import Quart

from quartpatterns.deployment import ConfigurationMissingError, load_configuration

DEFAULTS = "quartpatterns.deployment.default_config"


@pytest.mark.checks("FA-3")
def test_layers(app_class: type[Quart], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host's file is over the defaults, and adds to them."""
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
    ("text", "said"),
    [
        pytest.param(None, "'SHOP_CONFIG' is not set: set it to the path", id="unset"),
        pytest.param("", "SHOP_CONFIG' is not set", id="empty"),
        pytest.param("missing.cfg", "which can't be read .No such file", id="missing"),
        pytest.param("broken.cfg", "whose line 2 is not Python: correct it", id="broken"),
    ],
)
def test_missing(
    text: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that says nothing does not start with the defaults."""
    (tmp_path / "broken.cfg").write_text("A = 1\nB = (\n")
    monkeypatch.delenv("SHOP_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("SHOP_CONFIG", str(tmp_path / text) if text else "")
    with pytest.raises(ConfigurationMissingError, match=said):
        load_configuration(Quart(__name__), DEFAULTS, "SHOP_CONFIG")
