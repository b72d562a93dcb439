"""Which libraries an import of the helper needs."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(script: str) -> str:
    """Run *script* and return its output."""
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=True
    ).stdout.strip()


@pytest.mark.parametrize("missing", ["beanie", "pymongo", "pydantic"])
def test_missing_library(missing: str) -> None:
    """Without a library the import says what to install."""
    message = run(
        f"import sys; sys.modules['{missing}'] = None\n"
        "try:\n import quartpatterns.mongodb\nexcept ImportError as error:\n print(error)"
    )
    assert message == f"quartpatterns.mongodb needs {missing}: pip install 'quartpatterns[mongodb]'"


def test_no_other_libraries() -> None:
    """The helper imports neither MongoEngine nor test tools."""
    script = "import sys, quartpatterns.mongodb; print(*sys.modules)"
    loaded = {name.partition(".")[0] for name in run(script).split()}
    assert not loaded & {"mongoengine", "motor", "fiftyone", "pytest"}
