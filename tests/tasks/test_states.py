"""The states of results, which have the names of Celery's."""

from __future__ import annotations

import pytest

from quartpatterns.tasks.queue import Result


@pytest.mark.parametrize(
    ("result", "state", "failed", "info"),
    [
        (Result("1"), "PENDING", False, None),
        (Result("1", progress={"done": 1}), "PROGRESS", False, {"done": 1}),
        (Result("1", True, True, 5, progress=1), "SUCCESS", False, 5),
        (Result("1", True, False, "ValueError: no"), "FAILURE", True, "ValueError: no"),
    ],
)
def test_state(result: Result, state: str, failed: bool, info: object) -> None:
    """Celery's names say the same of a job."""
    assert (result.state, result.failed, result.info) == (state, failed, info)
