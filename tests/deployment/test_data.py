"""The data of an application survives its releases, and each database is migrated once."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from quartpatterns.deployment import FailedError
from quartpatterns.deployment.onhost.storage import _database_identity, written_databases
from quartpatterns.packaging import new_project
from tests.deployment.conftest import Projects
from tests.deployment.hosts import Host
from tests.deployment.project import Project, answer

pytestmark = [pytest.mark.wire, pytest.mark.timeout(600), pytest.mark.checks("FA-12")]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
QUART = """
from quart import Quart

app = Quart(__name__)
{source}

@app.get("/health")
async def health():
    return "ok"
"""


@pytest.fixture
def shop_files(tmp_path: Path) -> dict[str, str]:
    """The files in the wheel of a new project with a database and uploads."""
    (tmp_path / "new").mkdir()
    project = new_project("demo", tmp_path / "new", features=["sqlalchemy", "uploads"]).folder
    files = [*(project / "demo").rglob("*"), *(project / "migrations").rglob("*")]
    return {
        path.relative_to(project).as_posix().replace("migrations/", "demo/migrations/", 1): (
            path.read_text()
        )
        for path in [*files, project / "hypercorn.toml"]
        if path.is_file()
    }


def quart_files(source: str) -> dict[str, str]:
    return {"demo/__init__.py": "", "demo/asgi.py": QUART.format(source=source)}


def write_environment(project: Project, **more: str) -> str:
    values = {"QUART_SECRET_KEY": "only-for-tests", **more}
    lines = [f"{name}={value}" for name, value in values.items()]
    (project.root / "shop.env").write_text("\n".join([*lines, ""]))
    return "shop.env"


def client_of(host: Host) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{host.web}", trust_env=False, timeout=60, follow_redirects=True
    )


async def post(client: httpx.AsyncClient, path: str, **content: Any) -> str:
    """Send the form at *path*, and return the page that follows."""
    form = (await client.get(path)).text
    token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', form)
    assert token
    data: Mapping[str, Any] = {"csrf_token": token[1], **content.pop("data", {})}
    response = await client.post(
        path, data=data, headers={"Origin": str(client.base_url)}, **content
    )
    assert response.status_code == 200, response.text
    return response.text


@pytest.mark.slow
@pytest.mark.checks("FA-8")
async def test_rows_survive(projects: Projects, shop_files: dict[str, str]) -> None:
    """Rows and uploads survive deployments, a rollback and pruning, on three hosts."""
    async with projects(3) as project:
        deployment = project.deployment(
            keep=1, environment=write_environment(project), migrate="python -m demo.migrate"
        )
        await deployment.bootstrap()
        await deployment.deploy(await project.release("1.0", files=shop_files))
        # Each host has its own SQLite file, and each is migrated.
        migrated = [event.host for event in project.events if event.step == "migrate"]
        assert [*dict.fromkeys(migrated)] == ["web0", "web1", "web2"]
        for host in project.hosts.all:
            async with client_of(host) as client:
                assert f"Milk of {host.name}" in await post(
                    client, "/notes/", data={"text": f"Milk of {host.name}"}
                )
                await post(client, "/pictures/", files={"picture": ("sea.png", PNG)})
        await deployment.deploy(await project.release("1.1", files=shop_files))
        await check_data(project, "1.1")
        kept = project.deployment(keep=2, environment="shop.env")
        await kept.deploy(await project.release("1.2", files=shop_files))
        await deployment.rollback()
        await check_data(project, "1.1")
        await deployment.deploy(await project.release("1.3", files=shop_files))
        await check_data(project, "1.3")
        for host in project.hosts.all:
            assert [path.name[:3] for path in (host.app / "releases").iterdir()] == ["1.3"]


async def check_data(project: Project, version: str) -> None:
    """Check that each host serves *version* with the row and the picture that it has stored."""
    for host in project.hosts.all:
        async with client_of(host) as client:
            health = (await client.get("/health")).json()
            assert health == {"status": "ok", "version": version}
            assert f"Milk of {host.name}" in (await client.get("/notes/")).text
            assert (await client.get("/pictures/sea.png")).content == PNG
        stored = host.app / "shared" / "var" / "demo-instance"
        with sqlite3.connect(stored / "demo.db") as connection:
            assert connection.execute("SELECT count(*) FROM note").fetchone() == (1,)
        connection.close()
        assert (stored / "pictures" / "sea.png").read_bytes() == PNG


PATHS_IN_RELEASE = [
    (
        'app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///" + __file__ + ".db"',
        "SQLALCHEMY_DATABASE_URI is .*asgi.py.db, inside the release",
    ),
    (
        'app.config["SQLALCHEMY_BINDS"] = {"a": {"url": "sqlite:///" + __file__ + ".db"}}',
        "SQLALCHEMY_BINDS is .*asgi.py.db, inside the release",
    ),
    ('app.config["UPLOAD_FOLDER"] = "uploads"', "UPLOAD_FOLDER is .*app/uploads, inside"),
    ('app.config["DATABASE"] = __file__ + ".db"', "DATABASE is .*asgi.py.db, inside"),
    (
        'import os; app.instance_path = os.path.abspath("instance"); os.mkdir("instance")',
        "app.instance_path is .*app/instance, inside",
    ),
]


@pytest.mark.slow
async def test_path_in_release(project: Project) -> None:
    """A path in the release stops the deployment, which says which path survives."""
    deployment = project.deployment()
    await deployment.bootstrap()
    await deployment.deploy(await project.release("1.0"))
    for number, (source, message) in enumerate(PATHS_IN_RELEASE):
        archive = await project.release(f"1.1.{number}", files=quart_files(source))
        with pytest.raises(FailedError) as caught:
            await deployment.deploy(archive)
        (failure,) = caught.value.failures
        assert failure.step == "load"
        assert re.search(message, failure.output)
        assert f"an absolute path, such as {project.hosts[0].app}/shared/var/" in failure.output
    assert await answer(project.hosts[0]) == "1.0"


@pytest.mark.slow
async def test_written_into_release(project: Project) -> None:
    """A database that a trial writes into the release stops the deployment."""
    source = """
@app.before_serving
async def create():
    import sqlite3
    with sqlite3.connect("shop.db") as db:
        db.execute("CREATE TABLE IF NOT EXISTS note (text)")
"""
    deployment = project.deployment()
    await deployment.bootstrap()
    with pytest.raises(FailedError, match=r"the database is .*/app/shop.db, inside the release"):
        await deployment.deploy(await project.release("1.0", files=quart_files(source)))


@pytest.mark.slow
async def test_not_pruned(project: Project) -> None:
    """A release with a database that was written later stays, and so do its rows."""
    host, deployment = project.hosts[0], project.deployment(keep=1)
    await deployment.bootstrap()
    first = await deployment.deploy(await project.release("1.0"))
    database = host.app / "releases" / first.release / "app" / "late.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE note (text)")
    connection.close()
    second = await deployment.deploy(await project.release("1.1"))
    third = await deployment.deploy(await project.release("1.2"))
    assert database.exists()
    names = {path.name for path in (host.app / "releases").iterdir()}
    assert names == {first.release, third.release} and second.release not in names


def test_written_databases(tmp_path: Path) -> None:
    """A database is not part of the release, whatever the clock of the host said."""
    (tmp_path / "venv").mkdir()
    (tmp_path / "app").mkdir()
    for name, modified in (("venv/made", 1000), ("installed", 2000)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (modified, modified))
    for name, modified in (("app/archived.db", 0), ("venv/wheel.db", 1500)):
        write_database(tmp_path / name, modified)
    assert written_databases(tmp_path) == []
    written = [("app/set-back.db", 10), ("app/later.db", 2500), ("venv/next-year.db", 10**9)]
    for name, modified in written:
        write_database(tmp_path / name, modified)
    found = written_databases(tmp_path)
    assert sorted(found) == sorted(tmp_path / name for name, _ in written)


def write_database(path: Path, modified: int) -> None:
    path.write_bytes(b"SQLite format 3\0" + bytes(84))
    os.utime(path, (modified, modified))


def test_database_identity() -> None:
    """Hosts share a database if all URLs name another server. The identity has no secret."""

    def identity(**config: Any) -> str:
        return _database_identity([config, {}])

    shared = identity(DATABASE_URL="postgresql://app:secret@db1:5432/shop")
    assert re.fullmatch("[0-9a-f]{16}", shared)
    assert shared == identity(SQLALCHEMY_DATABASE_URI="postgresql+asyncpg://b:x@y@db1:5432/shop")
    assert shared != identity(DATABASE_URL="postgresql://db2:5432/shop")
    assert shared != identity(DATABASE_URL="postgresql://db1:5432/other")
    binds = {"log": {"url": "mysql://db3/log"}}
    assert identity(SQLALCHEMY_BINDS=binds, MONGODB_URL="mongodb://a,b/x")
    own: list[dict[str, Any]] = [
        {},
        {"CACHE_REDIS_URL": "redis://cache"},
        {"DATABASE": "app.db"},
        {"SQLALCHEMY_DATABASE_URI": "sqlite:///app.db"},
        {"SQLALCHEMY_DATABASE_URI": "postgresql:///shop?host=/run/postgresql"},
        {"SQLALCHEMY_DATABASE_URI": "postgresql://a:b@%2Frun%2Fpostgresql/shop"},
        *(
            {"DATABASE_URL": f"mysql://u:p@{host}/x"}
            for host in ("localhost", "127.0.0.1:33", "[::1]:3")
        ),
        {"DATABASE_URL": "postgresql://db1/shop", "SQLALCHEMY_BINDS": {"a": "sqlite:///a.db"}},
    ]
    assert [identity(**config) for config in own] == [""] * len(own)


@pytest.mark.slow
async def test_shared_database(projects: Projects) -> None:
    """A database that two hosts share is migrated on the first of them.

    If a host gets another database, the same release migrates that one, too.
    """
    async with projects(3) as project:
        data = project.data()["hosts"]
        for name, server in (("web0", "db1"), ("web1", "db1"), ("web2", "db2")):
            (project.root / f"{name}.env").write_text(f"DATABASE_URL=postgresql://{server}/shop\n")
            data[name]["environment"] = f"{name}.env"
        deployment = project.deployment(hosts=data, migrate="echo migrated >> ../../../migrations")
        await deployment.bootstrap()
        archive = await project.release("1.0", files=quart_files(""))
        await deployment.deploy(archive)

        def migrations() -> list[int]:
            files = [host.app / "migrations" for host in project.hosts.all]
            return [len(file.read_text().split()) if file.exists() else 0 for file in files]

        assert migrations() == [1, 0, 1]
        (project.root / "web2.env").write_text("DATABASE_URL=postgresql://db3/shop\n")
        await deployment.deploy(archive)
        assert migrations() == [1, 0, 2]
