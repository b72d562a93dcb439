"""The error that names an extra, and the errors that pass."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib import metadata

import pytest

from quartpatterns._shared.extras import (
    MissingExtraError,
    distribution,
    missing_extra,
    missing_libraries,
    requirements,
    requires_extra,
)


@pytest.mark.parametrize("library", ["aiosqlite", "aiosqlite.core"])
def test_a_missing_library_names_the_extra(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiosqlite", None)
    monkeypatch.delitem(sys.modules, "aiosqlite.core", raising=False)
    with pytest.raises(MissingExtraError) as caught:
        with requires_extra("sqlite3"):
            importlib.import_module(library)
    error = caught.value
    assert str(error) == (
        "quartpatterns.sqlite3 needs aiosqlite: pip install 'quartpatterns[sqlite3]'"
    )
    assert error.name == "aiosqlite"
    assert isinstance(error.__cause__, ModuleNotFoundError)
    assert isinstance(error, ImportError)


@pytest.mark.parametrize(
    ("extra", "library"), [("json", "orjson"), ("passwords", "argon2"), ("mongodb", "bson")]
)
def test_what_needs_it_can_be_named(
    extra: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the distribution has another name than the library."""
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=rf"^This needs {library}: pip .*\[{extra}\]'$"):
        with requires_extra(extra, needed_by="This"):
            importlib.import_module(library)


def test_an_import_that_works() -> None:
    with requires_extra("json"):
        import json
    assert json.loads("1") == 1


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'aiosqlite'", name="aiosqlite"),
        ModuleNotFoundError("No module named 'orjson.nothing'", name="orjson.nothing"),
        ModuleNotFoundError("no name"),
        ImportError("cannot import name 'x' from 'orjson'", name="orjson"),
        missing_extra("inner", "orjson"),
        ValueError("orjson"),
    ],
)
def test_other_errors_pass(error: Exception) -> None:
    """A library of another extra, and one that is installed, are other problems."""
    with pytest.raises(type(error)) as caught:
        with requires_extra("json"):
            raise error
    assert caught.value is error


def test_a_missing_module_of_this_package_passes() -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        with requires_extra("json"):
            importlib.import_module("quartpatterns.no_such_module")
    assert not isinstance(caught.value, MissingExtraError)


def test_without_metadata() -> None:
    """A package that runs from a folder without being installed knows no extras."""
    code = (
        "from importlib import metadata;"
        "metadata.requires = lambda name: metadata.distribution('no-such-distribution');"
        "from quartpatterns._shared.extras import *;"
        "print(requirements(), missing_libraries('all'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "{} []\n"


def test_names_of_distributions() -> None:
    names = [distribution(name) for name in ("bson.json_util", "flask_uploads", "http_sf")]
    assert names == ["pymongo", "flask-reuploaded", "http-sf"]
    assert requirements()["sqlite3"] == {"aiosqlite": True}
    assert requirements()["granian"] == {"granian": True, "uvloop": False}


def test_missing_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is only for some machines is not reported as missing."""

    def find(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", find)
    assert missing_libraries("granian", "sqlite3") == ["aiosqlite", "granian"]
    assert missing_libraries() == []
