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
    """A step sends one kind of body."""
    with pytest.raises(ValueError, match="one of form"):
        Step(**given)


@pytest.mark.parametrize("aspect", ["Status", "header:", "header:Vary", "headers", ""])
def test_aspect_is_checked(aspect: str) -> None:
    """A difference in an aspect that does not exist would never be looked at."""
    with pytest.raises(ValueError, match="is not an aspect"):
        Difference(aspect, 1, 2, "reason")


def test_difference_has_a_reason() -> None:
    with pytest.raises(ValueError, match="has a reason"):
        Difference("status", 200, 404, "")


def test_case_has_a_step() -> None:
    with pytest.raises(ValueError, match="has no step"):
        Case("empty")


def test_difference_names_a_step_that_is_there() -> None:
    with pytest.raises(ValueError, match="has no step 1"):
        Case("one step", Step(), differs=[Difference("status", 1, 2, "reason", step=1)])
