"""The memory and the speed of a large upload, and parsers that agree.

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

REQUESTED_MIB = os.environ.get("UPLOAD_MIB")


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.checks("UP-15")
@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="only Linux reports the peak"
)
def test_memory(tmp_path: Path) -> None:
    """The memory of the worker grows by 16 MiB at most, however large the upload is."""
    found = measure("port", int(REQUESTED_MIB or 96), tmp_path)
    assert found.growth <= 16 * MIB, found


@pytest.mark.wire
@pytest.mark.timeout(900)
@pytest.mark.skipif(REQUESTED_MIB is None, reason="a measurement: UPLOAD_MIB=1024 asks for it")
def test_targets(tmp_path: Path) -> None:
    """The median rate is twice that of the original, and other requests wait less than 50 ms."""
    runs: dict[str, list[Measured]] = {"original": [], "port": []}
    for _ in range(3):
        for side, found in runs.items():
            with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
                found.append(measure(side, int(REQUESTED_MIB or 0), Path(folder)))
    rates = {side: median(one.rate for one in found) for side, found in runs.items()}
    assert rates["port"] >= 2 * rates["original"], runs
    assert median(one.p99 for one in runs["port"]) < 0.05, runs


@pytest.mark.checks("UP-11")
@pytest.mark.parametrize("size", [65536, 4096, 100])
def test_parsers_agree(size: int) -> None:
    """All compared parsers find the same number of bytes."""
    for name, body in contents(1, parts=1000).items():
        found = {parser.__name__: parser(pieces(body, size)) for parser in PARSERS}
        assert len(set(found.values())) == 1, (name, found)
