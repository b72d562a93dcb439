from __future__ import annotations

from typing import Any

import pytest

from quartpatterns.compare import Case, Difference, File, Step


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"form": {}, "json": {}}, id="form and json"),
        pytest.param({"json": {}, "body": b""}, id="json and body"),
        pytest.param({"files": {"f": File(b"", "f")}, "body": b""}, id="files and body"),
    ],
)
def test_one_body(given: dict[str, Any]) -> None:
    """A step has one kind of body."""
    with pytest.raises(ValueError, match="only one body"):
        Step(**given)


@pytest.mark.parametrize("aspect", ["Status", "header:", "header:Vary", "headers", ""])
def test_invalid_aspect(aspect: str) -> None:
    """A difference in an unknown aspect would never be compared."""
    with pytest.raises(ValueError, match="is not an aspect"):
        Difference(aspect, 1, 2, "reason")


def test_difference_without_a_reason() -> None:
    with pytest.raises(ValueError, match="needs a reason"):
        Difference("status", 200, 404, "")


def test_case_without_a_step() -> None:
    with pytest.raises(ValueError, match="has no step"):
        Case("empty")


def test_difference_of_an_unknown_step() -> None:
    with pytest.raises(ValueError, match="has no step 1"):
        Case("one step", Step(), differs=[Difference("status", 1, 2, "reason", step=1)])
