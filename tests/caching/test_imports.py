"""What an import of the helper needs, and what it does not."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(script: str) -> str:
    """What *script* printed."""
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    ).stdout.strip()


@pytest.mark.parametrize(
    ("missing", "kind"),
    [
        ("cashews", "SimpleCache"),
        ("cashews", "RedisCache"),
        ("redis", "RedisCache"),
        ("diskcache", "FileSystemCache"),
    ],
)
def test_missing_library(missing: str, kind: str) -> None:
    """Without it the cache says what to install, when it is made."""
    said = run(
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from quart import Quart\n"
        "from quartpatterns.caching import Cache\n"
        "import quartpatterns.viewdecorators\n"
        "try:\n"
        f"    Cache(Quart('a'), {{'CACHE_TYPE': {kind!r}, 'CACHE_DIR': 'a'}})\n"
        "except ImportError as error:\n    print(error)"
    )
    assert said == (f"quartpatterns.caching needs {missing}: pip install 'quartpatterns[caching]'")


def test_nothing_more() -> None:
    """The helper needs no Flask extension, no test tool, and no store that is not used."""
    script = (
        "import sys\nfrom quart import Quart\nfrom quartpatterns.caching import Cache\n"
        "Cache(Quart('a'))\nprint(*sys.modules)"
    )
    loaded = {name.partition(".")[0] for name in run(script).split()}
    assert not loaded & {"flask_caching", "cachelib", "pytest", "httpx"}
