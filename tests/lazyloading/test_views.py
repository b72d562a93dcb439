"""Views are imported once, for their first request, beside other requests."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from quart import Blueprint, Quart, g, request
from quart.app import iscoroutinefunction

from quartpatterns.lazyloading import LazyImportError, LazyView
from tests.lazyloading import gate
from tests.serving import eventually
from tests.written import Write

# Writes a line to a file for each import.
LOGGED = """
    import asyncio
    from pathlib import Path
    from quart import has_app_context, has_request_context

    def in_loop():
        try:
            return bool(asyncio.get_running_loop())
        except RuntimeError:
            return False

    with Path(__file__).with_name("imports").open("a") as file:
        print(in_loop(), has_app_context(), has_request_context(), file=file)
    WAIT
"""
VIEWS = f"""{LOGGED}
    from quart import request, stream_with_context, websocket
    from quart.views import MethodView, View

    def plain(word="nothing"):
        return f"plain {{word}} {{in_loop()}}"

    async def coroutine(word="nothing"):
        return f"coroutine {{word}} {{in_loop()}}"

    async def generator(word="nothing"):
        yield b"generator "
        yield word.encode()

    def plain_generator(word="nothing"):
        yield f"plain_generator {{word}}"

    class Methods(MethodView):
        async def get(self, word="nothing"):
            return f"get {{word}}"

        def post(self, word="nothing"):
            return f"post {{word}}"

    class Single(View):
        def dispatch_request(self, word="nothing"):
            return f"{{type(self).__name__}} {{word}}"

    as_view = Single.as_view("as_view")
    number = 5

    class NotAView:
        pass

    async def echo(word):
        await websocket.send(f"{{word}} {{await websocket.receive()}}")
"""


GATE = "from tests.lazyloading import gate; gate.wait()"


def views(*, wait: bool = False) -> Mapping[str, str]:
    """Return a module with all kinds of views, whose import waits for the test if *wait* is set."""
    source = VIEWS.replace("WAIT", GATE if wait else "")
    return {"late/__init__.py": "", "late/views.py": source}


@pytest.fixture(autouse=True)
def reset_gate() -> None:
    gate.started.clear()
    gate.proceed.clear()


def imports(folder: Path) -> list[str]:
    """Return a line for each import: whether it ran in a loop, a context and a request."""
    log = folder / "late" / "imports"
    return log.read_text().splitlines() if log.exists() else []


async def body_of(app: Quart, path: str, *, method: str = "GET") -> str:
    client = app.test_client()
    response = await getattr(client, method.lower())(path)
    assert response.status_code == 200
    page: str = await response.get_data(as_text=True)
    return page


@pytest.mark.checks("LL-2", "LL-6")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("plain", "plain Ada False", id="function"),
        pytest.param("coroutine", "coroutine Ada True", id="coroutine function"),
        pytest.param("generator", "generator Ada", id="asynchronous generator"),
        pytest.param("plain_generator", "plain_generator Ada", id="generator"),
        pytest.param("Methods", "get Ada", id="class of methods"),
        pytest.param("Single", "Single Ada", id="class"),
        pytest.param("as_view", "Single Ada", id="view of a class"),
    ],
)
async def test_kinds(app_class: type[Quart], write: Write, name: str, message: str) -> None:
    """All kinds of views get the URL's arguments, on the event loop or in a thread."""
    folder = write(views())
    app = app_class(__name__)
    app.add_url_rule("/<word>", view_func=LazyView(f"late.views.{name}"))
    assert "late.views" not in sys.modules
    assert await body_of(app, "/Ada") == message
    assert await body_of(app, "/Ada") == message
    assert "late.views" in sys.modules
    assert imports(folder) == ["False False False"]


@pytest.mark.checks("LL-6")
async def test_methods(app_class: type[Quart], write: Write) -> None:
    write(views())
    app = app_class(__name__)
    app.add_url_rule("/", view_func=LazyView("late.views.Methods"), methods=["GET", "POST"])
    assert await body_of(app, "/", method="POST") == "post nothing"
    assert await body_of(app, "/", method="GET") == "get nothing"
    assert await body_of(app, "/", method="HEAD") in ("", "get nothing")
    assert (await app.test_client().put("/")).status_code == 405


@pytest.mark.checks("LL-6")
async def test_methods_without_a_rule(
    app_class: type[Quart], write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    """If a view has methods that its rules don't have, a warning is logged once."""
    write(views())
    app = app_class(__name__)
    app.add_url_rule("/", view_func=LazyView("late.views.Methods"))
    app.add_url_rule("/all", "all", LazyView("late.views.Methods"), methods=["GET", "POST"])
    await body_of(app, "/all")
    assert not caplog.records
    await body_of(app, "/")
    await body_of(app, "/")
    assert caplog.record_tuples == [
        (
            "quartpatterns.lazyloading.views",
            logging.WARNING,
            "late.views.Methods has methods that none of its URL rules has: register it with"
            " methods=['GET', 'POST']",
        )
    ]


@pytest.mark.checks("LL-7")
async def test_websocket(app_class: type[Quart], write: Write) -> None:
    """The view of a websocket is imported while the websocket waits."""
    write(views())
    app = app_class(__name__)
    app.add_websocket("/<word>", view_func=LazyView("late.views.echo"))
    for word in ("one", "two"):
        async with app.test_client().websocket(f"/{word}") as connection:
            await connection.send("hello")
            assert await connection.receive() == f"{word} hello"


@pytest.mark.checks("LL-8")
async def test_concurrent_requests(app_class: type[Quart], write: Write) -> None:
    """For concurrent requests the module is imported once, in a thread, beside other requests."""
    folder = write(views(wait=True))
    app = app_class(__name__)
    app.add_url_rule("/<word>", view_func=LazyView("late.views.coroutine"))

    @app.get("/")
    async def index() -> str:
        return "on the loop"

    @app.get("/thread/")
    def sync_index() -> str:
        return "in a thread"

    waiting = [asyncio.create_task(body_of(app, f"/{number}")) for number in range(40)]
    await eventually(gate.started.is_set)
    assert await body_of(app, "/") == "on the loop"
    assert await body_of(app, "/thread/") == "in a thread"
    assert not any(task.done() for task in waiting)
    gate.proceed.set()
    assert [await task for task in waiting] == [f"coroutine {number} True" for number in range(40)]
    assert imports(folder) == ["False False False"]


@pytest.mark.checks("LL-8")
async def test_first_request_is_cancelled(app_class: type[Quart], write: Write) -> None:
    """If the first request is cancelled, the import goes on for the others."""
    folder = write(views(wait=True))
    app = app_class(__name__)
    app.add_url_rule("/<word>", view_func=LazyView("late.views.coroutine"))
    requests: list[str] = []

    @app.before_request
    async def count() -> None:
        requests.append(request.path)

    first = asyncio.create_task(body_of(app, "/first"))
    await eventually(gate.started.is_set)
    second = asyncio.create_task(body_of(app, "/second"))
    await eventually(lambda: requests == ["/first", "/second"])
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    gate.proceed.set()
    assert await second == "coroutine second True"
    assert imports(folder) == ["False False False"]


@pytest.mark.checks("LL-8")
async def test_all_requests_are_cancelled(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    """An error is not logged if no request waits for it; the next request imports again."""
    write({"late/__init__.py": "", "late/views.py": f"{GATE}\nraise ValueError"})
    view = LazyView("late.views.coroutine")
    waiting = asyncio.create_task(view.load())
    await eventually(gate.started.is_set)
    waiting.cancel()
    gate.proceed.set()
    await eventually(lambda: asyncio.all_tasks() == {asyncio.current_task()})
    gc.collect()
    assert not caplog.records
    with pytest.raises(LazyImportError):
        await view.load()


@pytest.mark.checks("LL-8")
def test_shutdown(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    """If the event loop ends during the import, nothing is logged; the next loop imports again."""
    write(views(wait=True))
    view = LazyView("late.views.coroutine")

    async def proceed_at_shutdown() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            gate.proceed.set()

    async def end_early() -> None:
        tasks = {asyncio.create_task(view.load()), asyncio.create_task(proceed_at_shutdown())}
        await eventually(gate.started.is_set)
        assert not any(task.done() for task in tasks)

    asyncio.run(end_early())
    assert not caplog.records
    assert asyncio.run(view.load()).__name__ == "coroutine"


@pytest.mark.checks("LL-8")
def test_several_loops(write: Write) -> None:
    """One view works in several event loops, one after the other and concurrently."""
    folder = write(views(wait=True))
    app = Quart(__name__)
    app.add_url_rule("/<word>", view_func=LazyView("late.views.coroutine"))

    def send_request(word: str) -> str:
        return asyncio.run(body_of(app, f"/{word}"))

    with ThreadPoolExecutor(2) as threads:
        results = threads.map(send_request, ["one", "two"])
        assert gate.started.wait(20)
        gate.proceed.set()
        assert list(results) == ["coroutine one True", "coroutine two True"]
    assert send_request("three") == "coroutine three True"
    assert imports(folder) == ["False False False"]


@pytest.mark.checks("LL-5")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("late.views.corutine", "did you mean coroutine", id="view"),
        pytest.param("late.view.coroutine", "No module named 'late.view'", id="module"),
        pytest.param("early.views.coroutine", "No module named 'early'", id="package"),
        pytest.param("late.views.number", "late.views.number is not a view", id="number"),
        pytest.param("late.views.NotAView", "not a subclass of Quart's View", id="class"),
        pytest.param("late.broken.view", "ZeroDivisionError: division by zero", id="raises"),
        pytest.param("late.flask.Old", "not a subclass of Quart's View", id="Flask's"),
    ],
)
async def test_wrong_name(
    app_class: type[Quart], write: Write, caplog: pytest.LogCaptureFixture, name: str, message: str
) -> None:
    """A wrong name is a 500 at the first request; the full name is only in the log."""
    write(
        {
            **views(),
            "late/broken.py": "1 / 0",
            "late/flask.py": "from flask.views import View\nclass Old(View): ...",
        }
    )
    app = app_class(__name__)
    app.add_url_rule("/", view_func=LazyView(name))
    for _ in range(2):
        caplog.clear()
        response = await app.test_client().get("/")
        assert response.status_code == 500
        assert b"late" not in await response.get_data()
        (record,) = caplog.records
        assert record.exc_info and isinstance(record.exc_info[1], LazyImportError)
        assert message in str(record.exc_info[1])


@pytest.mark.checks("LL-5")
async def test_retry(app_class: type[Quart], write: Write) -> None:
    """After a failed import the next request tries again."""
    write({"late/__init__.py": "", "late/views.py": "1 / 0  # a longer text than the next"})
    app = app_class(__name__)
    app.add_url_rule("/", view_func=LazyView("late.views:index"))
    responses = await asyncio.gather(*(app.test_client().get("/") for _ in range(5)))
    assert [response.status_code for response in responses] == [500] * 5
    write({"late/views.py": "def index(): return 'repaired'"})
    assert await body_of(app, "/") == "repaired"


@pytest.mark.checks("LL-3")
def test_sharing(app_class: type[Quart]) -> None:
    """Several rules share one object; a second object for the endpoint is an error."""
    app = app_class(__name__)
    user = LazyView("late.views.user")
    app.add_url_rule("/user/", view_func=user)
    app.add_url_rule("/user/<username>", view_func=user)
    with pytest.raises(AssertionError, match="overwriting an existing endpoint"):
        app.add_url_rule("/u", view_func=LazyView("late.views.user"))
    assert user.__name__ == "user"
    assert user.__module__ == "late.views"
    assert repr(user) == "<LazyView late.views.user>"


@pytest.mark.checks("LL-4")
async def test_hooks(app_class: type[Quart], write: Write) -> None:
    """A hook in code that is imported at startup applies to the first request."""
    write(
        {
            "late/__init__.py": "",
            "late/views.py": """
                from quart import current_app, g

                async def index():
                    return f"{g.get('eager')} {g.get('late')}"
            """,
        }
    )
    app = app_class(__name__)

    @app.before_request
    async def hook() -> None:
        g.eager = "seen"

    app.add_url_rule("/", view_func=LazyView("late.views.index"))
    assert await body_of(app, "/") == "seen None"


@pytest.mark.checks("LL-6")
async def test_blueprint(app_class: type[Quart], write: Write) -> None:
    write(views())
    front = Blueprint("front", __name__, url_prefix="/front")
    front.add_url_rule("/<word>", view_func=LazyView("late.views.coroutine"))
    app = app_class(__name__)
    app.register_blueprint(front)
    assert await body_of(app, "/front/Ada") == "coroutine Ada True"


@pytest.mark.checks("LL-6")
async def test_hook_and_handler(app_class: type[Quart], write: Write) -> None:
    """Quart recognizes a LazyView as a coroutine function everywhere."""
    write(
        {
            "late/__init__.py": "",
            "late/handlers.py": """
                def before(): return None
                async def not_found(error): return "late 404", 404
            """,
        }
    )
    assert iscoroutinefunction(LazyView("late.handlers.before"))
    assert inspect.iscoroutinefunction(LazyView("a.b").__call__)
    app = app_class(__name__)
    app.before_request(LazyView("late.handlers.before"))
    app.register_error_handler(404, LazyView("late.handlers.not_found"))
    response = await app.test_client().get("/")
    assert response.status_code == 404
    assert await response.get_data() == b"late 404"


@pytest.mark.checks("LL-2")
@pytest.mark.parametrize("name", ["", "view", "a.", ".a", "a..b", "a.b c", "a.1", "a:b:", 'a."b"'])
def test_invalid_name(name: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a view"):
        LazyView(name)


@pytest.mark.checks("LL-6")
async def test_in_a_stream(app_class: type[Quart], write: Write) -> None:
    """A view that streams with its context works at its first request."""
    write(
        {
            "late/__init__.py": "",
            "late/views.py": """
                from quart import request, stream_with_context

                async def index():
                    @stream_with_context
                    async def generate():
                        yield request.path
                    return generate()
            """,
        }
    )
    app = app_class(__name__)
    app.add_url_rule("/", view_func=LazyView("late.views.index"))
    assert await body_of(app, "/") == "/"
