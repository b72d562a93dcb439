"""The error that names an extra, and the errors that pass."""

from __future__ import annotations

import importlib
import sys

import pytest

from quartpatterns._shared.extras import MissingExtraError, missing_extra, requires_extra


def test_a_missing_library_names_the_extra() -> None:
    with pytest.raises(MissingExtraError) as caught:
        with requires_extra("sqlite3", "other", "not_there_at_all"):
            import not_there_at_all.submodule  # type: ignore[import-not-found]  # noqa: F401
    error = caught.value
    assert str(error) == (
        "quartpatterns.sqlite3 needs not_there_at_all: pip install 'quartpatterns[sqlite3]'"
    )
    assert error.name == "not_there_at_all"
    assert isinstance(error.__cause__, ModuleNotFoundError)
    assert isinstance(error, ImportError)


def test_what_needs_it_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "orjson", None)
    with pytest.raises(MissingExtraError, match=r"^FastJSON needs orjson: pip .*\[json\]'$"):
        with requires_extra("json", "orjson", needed_by="FastJSON"):
            import orjson  # noqa: F401


def test_an_import_that_works() -> None:
    with requires_extra("json", "json"):
        import json
    assert json.loads("1") == 1


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'unlisted'", name="unlisted"),
        ModuleNotFoundError("No module named 'json.nothing'", name="json.nothing"),
        ModuleNotFoundError("no name"),
        ImportError("cannot import name 'x' from 'json'", name="json"),
        ImportError("cannot import name 'x' from 'gone'", name="gone"),
        missing_extra("inner", "gone"),
        ValueError("gone"),
    ],
)
def test_other_errors_pass(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        with requires_extra("json", "json", "gone"):
            raise error
    assert caught.value is error


def test_a_missing_module_of_this_package_passes() -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        with requires_extra("json", "orjson"):
            importlib.import_module("quartpatterns.no_such_module")
    assert not isinstance(caught.value, MissingExtraError)
