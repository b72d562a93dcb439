"""Views are imported late, once, and beside other requests."""

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
from quart import Blueprint, Quart, g
from quart.app import iscoroutinefunction

from quartpatterns.lazyloading import LazyImportError, LazyView
from tests.written import Write

# Notes each import in a file beside it, and what it was imported in.
NOTED = """
    import asyncio, threading, time
    from pathlib import Path
    from quart import has_app_context, has_request_context

    def in_loop():
        try:
            return bool(asyncio.get_running_loop())
        except RuntimeError:
            return False

    with Path(__file__).with_name("imports").open("a") as file:
        print(in_loop(), has_app_context(), has_request_context(), file=file)
    time.sleep(SECONDS)
"""
VIEWS = f"""{NOTED}
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

    made = Single.as_view("made")
    number = 5

    class NoView:
        pass

    async def echo(word):
        await websocket.send(f"{{word}} {{await websocket.receive()}}")
"""


def views(seconds: float = 0) -> Mapping[str, str]:
    """A module with views of all kinds, whose import takes a while."""
    return {"late/__init__.py": "", "late/views.py": VIEWS.replace("SECONDS", str(seconds))}


def imports(folder: Path) -> list[str]:
    """A line for each import of the module: whether in a loop, a context, a request."""
    noted = folder / "late" / "imports"
    return noted.read_text().splitlines() if noted.exists() else []


async def text(app: Quart, path: str, *, method: str = "GET") -> str:
    client = app.test_client()
    response = await getattr(client, method.lower())(path)
    assert response.status_code == 200
    page: str = await response.get_data(as_text=True)
    return page


@pytest.mark.checks("LL-2", "LL-6")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("plain", "plain Ada False", id="function"),
        pytest.param("coroutine", "coroutine Ada True", id="coroutine function"),
        pytest.param("generator", "generator Ada", id="asynchronous generator"),
        pytest.param("plain_generator", "plain_generator Ada", id="generator"),
        pytest.param("Methods", "get Ada", id="class of methods"),
        pytest.param("Single", "Single Ada", id="class"),
        pytest.param("made", "Single Ada", id="view of a class"),
    ],
)
async def test_kinds(app_class: type[Quart], write: Write, name: str, said: str) -> None:
    """A view of any kind is called with the URL's arguments, on the loop or in a thread."""
    folder = write(views())
    app = app_class(__name__)
    app.add_url_rule("/<word>", view_func=LazyView(f"late.views.{name}"))
    assert "late.views" not in sys.modules
    assert await text(app, "/Ada") == said
    assert await text(app, "/Ada") == said
    assert "late.views" in sys.modules
    assert imports(folder) == ["False False False"]


@pytest.mark.checks("LL-6")
async def test_methods(app_class: type[Quart], write: Write) -> None:
    write(views())
    app = app_class(__name__)
    app.add_url_rule("/", view_func=LazyView("late.views.Methods"), methods=["GET", "POST"])
    assert await text(app, "/", method="POST") == "post nothing"
    assert await text(app, "/", method="GET") == "get nothing"
    assert await text(app, "/", method="HEAD") in ("", "get nothing")
    assert (await app.test_client().put("/")).status_code == 405


@pytest.mark.checks("LL-6")
async def test_methods_that_no_rule_has(
    app_class: type[Quart], write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    """What a view answers and nobody can ask it is told once, with what to write."""
    write(views())
    app = app_class(__name__)
    app.add_url_rule("/", view_func=LazyView("late.views.Methods"))
    app.add_url_rule("/all", "all", LazyView("late.views.Methods"), methods=["GET", "POST"])
    await text(app, "/all")
    assert not caplog.records
    await text(app, "/")
    await text(app, "/")
    assert caplog.record_tuples == [
        (
            "quartpatterns.lazyloading.view",
            logging.WARNING,
            "late.views.Methods has methods that no URL rule of it lets through: register it with"
            " methods=['GET', 'POST']",
        )
    ]


@pytest.mark.checks("LL-7")
async def test_websocket(app_class: type[Quart], write: Write) -> None:
    """A websocket is handled by a view that is imported while it waits."""
    write(views(0.1))
    app = app_class(__name__)
    app.add_websocket("/<word>", view_func=LazyView("late.views.echo"))
    for word in ("one", "two"):
        async with app.test_client().websocket(f"/{word}") as connection:
            await connection.send("hello")
            assert await connection.receive() == f"{word} hello"


@pytest.mark.checks("LL-8")
async def test_once(app_class: type[Quart], write: Write) -> None:
    """However many ask first, the module is imported once, in one thread, beside other requests."""
    folder = write(views(1))
    app = app_class(__name__)
    app.add_url_rule("/<word>", view_func=LazyView("late.views.coroutine"))

    @app.get("/")
    async def quick() -> str:
        return "on the loop"

    @app.get("/thread/")
    def quick_in_a_thread() -> str:
        return "in a thread"

    loop = asyncio.get_running_loop()
    slow = [asyncio.create_task(text(app, f"/{number}")) for number in range(40)]
    longest = 0.0
    while not all(task.done() for task in slow):
        start = loop.time()
        assert await text(app, "/") == "on the loop"
        assert await text(app, "/thread/") == "in a thread"
        longest = max(longest, loop.time() - start)
    assert [await task for task in slow] == [f"coroutine {number} True" for number in range(40)]
    assert imports(folder) == ["False False False"]
    assert longest < 0.8


@pytest.mark.checks("LL-8")
async def test_the_first_goes_away(app_class: type[Quart], write: Write) -> None:
    """A client that leaves does not take the import from those who wait with it."""
    folder = write(views(0.3))
    app = app_class(__name__)
    app.add_url_rule("/<word>", view_func=LazyView("late.views.coroutine"))
    first = asyncio.create_task(text(app, "/first"))
    await asyncio.sleep(0.1)
    second = asyncio.create_task(text(app, "/second"))
    await asyncio.sleep(0.05)
    first.cancel()
    assert await second == "coroutine second True"
    assert imports(folder) == ["False False False"]
    with pytest.raises(asyncio.CancelledError):
        await first


@pytest.mark.checks("LL-8")
async def test_all_go_away(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    """An import that fails when nobody waits any more is no news; the next one has its own."""
    write(
        {"late/__init__.py": "", "late/views.py": "import time; time.sleep(0.2); raise ValueError"}
    )
    view = LazyView("late.views.coroutine")
    waiting = asyncio.create_task(view.load())
    await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.sleep(0.4)
    gc.collect()
    assert not caplog.records
    with pytest.raises(LazyImportError):
        await view.load()


@pytest.mark.checks("LL-8")
def test_shutdown(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    """A loop that ends meanwhile ends the import silently; the next loop has its own."""
    write(views(0.2))
    view = LazyView("late.views.coroutine")

    async def leave() -> None:
        task = asyncio.create_task(view.load())
        await asyncio.sleep(0.05)
        assert not task.done()

    asyncio.run(leave())
    assert not caplog.records
    assert asyncio.run(view.load()).__name__ == "coroutine"


@pytest.mark.checks("LL-8")
def test_several_loops(write: Write) -> None:
    """One view may serve applications in several loops, one after the other and at once."""
    folder = write(views(0.2))
    app = Quart(__name__)
    app.add_url_rule("/<word>", view_func=LazyView("late.views.coroutine"))

    def ask(word: str) -> str:
        return asyncio.run(text(app, f"/{word}"))

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(ask, ["one", "two"])) == [
            "coroutine one True",
            "coroutine two True",
        ]
    assert ask("three") == "coroutine three True"
    assert imports(folder) == ["False False False"]


@pytest.mark.checks("LL-5")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("late.views.corutine", "did you mean coroutine", id="view"),
        pytest.param("late.view.coroutine", "No module named 'late.view'", id="module"),
        pytest.param("early.views.coroutine", "No module named 'early'", id="package"),
        pytest.param("late.views.number", "late.views.number is int, and no view", id="number"),
        pytest.param("late.views.NoView", "is a class, and not one of quart.views", id="class"),
        pytest.param("late.broken.view", "ZeroDivisionError: division by zero", id="raises"),
        pytest.param("late.flask.Old", "is a class, and not one of quart.views", id="Flask's"),
    ],
)
async def test_bad_path(
    app_class: type[Quart], write: Write, caplog: pytest.LogCaptureFixture, name: str, said: str
) -> None:
    """A bad path is 500 at the first request; the log has the whole name, the page has not."""
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
        assert said in str(record.exc_info[1])


@pytest.mark.checks("LL-5")
async def test_repaired(app_class: type[Quart], write: Write) -> None:
    """After a failed import the next request tries again."""
    write({"late/__init__.py": "", "late/views.py": "1 / 0  # a longer text than the next"})
    app = app_class(__name__)
    app.add_url_rule("/", view_func=LazyView("late.views:index"))
    answers = await asyncio.gather(*(app.test_client().get("/") for _ in range(5)))
    assert [answer.status_code for answer in answers] == [500] * 5
    write({"late/views.py": "def index(): return 'here'"})
    assert await text(app, "/") == "here"


@pytest.mark.checks("LL-3")
def test_sharing(app_class: type[Quart]) -> None:
    """Several rules share one object; a second object for the same endpoint is refused."""
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
    """A hook of eager code is there at the first request; one of the view's module is not."""
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
    assert await text(app, "/") == "seen None"


@pytest.mark.checks("LL-6")
async def test_blueprint(app_class: type[Quart], write: Write) -> None:
    write(views())
    front = Blueprint("front", __name__, url_prefix="/front")
    front.add_url_rule("/<word>", view_func=LazyView("late.views.coroutine"))
    app = app_class(__name__)
    app.register_blueprint(front)
    assert await text(app, "/front/Ada") == "coroutine Ada True"


@pytest.mark.checks("LL-6")
async def test_hook_and_handler(app_class: type[Quart], write: Write) -> None:
    """It is a coroutine function to Quart, wherever that takes one."""
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
def test_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="is no name of a view"):
        LazyView(name)


@pytest.mark.checks("LL-6")
async def test_in_a_stream(app_class: type[Quart], write: Write) -> None:
    """A view that streams with its context does so from its first call."""
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
    assert await text(app, "/") == "/"
