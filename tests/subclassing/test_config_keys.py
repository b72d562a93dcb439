"""The configuration keys of Flask: each has the same effect in FaithfulQuart."""

from __future__ import annotations

import logging

import flask
import pytest

from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.subclassing.example.config_keys import CONFIG_KEYS, ConfigKey, measure
from quartpatterns.subclassing.example.differences.frameworks import Framework

pytestmark = [
    # Two responses of the probes are not read to their end by Flask's test client.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def no_blocking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn the guard off, because the probes of Flask block. Errors of views are not logged."""
    monkeypatch.setattr(logging.getLogger("quartpatterns"), "propagate", False)


@pytest.mark.parametrize("key", CONFIG_KEYS, ids=[key.name for key in CONFIG_KEYS])
async def test_as_flask(key: ConfigKey) -> None:
    """The default and another value have Flask's effects, which are not the same."""
    flask_effects = await measure(key, Framework("Flask"))
    assert await measure(key, Framework("FaithfulQuart")) == flask_effects
    default, changed = flask_effects.split(" → ")
    assert default != changed


def test_all_keys() -> None:
    """The table has all keys of Flask, and only the limit of a body has another default."""
    names = {key.name for key in CONFIG_KEYS if "," not in key.name}
    assert names == set(flask.Flask.default_config)
    app = FaithfulQuart(__name__)
    ours = {name: app.config[name] for name in names}
    theirs = dict(flask.Flask(__name__).config)
    assert {name for name in names if ours[name] != theirs[name]} == {"MAX_CONTENT_LENGTH"}
