"""``--only``: the views of one module or route become asynchronous."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from quartpatterns.cli import main
from quartpatterns.porting import PortError, make_plan
from tests.porting.ported import port, written

SHOP = {
    "shop/__init__.py": """
        import sqlite3
        from flask import Flask, g
        from shop import admin
        from .pages import bp as pages_blueprint

        def create_app():
            app = Flask(__name__)
            app.register_blueprint(admin.bp, url_prefix="/office")
            app.register_blueprint(pages_blueprint)
            app.before_request(connect)
            return app

        def connect():
            g.db = sqlite3.connect(":memory:")
        """,
    "shop/admin.py": """
        import threading
        from flask import Blueprint

        bp = Blueprint("admin", __name__, url_prefix="/admin")

        def place():
            return threading.current_thread().name

        @bp.get("/users")
        def users():
            return place()

        @bp.route("/orders/<int:id>", methods=["GET", "POST"])
        def orders(id):
            return place()
        """,
    "shop/pages.py": """
        import threading
        from flask import Blueprint, g, render_template_string
        from flask.views import MethodView

        bp = Blueprint("pages", __name__)

        def count():
            return g.db.execute("SELECT 41 + 1").fetchone()[0]

        @bp.route("/")
        def index():
            return render_template_string("hello")

        @bp.route("/count")
        def counted():
            return str(count())

        @bp.route("/about")
        def about():
            return threading.current_thread().name

        class Help(MethodView):
            def get(self):
                return threading.current_thread().name

        bp.add_url_rule("/help", view_func=Help.as_view("help"))
        """,
}
# What has to be asynchronous: a hook, what awaits a template, and what uses the connection.
ALWAYS = {"connect", "index", "counted"}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return written(tmp_path / "shop", SHOP)


def made(folder: Path, *only: str) -> set[str]:
    return {each.name for each in make_plan(folder, only=only).made_async}


@pytest.mark.parametrize(
    ("only", "selected"),
    [
        ("shop.admin", {"users", "orders"}),
        ("shop/admin.py", {"users", "orders"}),
        ("shop.pages", {"about", "Help.get"}),
        ("shop", {"users", "orders", "about", "Help.get"}),
        ("/about", {"about"}),
        ("/help", {"Help.get"}),
        ("/admin/users", {"users"}),
        ("/office/orders/<int:id>", {"orders"}),
    ],
)
def test_selected(shop: Path, only: str, selected: set[str]) -> None:
    assert made(shop, only) == ALWAYS | selected


def test_several(shop: Path) -> None:
    assert made(shop, "/about", "/admin/users") == ALWAYS | {"about", "users"}
    assert made(shop) == ALWAYS | {"users", "orders", "about", "Help.get"}


def test_again(shop: Path) -> None:
    """The same part again changes nothing, and without --only the rest follows."""
    for change in make_plan(shop, only=["/about"]).changes:
        (shop / change.file).write_bytes(change.after)
    assert not make_plan(shop, only=["/about"]).changes
    assert "async def users" not in (shop / "shop/admin.py").read_text()
    port(shop)
    assert "async def users" in (shop / "shop/admin.py").read_text()


def test_decorated(tmp_path: Path) -> None:
    """A decorator that awaits the selected view awaits the others as well."""
    code = """
    from functools import wraps
    from flask import Flask

    app = Flask(__name__)

    def checked(view):
        @wraps(view)
        def wrapped(**kwargs):
            return view(**kwargs)
        return wrapped

    @app.get("/a")
    @checked
    def a():
        return "a"

    @app.get("/b")
    @checked
    def b():
        return "b"

    @app.get("/c")
    def c():
        return "c"
    """
    assert made(written(tmp_path, {"app.py": code}), "/c") == {"c"}
    assert made(tmp_path, "/a") == {"wrapped", "a", "b"}


CODE = """
import asyncio, threading
from shop import create_app

async def ask():
    client = create_app().test_client()
    for path in ("/", "/count", "/about", "/help", "/admin/users"):
        text = await (await client.get(path)).get_data(as_text=True)
        print(path, text if text != threading.current_thread().name else "event loop")

asyncio.run(ask())
"""


def test_result(shop: Path) -> None:
    """Views that were not selected work. They run in threads, unless a hook has the connection."""
    shop.joinpath("shop/admin.py").write_text(
        shop.joinpath("shop/admin.py").read_text().replace(', url_prefix="/admin"', "")
    )
    shop.joinpath("shop/__init__.py").write_text(
        shop.joinpath("shop/__init__.py").read_text().replace("/office", "/admin")
    )
    for change in make_plan(shop, only=["/admin/users"]).changes:
        (shop / change.file).write_bytes(change.after)
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=shop, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    threads = {path for path, text in lines.items() if text not in ("hello", "42", "event loop")}
    assert threads == {"/about", "/help"}
    assert (lines["/"], lines["/count"]) == ("hello", "42")
    assert lines["/admin/users"] == "event loop"


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ("/abuot", "the project has no such route; did you mean /about?"),
        (
            "/x/y/z/unknown",
            "; the routes are /, /about, /admin/orders/<int:id>, /admin/users",
        ),
        ("shop.admn", "no such module, and a route begins with a slash; did you mean shop.admin"),
        ("shop.db", "this module has no view; those with views are shop.admin, shop.pages"),
    ],
)
def test_unknown(shop: Path, only: str, message: str) -> None:
    written(shop, {"shop/db.py": "x = 1\n"})
    with pytest.raises(PortError) as caught:
        make_plan(shop, only=[only])
    assert str(caught.value).startswith(f"--only {only}: ") and message in str(caught.value)


def test_other_stage(shop: Path) -> None:
    found = CliRunner().invoke(main, ["port", str(shop), "--only", "/", "--stage", "modernise"])
    assert found.exit_code == 2
    assert "--only is for the stages async and data, not for modernise" in found.output


def test_stage_data(tmp_path: Path) -> None:
    """What waits is replaced where the code runs on the event loop. Threads can wait."""
    code = """
    import time
    from flask import Flask

    app = Flask(__name__)

    @app.get("/a")
    def a():
        time.sleep(1)
        return "a"

    @app.get("/b")
    def b():
        time.sleep(1)
        return "b"
    """
    plan = make_plan(written(tmp_path, {"app.py": code}), "data", only=["/a"])
    [change] = plan.changes
    text = change.after.decode()
    assert "async def a():\n    await asyncio.sleep(1)\n" in text
    assert "\ndef b():\n    time.sleep(1)\n" in text
    assert not plan.findings
    [found] = make_plan(tmp_path, "async", only=["/a"]).findings
    assert (found.kind, found.line) == ("blocks", 8)


PREFIXES = {
    "app.py": """
    from flask import Blueprint, Flask

    bp: Blueprint = Blueprint("bp", __name__, url_prefix="/admin")
    api = Blueprint("api", __name__, url_prefix="/api")
    v1 = Blueprint("v1", __name__, url_prefix="/v1")
    more = Blueprint("more", __name__, url_prefix="/m")

    @bp.get("/x")
    def x():
        return ""

    @v1.get("/users")
    def users():
        return ""

    @more.get("list")
    def listed():
        return ""

    api.register_blueprint(v1)
    app = Flask(__name__)
    app.register_blueprint(bp)
    app.register_blueprint(api)
    app.register_blueprint(more)
    """
}


@pytest.mark.parametrize(
    ("route", "name"), [("/admin/x", "x"), ("/api/v1/users", "users"), ("/m/list", "listed")]
)
def test_prefixes(tmp_path: Path, route: str, name: str) -> None:
    """A route has the prefixes of all its blueprints, and one slash between them."""
    plan = make_plan(written(tmp_path, PREFIXES), only=[route])
    assert [each.name for each in plan.made_async] == [name]
    with pytest.raises(PortError, match="no such route"):
        make_plan(tmp_path, only=["/mlist"])


def test_function_of_another_stage(tmp_path: Path) -> None:
    """Also without the command, views are not selected where none becomes asynchronous."""
    with pytest.raises(PortError, match="--only is for the stages async and data, not for serve"):
        make_plan(written(tmp_path, PREFIXES), "serve", only=["/admin/x"])


def test_scoped_session(tmp_path: Path) -> None:
    """Views with a session of their thread move together: only one thread's session is removed."""
    code = """
    from flask import Flask
    from sqlalchemy import create_engine, text
    from sqlalchemy.orm import declarative_base, scoped_session, sessionmaker

    app = Flask(__name__)
    db_session = scoped_session(sessionmaker(bind=create_engine("sqlite:///a.db")))
    Base = declarative_base()
    Base.query = db_session.query_property()

    class User(Base):
        __tablename__ = "user"

    @app.teardown_appcontext
    def remove(error):
        db_session.remove()

    def latest():
        return db_session().execute(text("SELECT 1")).scalar()

    @app.get("/")
    def index():
        return ""

    @app.get("/methods")
    def methods():
        db_session.commit()
        return ""

    @app.get("/functions")
    def functions():
        return str(latest())

    @app.get("/models")
    def models():
        return str(User.query.count())

    @app.get("/other")
    def other():
        return ""
    """
    written(tmp_path, {"app.py": code})
    assert made(tmp_path, "/") == {"remove", "index", "methods", "functions", "models"}
