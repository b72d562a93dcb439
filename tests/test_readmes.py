"""The examples of the documentation work as a reader types them; see ``tests/reading``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from quartpatterns.compare import services
from tests import readme_extras
from tests.conftest import unavailable
from tests.reading.in_process import InProcessReader
from tests.reading.page import blocks, commands
from tests.reading.shell import ShellReader

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("quartpatterns/*/README.md")),
    *(ROOT / "docs" / f"{name}.md" for name in ("cases", "events", "testing")),
    *sorted(ROOT.glob("docs/tasks/*.md")),
]
NOT_RUN = {
    r"pip install ": "tests/packaging installs each extra",
    r"useradd|install -d": "this needs root",
    r"make (serve|test)": "tests/cli/test_serve.py; this is `make test`",
    r"quartpatterns parity .* --mutate": "tests/cli/test_parity_mutate.py",
    r"quartpatterns parity --json": "tests/test_parity.py",
    r"quartpatterns worker .* --": "tests/cli/test_worker.py",
    r"quartpatterns bench ": "this takes minutes; tests/cli/test_bench.py",
    r"python -m (quartpatterns|tests|pytest)": "this measures, and takes minutes",
    r"quartpatterns deploy ": "this needs hosts; tests/deployment deploys to SSH servers",
}
"""Commands that this test does not run, and why."""

WITH_FIXTURES = {"docs/tasks/testing.md", "docs/testing.md"}
"""Pages whose tests have fixtures: pytest runs them in ``test_commands``."""

SERVICES = {
    "redis://localhost:6379/0": "database_url",
    "mongodb://localhost/myapp": "replica_set_url",
}


def skipped(command: str) -> bool:
    return any(re.match(pattern, command) for pattern in NOT_RUN)


PARAMETERS = {
    name: pytest.param(page, id=name)
    for page, name in ((page, str(page.relative_to(ROOT))) for page in PAGES)
}
READMES = [each for name, each in PARAMETERS.items() if name.endswith("README.md")]
IN_PROCESS = [each for name, each in PARAMETERS.items() if name not in WITH_FIXTURES]


@pytest.fixture
def database_url(redis_url: str) -> str:
    """An empty database of the Valkey that no other test uses."""
    url = redis_url.rpartition("/")[0] + "/14"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def replica_set_url() -> Iterator[str]:
    """An empty database of MongoDB that has transactions."""
    try:
        with services.mongodb(replica_set=True) as url:
            yield urlsplit(url)._replace(path="/myapp").geturl()
    except services.ServiceMissingError as missing:
        unavailable(str(missing))


@pytest.fixture
def replace(page: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """The services that a page expects at their usual addresses, and where they are here."""
    text = page.read_text()
    replace = {}
    for usual, fixture in SERVICES.items():
        if usual in text:
            replace[usual] = request.getfixturevalue(fixture)
    return replace


@pytest.mark.parametrize("page", IN_PROCESS)
async def test_page(
    page: Path, replace: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every block runs, prints what the page shows, and every route is requested."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    async with InProcessReader(tmp_path, replace=replace, skipped=skipped) as reader:
        await reader.follow(page)


@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.parametrize("page", PARAMETERS.values())
async def test_commands(page: Path, replace: dict[str, str], tmp_path: Path) -> None:
    """The commands print the same in a shell, with Hypercorn and curl."""
    async with ShellReader(tmp_path, replace=replace, skipped=skipped) as reader:
        await reader.follow(page)


def test_not_run() -> None:
    """Each command that is left out is on a page."""
    found = [
        command
        for page in PAGES
        for block in blocks(page)
        if block.language in ("console", "sh")
        for command, _ in commands(block)
    ]
    for pattern in NOT_RUN:
        assert any(re.match(pattern, command) for command in found), pattern


@pytest.mark.parametrize("page", READMES)
def test_installation(page: Path) -> None:
    """What the examples import is in the extras that the page installs."""
    assert readme_extras.missing(page) == set()
