"""The examples of the documentation work as a reader types them; see ``tests/reader.py``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from quartpatterns.compare import services
from tests.conftest import unavailable
from tests.reader import Reader

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("quartpatterns/*/README.md"))]
NOT_RUN = {
    r"pip install ": "tests/packaging installs each extra",
    r"useradd|install -d": "this needs root",
    r"make (serve|test)": "tests/cli/test_serve.py; this is `make test`",
    r"quartpatterns parity --json": "tests/test_parity.py",
    r"quartpatterns bench ": "this takes minutes; tests/cli/test_bench.py",
    r"python -m (quartpatterns|tests|pytest)": "this measures, and takes minutes",
    r"quartpatterns deploy ": "this needs hosts; tests/deployment deploys to SSH servers",
}
"""Commands that this test does not run, and why."""

SERVICES = {
    "redis://localhost:6379/0": "database_url",
    "mongodb://localhost/myapp": "replica_set_url",
}


def skipped(command: str) -> bool:
    return any(re.match(pattern, command) for pattern in NOT_RUN)


def name(page: Path) -> str:
    return page.parent.name if page.name == "README.md" else page.stem


PARAMETERS = [pytest.param(page, id=name(page)) for page in PAGES]


@pytest.fixture
def database_url(redis_url: str) -> str:
    """A database of the Valkey that no other test uses."""
    return redis_url.rpartition("/")[0] + "/14"


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


@pytest.mark.parametrize("page", PARAMETERS)
async def test_page(
    page: Path, replace: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every block runs, prints what the page shows, and every route is requested."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    async with Reader(tmp_path, replace=replace, skipped=skipped) as reader:
        await reader.follow(page)


LINKED = [
    *ROOT.glob("*.md"),
    *ROOT.glob("quartpatterns/*/README.md"),
    ROOT / "changes" / "README.md",
]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """Return the names of the headings, as GitHub makes them."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE):
        text = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(text.replace(" ", "-"))
    return found


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in LINKED]
)
def test_links(page: Path) -> None:
    """Each link to a file or a heading leads to one."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in LINK.findall(text):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target
