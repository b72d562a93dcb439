"""The original and the port of each pattern respond equally, in process and on real servers."""

from __future__ import annotations

import gc

import pytest

from quartpatterns import catalog
from quartpatterns.compare import services
from quartpatterns.compare.case import Comparison, Transport, pattern_comparison
from quartpatterns.compare.parity import ParityResult, run_comparison
from quartpatterns.compare.parity_report import failure_text
from quartpatterns.compare.servers import ASGI_SERVERS, ASGIServer
from tests.conftest import unavailable

# Werkzeug does not close the files of a body that it rejects, so the garbage collector finds them.
# The port of this pattern has no such files.
UNCLOSED = pytest.mark.filterwarnings(
    "ignore:Unclosed file <tempfile.SpooledTemporaryFile:ResourceWarning"
)
NAMES = [
    pytest.param(pattern.name, marks=UNCLOSED if pattern.name == "fileuploads" else ())
    for pattern in catalog.PATTERNS
]


@pytest.fixture(params=NAMES)
def comparison(request: pytest.FixtureRequest) -> Comparison:
    """The comparison of each pattern. Its modules are imported before the event loop runs."""
    return pattern_comparison(request.param)


@pytest.mark.wire
@pytest.mark.parametrize(
    ("transport", "server"),
    [
        pytest.param("in process", "hypercorn", id="in process"),
        *(
            pytest.param("on the wire", server, marks=pytest.mark.slow, id=server)
            for server in ASGI_SERVERS
        ),
    ],
)
async def test_parity(comparison: Comparison, transport: Transport, server: ASGIServer) -> None:
    """Every difference is declared, and every declared difference exists."""
    try:
        compared = run_comparison(comparison, transport, server=server)
        results: list[ParityResult] = [one async for one in compared]
    except services.ServiceMissingError as missing:
        unavailable(str(missing))
    finally:
        gc.collect()
    assert len(results) == len(comparison.cases)
    assert all(result.passed for result in results), failure_text(results)
