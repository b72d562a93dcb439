"""What an import of the helper loads, and what it does not."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(script: str) -> str:
    """Run *script* in a new process and return what it prints."""
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    ).stdout.strip()


def test_missing_libraries() -> None:
    """Only the store that needs a library names it as missing, when the cache is created."""
    printed = run("""
import sys
sys.modules["redis"] = sys.modules["emcache"] = sys.modules["diskcache_community"] = None
from quart import Quart
from quartpatterns.caching import Cache
import quartpatterns.viewdecorators
for backend in ("SimpleCache", "NullCache", "RedisCache", "MemcachedCache", "FileSystemCache"):
    try:
        Cache(Quart("a"), config={"CACHE_TYPE": backend, "CACHE_DIR": "a"})
    except ImportError as error:
        print(error)
""")
    assert printed.splitlines() == [
        "A cache in Redis needs redis: pip install 'quartpatterns[redis]'",
        "A cache in Memcached needs emcache: pip install 'quartpatterns[memcached]'",
        "A cache in a folder needs diskcache_community: pip install 'quartpatterns[disk]'",
    ]


@pytest.mark.parametrize(
    ("backend", "loaded"),
    [
        ("SimpleCache", set[str]()),
        ("RedisCache", {"redis"}),
        ("FileSystemCache", {"diskcache_community", "sqlite3"}),
    ],
)
def test_loaded_modules(backend: str, loaded: set[str]) -> None:
    """A cache loads the library of its store and no other, no Flask extension and no test tool.

    These libraries take most of the time of an import.
    """
    script = f"""
import sys
import quart
before = set(sys.modules)
from quartpatterns.caching import Cache
Cache(quart.Quart("a"), config={{"CACHE_TYPE": {backend!r}, "CACHE_DIR": "a"}})
print(*set(sys.modules) - before)
"""
    names = {name.partition(".")[0] for name in run(script).split()}
    slow = {"cachelib", "cashews", "diskcache", "flask_caching", "httpx", "pytest", "redis"}
    assert names & (slow | {"diskcache_community", "sqlite3"}) == loaded


def test_import_is_small() -> None:
    """The import adds few modules to those of Quart."""
    script = """
import sys
import quart
before = set(sys.modules)
import quartpatterns.caching
print(*(name for name in set(sys.modules) - before if not name.startswith("quartpatterns")))
"""
    assert len(run(script).split()) < 30
