"""Fifty people use the photo board for a minute, with two workers, PostgreSQL and Valkey."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from quartpatterns.compare.processes import StartError, in_thread
from tests.conftest import unavailable
from tests.tutorial.load import load, serve


@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.timeout(900)
async def test_load(tmp_path: Path) -> None:
    """No request fails, each photo gets its thumbnail, and the feed shows what happens."""
    folder = tmp_path / "photoboard"
    try:
        async with in_thread(serve(folder)) as url:
            report = await load(url, users=50, seconds=60)
    except StartError as error:
        unavailable(str(error))
    sys.stdout.write(report.text())
    assert not report.failures, report.text()
    assert len(report.seconds["upload"]) >= 50
    assert report.events >= len(report.seconds["upload"])
    logs = "".join(log.read_text() for log in folder.glob("*.log"))
    assert "ERROR" not in logs
