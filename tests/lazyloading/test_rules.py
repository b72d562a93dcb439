"""The central map of URLs."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quart import Blueprint, Quart, url_for

from quartpatterns.lazyloading import LazyImportError, lazy_url
from quartpatterns.lazyloading.imports import split_name
from tests.written import Write

VIEWS = """
    from quart import url_for, websocket
    from quart.views import View as Base

    def index(): return "index"
    async def user(username="nobody"): return f"{username} {url_for('user', username='Ada')}"
    async def echo(): await websocket.send(await websocket.receive())
    class Page(Base):
        def dispatch_request(self): return "page"
    alias = index
    if True:
        first, (*rest, second) = index, (index, index)
    try:
        import not_there
    except ImportError as error:
        from late.more import more as other
    with open(__file__) as file:
        inside = index
    if (walrus := index):
        typed: object = index
    for looped in [index]:
        pass
    def outer():
        hidden = index
"""
MODULES = {
    "late/__init__.py": "",
    "late/app.py": "",
    "late/views.py": VIEWS,
    "late/more.py": "def more(): return 'more'",
    "late/star.py": "from late.views import *",
    "late/dynamic.py": "def __getattr__(name):\n    if name == 'dynamic': return print\n"
    "    raise AttributeError(name)",
    "late/broken.py": "def index(): ...\n1 / 0",
    "late/wrong.py": "def index(:",
    "late/raises/__init__.py": "1 / 0",
    "late/raises/views.py": "def index(): ...",
}


@pytest.fixture(autouse=True)
def modules(write: Write) -> None:
    write(MODULES)
    import late.app  # type: ignore[import-not-found]  # noqa: F401  # written just now


async def body_of(app: Quart, path: str, *, method: str = "GET") -> str:
    client = app.test_client()
    response = await (client.post(path) if method == "POST" else client.get(path))
    assert response.status_code == 200
    return await response.get_data(as_text=True)


@pytest.mark.checks("LL-1", "LL-2", "LL-3")
async def test_map(app_class: type[Quart]) -> None:
    """A view has several rules and one endpoint, and is imported for its first request."""
    app = app_class("late.app")
    lazy_url(app, "late.views.index", ["/"])
    view = lazy_url(app, "late.views.user", ["/user/", "/user/<username>"])
    assert "late.views" not in sys.modules
    assert set(app.view_functions) >= {"index", "user"}
    assert app.view_functions["user"] is view
    assert await body_of(app, "/user/") == "nobody /user/Ada"
    assert await body_of(app, "/user/Grace") == "Grace /user/Ada"
    assert await body_of(app, "/") == "index"
    assert (await app.test_client().get("/user")).status_code == 308


@pytest.mark.checks("LL-3")
async def test_options(app_class: type[Quart]) -> None:
    """Options of add_url_rule are passed on."""
    app = app_class("late.app")
    options: dict[str, Any] = {"methods": ["POST"], "defaults": {"username": "x"}}
    lazy_url(app, "late.views.user", ["/x"], endpoint="post", **options)
    lazy_url(app, "late.views.user", ["/user/<username>"])
    assert await body_of(app, "/x", method="POST") == "x /user/Ada"
    assert (await app.test_client().get("/x")).status_code == 405


@pytest.mark.checks("LL-7")
async def test_websocket(app_class: type[Quart]) -> None:
    app = app_class("late.app")
    lazy_url(app, ".views.echo", ["/echo"], websocket=True, check=True)
    async with app.test_client().websocket("/echo") as connection:
        await connection.send("hello")
        assert await connection.receive() == "hello"


@pytest.mark.checks("LL-3")
@pytest.mark.parametrize("name", [".views.index", "late.views:index", ".views:index"])
async def test_relative(app_class: type[Quart], name: str) -> None:
    """A name may be relative to the package of the application or the blueprint."""
    app = app_class("late.app")
    front = Blueprint("front", "late", url_prefix="/front")
    assert lazy_url(app, name, ["/"]).import_name == "late.views.index"
    lazy_url(front, name, ["/"])
    app.register_blueprint(front)
    async with app.test_request_context("/"):
        assert url_for("front.index") == "/front/"
    assert await body_of(app, "/") == await body_of(app, "/front/") == "index"


@pytest.mark.checks("LL-3")
@pytest.mark.parametrize(
    ("module", "name"),
    [
        pytest.param("late.app", "..views.index", id="too many dots"),
        pytest.param("no_such_module", ".views.index", id="not in a package"),
    ],
)
def test_invalid_relative_name(module: str, name: str) -> None:
    with pytest.raises(ValueError, match="write the full name"):
        lazy_url(Quart(module, root_path="/"), name, ["/"])


@pytest.mark.checks("LL-3")
def test_no_rules(app_class: type[Quart]) -> None:
    app = app_class("late.app")
    with pytest.raises(ValueError, match="needs at least one URL rule"):
        lazy_url(app, "late.views.index", [])
    with pytest.raises(TypeError, match=r"write \['/user/'\]"):
        lazy_url(app, "late.views.user", "/user/")


@pytest.mark.checks("LL-9")
@pytest.mark.parametrize(
    "name",
    [
        "index",
        "user",
        "Page",
        "Base",
        "alias",
        "first",
        "rest",
        "second",
        "other",
        "inside",
        "walrus",
        "typed",
        "looped",
    ],
)
def test_checked(name: str) -> None:
    """Names that the source binds are found without importing the module."""
    lazy_url(Quart("late.app"), f".views.{name}", ["/"], check=True)
    assert "late.views" not in sys.modules


@pytest.mark.checks("LL-9")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(".star.index", id="star import"),
        pytest.param(".dynamic.dynamic", id="module __getattr__"),
        pytest.param("json.loads", id="another package"),
        pytest.param("math.sqrt", id="no source"),
    ],
)
def test_checked_by_import(name: str) -> None:
    """If the source does not show the name, the module is imported."""
    lazy_url(Quart("late.app"), name, ["/"], check=True)


@pytest.mark.checks("LL-9")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param(".views.indexx", "late.views has no 'indexx'; did you mean index", id="view"),
        pytest.param(".views.hidden", "late.views has no 'hidden'", id="inside a function"),
        pytest.param(".dynamic.other", "late.dynamic has no 'other'", id="dynamic"),
        pytest.param(".view.index", "late.view.index can't be imported: ModuleNot", id="module"),
        pytest.param("early.views.index", "No module named 'early'", id="package"),
        pytest.param(".views.index.more", "'late.views' is not a package", id="too deep"),
        pytest.param(".wrong.index", "late.wrong.index can't be imported: Syn", id="syntax"),
        pytest.param(".raises.views.index", "ZeroDivisionError", id="package that raises"),
        pytest.param(".broken.no", "late.broken.no can't be imported: ZeroDiv", id="raises"),
    ],
)
def test_check_fails(app_class: type[Quart], name: str, message: str) -> None:
    """A wrong name is an error at registration, and nothing is registered."""
    app = app_class("late.app")
    before = len(list(app.url_map.iter_rules()))
    with pytest.raises(LazyImportError, match=message):
        lazy_url(app, name, ["/"], check=True)
    assert len(list(app.url_map.iter_rules())) == before
    lazy_url(app, name, ["/"])


@pytest.mark.checks("LL-9")
def test_check_with_circular_import(write: Write) -> None:
    """An application can check views whose module imports it."""
    write(
        {
            "round/__init__.py": """
                from quart import Quart
                from quartpatterns.lazyloading import lazy_url

                app = Quart(__name__)
                lazy_url(app, ".views.index", ["/"], check=True)
            """,
            "round/views.py": "from round import app\nasync def index(): return app.name",
        }
    )
    import round.views  # type: ignore[import-not-found]

    assert asyncio.run(body_of(round.app, "/")) == "round"


@pytest.mark.checks("LL-2")
@given(st.text(max_size=20) | st.from_regex(r"[a-z.:]{1,12}", fullmatch=True))
def test_any_name(name: str) -> None:
    """Every name is either split or an error."""
    try:
        module, view = split_name(name)
    except ValueError as error:
        assert repr(name) in str(error)
    else:
        assert f"{module}.{view}" == name.replace(":", ".")
        assert view.isidentifier()
