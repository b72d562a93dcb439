"""The generator has the context of the view, whichever task requests the next chunk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextvars import ContextVar
from typing import Any

import pytest
from quart import Quart, current_app, g, request, session, url_for, websocket

from quartpatterns.streaming import EventStream, coalesce, stream_with_context
from tests.serving import eventually, served

pytestmark = pytest.mark.wire


def read_globals() -> str:
    """Return a value of each global of Flask's."""
    found = [request.args["n"], session["n"], g.box["n"], current_app.name, url_for("view")]
    return " ".join(map(str, found))


@pytest.mark.checks("ST-3")
@pytest.mark.parametrize("view_kind", ["async view", "sync view"])
@pytest.mark.parametrize("form", ["call", "decorator"])
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_context(app: Quart, kind: str, form: str, view_kind: str) -> None:
    """Request, session, ``g`` (the same object), ``current_app`` and ``url_for`` work."""

    async def steps() -> AsyncGenerator[str, None]:
        yield read_globals()
        await asyncio.sleep(0)
        yield f" {g.box is box}"

    def sync_steps() -> Generator[str, None, None]:
        yield read_globals()
        yield f" {g.box is box}"

    generate: Any = steps if kind == "async" else sync_steps
    box = {"n": "g"}

    def view() -> Any:
        g.box, session["n"] = box, "session"
        if form == "call":
            return stream_with_context(generate())
        return stream_with_context(generate)()

    async def async_view() -> Any:
        return view()

    app.add_url_rule("/", "view", async_view if view_kind == "async view" else view)
    async with served(app) as server:
        response = await server.client.get("/?n=request")
    assert response.text == f"request session g {app.name} / True"
    assert "content-length" not in response.headers


@pytest.mark.checks("ST-3")
async def test_decorated_before_the_request(app: Quart) -> None:
    """A function decorated in a module keeps the context in which it is called, and its name."""

    @stream_with_context
    async def greeting(mark: str) -> AsyncGenerator[str, None]:
        """Says hello."""
        yield request.args["name"] + mark

    app.add_url_rule("/<mark>", view_func=greeting)
    async with served(app) as server:
        for name in ("Ada", "Grace"):
            assert (await server.client.get(f"/!?name={name}")).text == f"{name}!"
    assert (greeting.__name__, greeting.__doc__) == ("greeting", "Says hello.")


@pytest.mark.checks("ST-3")
async def test_any_iterable(app: Quart) -> None:
    """As in Flask, other iterables than generators work."""

    @app.get("/")
    async def view() -> Any:
        return stream_with_context(map(str, range(4)))

    async with served(app) as server:
        assert (await server.client.get("/")).text == "0123"


@pytest.mark.checks("ST-3")
async def test_concurrent_streams(app: Quart) -> None:
    """Concurrent streams see their own request, session and ``g``."""

    @app.get("/<int:number>")
    async def view(number: int) -> Any:
        g.number = session["number"] = number

        async def steps() -> AsyncGenerator[str, None]:
            for _ in range(5):
                await asyncio.sleep(0.001 * (number % 7))
                yield f"{g.number},{session['number']},{request.path};"

        def sync_steps() -> Generator[str, None, None]:
            for _ in range(5):
                yield f"{g.number},{session['number']},{request.path};"

        return stream_with_context(steps() if number % 2 else sync_steps())

    async with served(app) as server:
        paths = [f"/{number}" for number in range(60)]
        responses = await asyncio.gather(*map(server.client.get, paths))
    expected = [f"{number},{number},/{number};" * 5 for number in range(60)]
    assert [response.text for response in responses] == expected


@pytest.mark.checks("ST-4")
async def test_session_is_saved_before(app: Quart) -> None:
    """Changes of the session in the view are saved, those in the generator are not."""

    @app.get("/")
    async def view() -> Any:
        session["seen"] = "by the view"

        @stream_with_context
        async def steps() -> AsyncGenerator[str, None]:
            session["late"] = "by the generator"
            yield session["seen"]

        return steps()

    @app.get("/session")
    async def kept() -> Any:
        return dict(session)

    async with served(app) as server:
        response = await server.client.get("/")
        assert response.text == "by the view"
        assert response.headers["vary"] == "Cookie"
        assert (await server.client.get("/session")).json() == {"seen": "by the view"}


async def test_steps_from_several_tasks(app: Quart) -> None:
    """Any task can take the next step, and nothing leaks into its context."""
    variable: ContextVar[str] = ContextVar("variable")

    async def steps() -> AsyncGenerator[str, None]:
        variable.set("of the generator")
        yield request.path
        yield variable.get()

    async with app.test_request_context("/path"):
        variable.set("of the view")
        stream = stream_with_context(steps())
        found = [await asyncio.create_task(stream.__anext__()) for _ in range(2)]
        assert found == ["/path", "of the generator"]
        assert variable.get() == "of the view"
        await stream.aclose()


async def test_time_limit_inside(app: Quart) -> None:
    """Time limits in the generator work: it runs in the task that requests the chunk."""

    async def steps() -> AsyncGenerator[str, None]:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            yield "nothing came"

    async with app.test_request_context("/"):
        assert [chunk async for chunk in stream_with_context(steps())] == ["nothing came"]


async def test_websocket(app: Quart) -> None:
    """A stream in a websocket handler keeps the handler's context and does not tear it down."""
    torn_down: list[str] = []

    @app.teardown_appcontext
    async def note(error: BaseException | None) -> None:
        if "mark" in g:
            torn_down.append(g.mark)

    @app.websocket("/ws")
    async def handler() -> None:
        g.mark = "g"

        async def steps() -> AsyncGenerator[str, None]:
            yield f"{websocket.path} {g.mark} {url_for('handler')}"

        async for chunk in stream_with_context(coalesce(steps())):
            await websocket.send(chunk)
        await websocket.send(str(torn_down))

    async with app.test_client().websocket("/ws") as connection:
        assert await connection.receive() == b"/ws g ws://localhost/ws"
        assert await connection.receive() == "[]"


async def test_application_context(app: Quart) -> None:
    """A stream keeps the ``g`` of an application context after the context has ended."""
    async with app.app_context():
        g.mark = "g"

        @stream_with_context
        async def steps() -> AsyncGenerator[str, None]:
            yield f"{current_app.name} {g.mark}"

        stream = steps()
    assert [chunk async for chunk in stream] == [f"{app.name} g"]


async def test_no_context() -> None:
    """Without a context the error says where to call the function."""

    async def steps() -> AsyncGenerator[str, None]:
        yield ""

    with pytest.raises(RuntimeError, match="call it in a view function"):
        stream_with_context(steps())


async def test_nothing_to_iterate(app: Quart) -> None:
    async with app.app_context():
        with pytest.raises(TypeError, match="takes a generator.*, not int"):
            stream_with_context(1)  # type: ignore[call-overload]
        with pytest.raises(TypeError, match="takes a generator.*, not NoneType"):
            stream_with_context(lambda: None)()  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("kind", ["stream", "events"])
async def test_uploads_stay_open(app: Quart, kind: str) -> None:
    """A generator can read an uploaded file, which is closed when the stream has ended."""
    files: list[Any] = []

    @app.post("/")
    async def view() -> Any:
        files.append((await request.files)["file"])

        def generate() -> Generator[bytes, None, None]:
            yield b"begin "
            yield files[-1].read()

        return stream_with_context(generate()) if kind == "stream" else EventStream(generate())

    async with served(app) as server:
        response = await server.client.post("/", files={"file": ("a", b"content" * 1000)})
        assert response.content.endswith(b"begin " + b"content" * 1000)
        await eventually(lambda: files[-1].closed)
