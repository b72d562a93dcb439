"""A large upload beside other requests, and parsers that agree.

``UPLOAD_MIB=1024 pytest tests/fileuploads/test_speed.py`` holds a whole GiB against the targets.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from statistics import median

import pytest

from tests.fileuploads.measure import MIB, Measured, measure
from tests.fileuploads.parsers import PARSERS, contents, pieces

GIVEN = os.environ.get("UPLOAD_MIB")


@pytest.mark.wire
@pytest.mark.checks("UP-15")
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak")
def test_memory(tmp_path: Path) -> None:
    """However large an upload is, the worker's memory grows by 16 MiB at most."""
    found = measure("port", int(GIVEN or 96), tmp_path)
    assert found.grown <= 16 * MIB, found


@pytest.mark.wire
@pytest.mark.timeout(900)
@pytest.mark.skipif(GIVEN is None, reason="a measurement: UPLOAD_MIB=1024 asks for it")
def test_targets(tmp_path: Path) -> None:
    """By medians twice as fast as the original, while others wait for less than 50 ms."""
    runs: dict[str, list[Measured]] = {"original": [], "port": []}
    for _ in range(3):
        for side, found in runs.items():
            with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
                found.append(measure(side, int(GIVEN or 0), Path(folder)))
    rates = {side: median(one.rate for one in found) for side, found in runs.items()}
    assert rates["port"] >= 2 * rates["original"], runs
    assert median(one.p99 for one in runs["port"]) < 0.05, runs


@pytest.mark.checks("UP-11")
@pytest.mark.parametrize("size", [65536, 4096, 100])
def test_parsers_agree(size: int) -> None:
    """All of the parsers that were compared find as many bytes."""
    for name, body in contents(1).items():
        found = {parser.__name__: parser(pieces(body, size)) for parser in PARSERS}
        assert len(set(found.values())) == 1, (name, found)
