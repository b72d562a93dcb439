"""What the import of the helper loads, and the error for a missing library."""

from __future__ import annotations

import subprocess
import sys

WITHOUT_REDIS = """
import sys

import quartpatterns.streaming as streaming

assert "redis" not in sys.modules
streaming.Broadcaster()
sys.modules["redis"] = None
try:
    streaming.Broadcaster(redis_url="redis://localhost")
except ImportError as error:
    print(error)
"""


def test_redis_is_optional() -> None:
    """Without redis everything works in one process, and a URL has an error with the remedy."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_REDIS], capture_output=True, text=True, timeout=60
    )
    expected = "Broadcaster with Redis needs redis: pip install 'quartpatterns[redis]'\n"
    assert (done.stdout, done.stderr) == (expected, "")
