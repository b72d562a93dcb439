"""Port and original of every pattern answer alike: in process, and on real servers."""

from __future__ import annotations

import gc

import pytest

from quartpatterns import catalog
from quartpatterns.compare import services
from quartpatterns.compare.parity import Result, Transport
from quartpatterns.compare.parity_report import as_text
from quartpatterns.compare.subject import Subject, compare_subject, pattern_subject
from tests.conftest import unavailable

# Werkzeug's parser leaves the files of a body that it refuses open, for the collector to find.
# The port of this pattern has no such files.
LEFT_OPEN = pytest.mark.filterwarnings(
    "ignore:Unclosed file <tempfile.SpooledTemporaryFile:ResourceWarning"
)
NAMES = [
    pytest.param(pattern.name, marks=LEFT_OPEN if pattern.name == "fileuploads" else ())
    for pattern in catalog.PATTERNS
]


@pytest.fixture(params=NAMES)
def subject(request: pytest.FixtureRequest) -> Subject:
    """Each pattern; imported here, before there is an event loop to block."""
    return pattern_subject(request.param)


@pytest.mark.wire
@pytest.mark.parametrize("transport", ["in process", "on the wire"])
async def test_parity(subject: Subject, transport: Transport) -> None:
    """No difference is undeclared, and each that is declared holds."""
    try:
        results: list[Result] = [one async for one in compare_subject(subject, transport)]
    except services.ServiceMissingError as missing:
        unavailable(str(missing))
    finally:
        gc.collect()
    assert len(results) == len(subject.cases)
    assert all(result.passed for result in results), as_text({subject.name: results}, transport)
