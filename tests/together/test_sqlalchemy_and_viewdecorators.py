"""The user of a login is an object of the database session, whatever the view does with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from quart import Quart, current_app, g, render_template_string, request, websocket
from sqlalchemy import ForeignKey, String, event, func, select
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

from quartpatterns.sqlalchemy import Model, ReadingError, SQLAlchemy
from quartpatterns.streaming import stream_with_context
from quartpatterns.viewdecorators import (
    LoginManager,
    UserMixin,
    current_user,
    login_required,
    login_user,
)

LAYOUT = "hello {{ g.user.name }}{% for role in g.user.roles %} {{ role.title }}{% endfor %}"
HELLO = "hello ann admin"


class Base(Model, DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Role(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(50))
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))


class User(UserMixin, Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)
    roles: Mapped[list[Role]] = relationship()


@pytest.fixture(params=["sqlite", "postgres_url"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    return cast("str", request.getfixturevalue(request.param))


def create_app(app_class: type[Quart], config: dict[str, Any]) -> Quart:
    app = app_class(__name__)
    app.config.from_mapping(
        SECRET_KEY="a key",
        # A view, or a websocket, that needs two connections would wait for ever.
        SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 1, "max_overflow": 0, "pool_timeout": 2},
        PROPAGATE_EXCEPTIONS=False,
    )
    app.config.from_mapping(config)
    db.init_app(app)
    login_manager = LoginManager(app)

    @login_manager.user_loader
    @db.preloading()
    async def load_user(user_id: str) -> User | None:
        options = [selectinload(User.roles)]
        return await db.session.get(User, int(user_id), options=options)

    @app.get("/login/<int:id>")
    async def login(id: int) -> str:
        login_user(await db.get_or_404(User, id))
        return ""

    return app


@pytest.fixture
async def app(app_class: type[Quart], url: str) -> AsyncIterator[Quart]:
    app = create_app(app_class, {"SQLALCHEMY_DATABASE_URI": url})
    async with app.test_app():
        async with app.app_context():
            await db.create_all()
            db.session.add(User(id=1, name="ann", roles=[Role(title="admin")]))
            db.session.add(User(id=2, name="bob"))
            await db.session.commit()
        yield app


async def layout() -> str:
    return await render_template_string(LAYOUT)


async def logged_in(app: Quart) -> Any:
    client = app.test_client()
    assert (await client.get("/login/1")).status_code == 200
    return client


async def get(app: Quart, view: Callable[..., Any], *decorators: Any) -> Any:
    """Return status and text of a request for *view* by ann."""
    for decorator in reversed(decorators):
        view = decorator(view)
    app.add_url_rule("/view", "view", view)
    response = await (await logged_in(app)).get("/view")
    return response.status_code, await response.get_data(as_text=True)


async def name(id: int = 1) -> str | None:
    async with db.new_session() as session:
        return await session.scalar(select(User.name).where(User.id == id))


async def stored(app: Quart, id: int = 1) -> str | None:
    async with app.app_context():
        return await name(id)


async def test_session(app: Quart) -> None:
    async def view() -> str:
        await db.session.scalar(select(func.count(User.id)))
        return await layout()

    assert await get(app, view, login_required) == (200, HELLO)


@pytest.mark.parametrize("inside", [False, True])
async def test_retrying(app: Quart, inside: bool) -> None:
    """The user is there in each attempt, with the decorators in either order."""
    attempts: list[str] = []

    async def view() -> str:
        attempts.append(g.user.name)
        await db.session.scalar(select(func.count(User.id)))
        current_user.name = f"attempt {len(attempts)}"
        await db.session.flush()
        if len(attempts) < 3:
            raise transient()
        await db.session.commit()
        return await layout()

    app.config["LOGIN_LAZY_LOADING"] = inside
    order = [db.retrying(first_wait=0.001), login_required]
    status = await get(app, view, *(order if inside else reversed(order)))
    assert status == (200, "hello attempt 3 admin")
    assert attempts == ["ann"] * 3 and await stored(app) == "attempt 3"


class LockedError(Exception):
    """An error of a driver after which a transaction can be repeated."""

    sqlstate = pgcode = "40P01"
    sqlite_errorcode = 5


def transient() -> OperationalError:
    """An error after which db.retrying() calls the function again."""
    return OperationalError("", {}, LockedError("database is locked"))


async def test_new_session(app: Quart) -> None:
    async def view() -> str:
        async with db.new_session() as session:
            await session.scalar(select(func.count(User.id)))
        return await layout()

    assert await get(app, view, login_required) == (200, HELLO)


@pytest.mark.parametrize("inside", [False, True])
async def test_reading(app: Quart, inside: bool) -> None:
    async def view() -> str:
        await db.session.scalar(select(func.count(User.id)))
        return await layout()

    app.config["LOGIN_LAZY_LOADING"] = inside
    order = [db.reading(), login_required]
    assert await get(app, view, *(order if inside else reversed(order))) == (200, HELLO)


async def test_change_while_reading(app: Quart) -> None:
    """It is an error, because db.session.commit() would not save it."""
    errors: list[Exception] = []

    async def view() -> str:
        current_user.name = "eve"
        try:
            await db.session.commit()
        except ReadingError as error:
            errors.append(error)
        return ""

    assert (await get(app, view, login_required, db.reading()))[0] == 200
    assert "write outside of it" in str(errors[0]) and await stored(app) == "ann"


async def test_rollback(app: Quart) -> None:
    async def view() -> str:
        current_user.name = "eve"
        current_user.roles.append(Role(title="root"))
        await db.session.flush()
        await db.session.rollback()
        return await layout()

    assert await get(app, view, login_required) == (200, HELLO)
    assert await stored(app) == "ann"


async def test_failed_flush(app: Quart) -> None:
    """The layout of an error page shows the user, also before the rollback."""

    async def view() -> str:
        db.session.add(User(id=3, name="bob"))
        try:
            await db.session.commit()
        except IntegrityError:
            before = await layout()
            await db.session.rollback()
            return f"{before}, {await layout()}"
        return ""

    assert await get(app, view, login_required) == (200, f"{HELLO}, {HELLO}")


async def test_rollback_after_a_commit(app: Quart) -> None:
    """The values are those that were committed last."""

    async def view() -> str:
        current_user.name = "eve"
        await db.session.commit()
        current_user.name = "mallory"
        await db.session.flush()
        await db.session.rollback()
        return await layout()

    assert await get(app, view, login_required) == (200, "hello eve admin")
    assert await stored(app) == "eve"


async def test_savepoints(app: Quart) -> None:
    """A savepoint that is rolled back gives back what was flushed before it."""

    async def view() -> str:
        texts: list[str] = []
        current_user.name = "outer"
        try:
            async with db.session.begin_nested():
                current_user.name = "middle"
                async with db.session.begin_nested():
                    current_user.name = "released"
                raise LookupError
        except LookupError:
            texts.append(g.user.name)
        async with db.session.begin_nested():
            current_user.name = "kept"
        texts.append(g.user.name)
        await db.session.rollback()
        texts.append(g.user.name)
        return " ".join(texts)

    assert await get(app, view, login_required) == (200, "outer kept ann")
    assert await stored(app) == "ann"


@pytest.mark.parametrize("before", ["nothing", "rollback", "close", "commit"])
async def test_change(app: Quart, before: str) -> None:
    """A change of the user is saved by a commit, whatever was done before."""

    async def view() -> str:
        await db.session.scalar(select(func.count(User.id)))
        if before != "nothing":
            if before != "commit":
                current_user.name = "not saved"
            await getattr(db.session, before)()
            assert g.user.name == "ann"
        g.user.roles[0].title = "root"
        current_user.name = "eve"
        await db.session.commit()
        return await layout()

    assert await get(app, view, login_required) == (200, "hello eve root")
    assert await stored(app) == "eve"


async def test_deleted_user(app: Quart) -> None:
    async def view() -> str:
        for role in current_user.roles:
            await db.session.delete(role)
        await db.session.delete(g.user)
        await db.session.rollback()
        before = await layout()
        for role in current_user.roles:
            await db.session.delete(role)
        await db.session.delete(g.user)
        await db.session.commit()
        await db.session.close()
        return before

    assert await get(app, view, login_required) == (200, HELLO)
    assert await stored(app) is None


async def test_no_transaction(app: Quart) -> None:
    """Loading leaves no transaction, no connection, and calls no listeners of commits."""
    commits: list[object] = []
    seen: list[object] = []

    def note(session: object) -> None:
        commits.append(session)

    event.listen(db.session, "before_commit", note)
    event.listen(db.session, "after_rollback", note)

    async def view() -> str:
        pool: Any = db.engine.pool
        seen.extend([db.session.in_transaction(), pool.checkedout(), len(commits)])
        return ""

    try:
        await get(app, view, login_required)
    finally:
        event.remove(db.session, "before_commit", note)
        event.remove(db.session, "after_rollback", note)
    assert seen == [False, 0, 0]


async def test_inside_a_transaction(app: Quart) -> None:
    """With LOGIN_LAZY_LOADING, the user may be loaded in the transaction of the view."""
    app.config["LOGIN_LAZY_LOADING"] = True

    async def view() -> str:
        db.session.add(User(id=3, name="new"))
        await db.session.flush()
        await cast("Any", current_app).login_manager.load_user()
        await db.session.rollback()
        text = await layout()
        current_user.name = "eve"
        await db.session.commit()
        return text

    assert await get(app, view) == (200, HELLO)
    assert await stored(app) == "eve"


async def test_loaded_before(app: Quart) -> None:
    """The same, if the view has the user in its session already."""
    app.config["LOGIN_LAZY_LOADING"] = True

    async def view() -> str:
        loaded = await db.session.get(User, 1, options=[selectinload(User.roles)])
        await db.session.commit()
        await cast("Any", current_app).login_manager.load_user()
        assert loaded is not None and g.user is loaded
        await db.session.scalar(select(func.count(User.id)))
        await db.session.rollback()
        return loaded.name

    assert await get(app, view) == (200, "ann")


async def test_synchronous_view(app: Quart) -> None:
    def view() -> str:
        return f"hello {current_user.name}"

    assert await get(app, view, login_required) == (200, "hello ann")


async def test_request_loader(app: Quart) -> None:
    """The same for a token of an API."""
    login_manager: LoginManager = cast("Any", app).login_manager

    @login_manager.request_loader
    @db.preloading()
    async def load_user_of_token(current: Any) -> User | None:
        token = current.headers.get("Authorization", "")
        return await db.session.scalar(select(User).where(User.name == token))

    @app.get("/view")
    @login_required
    @db.retrying()
    async def view() -> str:
        current_user.name = "bert"
        await db.session.commit()
        return cast("str", g.user.name)

    client = app.test_client()
    assert (await client.get("/view")).status_code == 401
    response = await client.get("/view", headers={"Authorization": "bob"})
    assert await response.get_data(as_text=True) == "bert"
    assert await stored(app, 2) == "bert"


async def test_before_request(app: Quart) -> None:
    """Other objects that are loaded before the view, with the context manager."""

    @app.before_request
    async def load_owner() -> None:
        async with db.preloading():
            g.owner = await db.session.scalar(select(User).where(User.name == "bob"))

    async def view() -> str:
        await db.session.rollback()
        g.owner.name = "bert"
        await db.session.commit()
        await db.session.rollback()
        return f"{g.owner.name} {g.user.name}"

    assert await get(app, view, login_required, db.retrying()) == (200, "bert ann")
    assert await stored(app, 2) == "bert"


@pytest.mark.parametrize("commit", [False, True])
async def test_loader_that_writes(app: Quart, commit: bool) -> None:
    """It is refused, and its change is not saved by a later commit."""
    errors: list[str] = []

    async def view() -> str:
        try:
            async with db.preloading():
                user = await db.session.get(User, 1)
                assert user is not None
                user.name = "seen"
                if commit:
                    await db.session.commit()
        except ReadingError as error:
            errors.append(str(error))
        await db.session.commit()
        return ""

    assert (await get(app, view))[0] == 200
    assert "write outside of it" in errors[0] and await stored(app) == "ann"


async def test_expire_on_commit(app_class: type[Quart], url: str) -> None:
    """An application that expires objects at a commit gets the user with its values."""

    class OtherBase(Model, DeclarativeBase):
        pass

    other = SQLAlchemy(model_class=OtherBase, session_options={"expire_on_commit": True})

    class Person(OtherBase):
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(50))

    app = app_class(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    other.init_app(app)
    async with app.test_app(), app.app_context():
        await other.create_all()
        other.session.add(Person(id=1, name="ann"))
        await other.session.commit()
        await other.session.close()
        async with other.preloading():
            person = await other.session.get(Person, 1)
        assert person is not None and person.name == "ann"
        await other.session.rollback()
        assert person.name == "ann"


async def test_websocket(app: Quart) -> None:
    """A websocket holds no connection for its user, and can change it."""

    @app.websocket("/ws")
    @login_required
    async def ws() -> None:
        await websocket.accept()
        while True:
            current_user.name = await websocket.receive()
            await db.session.commit()
            await db.session.rollback()
            await websocket.send(await layout())

    client = await logged_in(app)
    async with client.websocket("/ws") as connection:
        for text in ("eve", "eva"):
            await connection.send(text)
            assert await connection.receive() == f"hello {text} admin"
            assert await asyncio.wait_for(stored(app), 5) == text


async def test_stream(app: Quart) -> None:
    """A stream can show the user, and changes an object of its own."""

    @app.get("/view")
    @login_required
    async def view() -> Any:
        user_id = g.user.id
        text = await layout()

        @stream_with_context
        async def generate() -> AsyncIterator[str]:
            yield text
            user = await db.session.get(User, user_id)
            assert user is not None
            user.name = "eve"
            await db.session.commit()
            yield f", {user.name}"

        return generate()

    response = await (await logged_in(app)).get("/view")
    assert await response.get_data(as_text=True) == f"{HELLO}, eve"
    assert await stored(app) == "eve"


async def test_background_task(app: Quart) -> None:
    """A background task gets the id, and loads an object of its own."""
    done = asyncio.Event()

    async def rename(user_id: int) -> None:
        assert not current_user.is_authenticated
        user = await db.session.get(User, user_id)
        assert user is not None
        user.name = "eve"
        await db.session.commit()
        done.set()

    async def view() -> str:
        app.add_background_task(rename, current_user.id)
        return ""

    assert (await get(app, view, login_required))[0] == 200
    await asyncio.wait_for(done.wait(), 10)
    assert await stored(app) == "eve"


async def test_plain_loader_says_what_to_write(app: Quart) -> None:
    """The error of db.retrying() after a loader that has begun a transaction."""
    login_manager: LoginManager = cast("Any", app).login_manager

    @login_manager.user_loader
    async def load_user(user_id: str) -> User | None:
        return await db.session.get(User, int(user_id))

    errors: list[str] = []

    @app.errorhandler(RuntimeError)
    async def note(error: RuntimeError) -> str:
        errors.append(str(error))
        return ""

    async def view() -> str:
        return request.path

    await get(app, view, login_required, db.retrying())
    assert "@db.preloading()" in errors[0]
