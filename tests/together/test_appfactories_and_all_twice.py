"""``create_app()`` twice in one process, with one extension object of each helper.

Both applications are used side by side, and none sees settings or data of the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from quart import Blueprint, Quart, current_app, render_template_string, request
from quart.datastructures import FileStorage
from quart_schema import QuartSchema
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from quartpatterns.appfactories import configure
from quartpatterns.caching import Cache, cached
from quartpatterns.errorpages import ErrorPages, request_id
from quartpatterns.fileuploads import UploadProgress, UploadSet, configure_uploads
from quartpatterns.flashing import Flashing, flash, get_flashed_messages
from quartpatterns.mongodb import Document, MongoDB, PyMongo
from quartpatterns.sqlalchemy import SQLAlchemy
from quartpatterns.sqlite3 import SQLite
from quartpatterns.tasks import Tasks, run_worker
from quartpatterns.viewdecorators import (
    LoginManager,
    UserMixin,
    current_user,
    login_required,
    login_user,
)
from quartpatterns.wtforms import CSRFProtect

pytestmark = pytest.mark.checks("AF-12")

cache = Cache()
csrf = CSRFProtect()
flashing = Flashing()
login_manager = LoginManager(login_view="/login")
mongo = MongoDB()
photos = UploadSet("photos", ("txt",))
progress = UploadProgress()
pymongo = PyMongo()
sqlite = SQLite()
tasks = Tasks()
views = Blueprint("views", __name__)


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Row(Base):
    __tablename__ = "rows"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@mongo.register
class Movie(Document):
    name: str


@tasks.task
async def name_of_the_application() -> str:
    """Return the setting of the application whose worker runs this."""
    return site_name()


@login_manager.user_loader
def load_user(user_id: str) -> UserMixin:
    user = UserMixin()
    user.id = user_id
    return user


def site_name() -> str:
    """Return the setting of the current application."""
    name: str = current_app.config["SITE"]
    return name


@views.get("/cached")
@cache.cached()
async def cached_view() -> str:
    return site_name()


@views.get("/cached-with-the-first")
@cached()
async def cached_by_default() -> str:
    return site_name()


@views.post("/save")
async def save() -> str:
    db.session.add(Row(name=site_name()))
    await db.session.commit()
    async with sqlite.transaction() as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS rows (name TEXT)")
        await connection.execute("INSERT INTO rows VALUES (?)", [site_name()])
    await Movie(name=site_name()).insert()
    assert pymongo.db is not None
    await pymongo.db["films"].insert_one({"name": site_name()})
    await cache.set("name", site_name())
    files = await request.files
    await photos.save(files["file"], name="name.txt")
    await flash(site_name())
    login_user(load_user(site_name()), remember=True)
    return ""


@views.get("/names")
async def names() -> dict[str, Any]:
    rows = await db.session.scalars(select(Row.name))
    sqlite_rows = await sqlite.query_db("SELECT name FROM rows")
    assert pymongo.db is not None
    films = await pymongo.db["films"].find().to_list()
    return {
        "sqlalchemy": rows.all(),
        "sqlite3": [row["name"] for row in sqlite_rows],
        "mongodb": [movie.name for movie in await Movie.find_all().to_list()],
        "pymongo": [film["name"] for film in films],
        "caching": [await cache.get("name")],
        "flashing": get_flashed_messages(),
    }


@views.get("/token")
async def token() -> str:
    return await render_template_string("{{ csrf_token() }}")


@views.get("/id")
async def id_() -> str:
    return request_id() or ""


@cache.memoize()
async def memoized(number: int) -> str:
    return f"{number} of {site_name()}"


@views.get("/memoized")
async def memoized_view() -> str:
    return await memoized(1)


@views.get("/members")
@login_required
async def members() -> str:
    return f"member {current_user.get_id()}"


def create_app(app_class: type[Quart], config: Mapping[str, Any]) -> Quart:
    """Return an application with all helpers, as a user would write it."""
    app = app_class(__name__, instance_path=config["INSTANCE"])
    configure(app, {"SITE": "", "INSTANCE": ""}, environ={}, overrides=config)
    cache.init_app(app)
    csrf.init_app(app)
    db.init_app(app)
    flashing.init_app(app)
    login_manager.init_app(app)
    mongo.init_app(app)
    pymongo.init_app(app)
    sqlite.init_app(app)
    QuartSchema(app)  # It keeps the OpenAPI document of its last application.
    tasks.init_app(app)
    progress.init_app(app)
    configure_uploads(app, photos)
    ErrorPages(app)
    app.register_blueprint(views)
    return app


@dataclass
class Site:
    app: Quart
    name: str


@pytest.fixture
def sites(app_class: type[Quart], tmp_path: Path, redis_url: str, mongodb_url: str) -> list[Site]:
    """Two applications of one factory, all of whose settings differ."""
    found: list[Site] = []
    for number, name in enumerate(("one", "two")):
        folder = tmp_path / name
        folder.mkdir()
        mongodb = urlsplit(mongodb_url)._replace(path=f"{urlsplit(mongodb_url).path}_{name}")
        config: dict[str, Any] = {
            "SITE": name,
            "INSTANCE": str(folder),
            "SECRET_KEY": f"key of {name}",
            "CACHE_TYPE": ("SimpleCache", "FileSystemCache")[number],
            "CACHE_DIR": str(folder / "cache"),
            "SQLALCHEMY_DATABASE_URI": f"sqlite:///{name}.db",
            "DATABASE": "sqlite3.db",
            "MONGODB_URL": mongodb.geturl(),
            "MONGO_URI": mongodb._replace(path=f"{mongodb.path}_py").geturl(),
            "REDIS_URL": redis_url,
            "TASKS_QUEUE_NAME": f"{folder}",
            "TASKS_POLL_DELAY": 0.01,
            "WTF_CSRF_ENABLED": number == 0,
            "WTF_CSRF_FIELD_NAME": f"token_{name}",
            "FLASHING_COOKIE_NAME": f"flash_{name}",
            "REMEMBER_COOKIE_NAME": f"remember_{name}",
            "REQUEST_ID_HEADER": f"X-Request-{name}",
            "UPLOADED_PHOTOS_DEST": str(folder / "photos"),
            "QUART_SCHEMA_CONVERT_CASING": number == 0,
        }
        found.append(Site(create_app(app_class, config), name))
    return found


async def use(site: Site, client: Any, token: str) -> None:
    """Save the name of the site in every place."""
    file = FileStorage(BytesIO(site.name.encode()), filename="name.txt")
    headers = {"X-CSRFToken": token} if token else {}  # Only the first application checks it.
    response = await client.post("/save", files={"file": file}, headers=headers)
    assert response.status_code == 200, await response.get_data(as_text=True)
    cookies = [text.partition("=")[0] for text in response.headers.getlist("Set-Cookie")]
    assert f"remember_{site.name}" in cookies
    assert any(name.startswith(f"flash_{site.name}") for name in cookies)
    other = {"one": "two", "two": "one"}[site.name]
    assert not [name for name in cookies if other in name]


async def test_two_applications(sites: list[Site]) -> None:
    one, two = sites
    async with one.app.test_app() as served_one, two.app.test_app() as served_two:
        clients = [served_one.test_client(), served_two.test_client()]
        for site in sites:
            async with site.app.app_context():
                await db.create_all()

        # WTF_CSRF_ENABLED: the first application refuses a post without a token.
        assert (await clients[0].post("/save")).status_code == 400
        token = await (await clients[0].get("/token")).get_data(as_text=True)
        tokens = [token, ""]
        await asyncio.gather(*map(use, sites, clients, tokens))

        for site, client in zip(sites, clients, strict=True):
            texts = {
                "/cached": site.name,
                "/cached-with-the-first": site.name,
                "/memoized": f"1 of {site.name}",
                "/members": f"member {site.name}",
            }
            for path in [*texts, *texts]:
                response = await client.get(path)
                assert await response.get_data(as_text=True) == texts[path]
            found = await (await client.get("/names")).get_json()
            assert found == dict.fromkeys(found, [site.name])
            file = Path(site.app.config["UPLOADED_PHOTOS_DEST"], "name.txt")
            assert await asyncio.to_thread(file.read_text) == site.name
            header = f"X-Request-{site.name}"
            other = {"one": "X-Request-two", "two": "X-Request-one"}[site.name]
            response = await client.get("/id", headers={header: "abc", other: "def"})
            assert await response.get_data(as_text=True) == "abc"
            response = await client.get("/nowhere", headers={header: "abc", other: "def"})
            assert (response.status_code, response.headers[header]) == (404, "abc")
            assert other not in response.headers

        # Each worker takes the jobs of its own application.
        jobs = []
        for site in sites:
            async with site.app.app_context():
                jobs.append(await name_of_the_application.delay())
        for site in reversed(sites):
            await run_worker(site.app, burst=True, handle_signals=False)
        for site, job in zip(sites, jobs, strict=True):
            async with site.app.app_context():
                assert (await tasks.result(job.id)).value == site.name
    # The second application has stopped; the first one starts again.
    async with one.app.test_app() as served:
        response = await served.test_client().get("/names")
        assert (await response.get_json())["mongodb"] == ["one"]


def test_settings_are_not_shared(sites: list[Site]) -> None:
    """A list or mapping of a default belongs to one application."""
    one, two = (site.app for site in sites)
    for key in one.config.keys() & two.config.keys():
        value: Any = one.config[key]
        if isinstance(value, list | dict | set):
            assert value is not two.config[key], key


async def test_no_context(app_class: type[Quart]) -> None:
    """Outside of a context a ``Cache`` of two applications uses neither."""
    own = Cache()
    one, two = app_class("one"), app_class("two")
    own.init_app(one)
    await own.set("key", 1)
    assert await own.get("key") == 1
    own.init_app(two)
    with pytest.raises(RuntimeError, match="this Cache has several applications"):
        await own.get("key")
    async with one.app_context():
        assert await own.get("key") == 1
    async with two.app_context():
        assert await own.get("key") is None
