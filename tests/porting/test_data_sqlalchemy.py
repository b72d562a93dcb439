"""The stage data: Flask-SQLAlchemy becomes quartpatterns.sqlalchemy."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from quartpatterns.porting import make_plan
from tests.porting.ported import port, ported, written

ROOT = Path(__file__).parents[2]
HEAD = """\
from flask import Flask, abort
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
db = SQLAlchemy(app)


class User(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    posts = db.relationship("Post", backref=db.backref("author"))
    friends = db.relationship("User", lazy="dynamic")

    def save(self):
        db.session.add(self)
        db.session.commit()

    @property
    def newest(self):
        return self.friends.order_by(User.id.desc()).first()

    def label(self):
        return str(self.id)


class Post(db.Model):
    id = db.Column(db.Integer, primary_key=True)


"""
NEW_HEAD = (
    HEAD.replace("from flask import", "from quartpatterns.subclassing.names import")
    .replace(
        "from flask_sqlalchemy import SQLAlchemy",
        "from quartpatterns.sqlalchemy import LazySQLAlchemy as SQLAlchemy",
    )
    .replace("def save", "async def save")
    .replace("db.session.commit()", "await db.session.commit()")
    .replace("def newest", "async def newest")
    .replace("return self.friends", "return await self.friends")
)

# Each pair stands after HEAD.
PAIRS = {
    "sessions": (
        """
        @app.get("/<int:id>")
        def show(id):
            user = db.session.get(User, id)
            names = db.session.execute(db.select(User)).scalars().all()
            count = db.session.scalar(db.select(db.func.count(User.id)))
            db.session.add(Post())
            db.session.delete(user)
            with db.session.no_autoflush:
                db.session.flush()
            with db.session.begin_nested():
                db.session.merge(user)
            db.session().rollback()
            db.session.remove()
            return str(db.get_or_404(Post, id).id)
        """,
        """
        @app.get("/<int:id>")
        async def show(id):
            user = await db.session.get(User, id)
            names = (await db.session.execute(db.select(User))).scalars().all()
            count = await db.session.scalar(db.select(db.func.count(User.id)))
            db.session.add(Post())
            await db.session.delete(user)
            with db.session.no_autoflush:
                await db.session.flush()
            async with db.session.begin_nested():
                await db.session.merge(user)
            await db.session().rollback()
            await db.session.remove()
            return str((await db.get_or_404(Post, id)).id)
        """,
    ),
    "queries of SQLAlchemy 1": (
        """
        @app.get("/")
        def index():
            for user in User.query.filter_by(id=1):
                user.save()
            names = [user.label() for user in db.session.query(User)]
            if User.query.get(1) is None or not Post.query.count():
                abort(404)
            first, few = User.query[0], User.query.order_by(User.id)[:5]
            query = User.query
            if few:
                query = query.filter(User.id > 1)
            page = query.paginate(page=1, error_out=False)
            return str([page.next().items, *page.items, query.first_or_404().posts])
        """,
        """
        @app.get("/")
        async def index():
            async for user in User.query.filter_by(id=1):
                await user.save()
            names = [user.label() async for user in db.session.query(User)]
            if await User.query.get(1) is None or not await Post.query.count():
                abort(404)
            first, few = await User.query[0], await User.query.order_by(User.id)[:5]
            query = User.query
            if few:
                query = query.filter(User.id > 1)
            page = await query.paginate(page=1, error_out=False)
            return str([(await page.next()).items, *page.items, (await query.first_or_404()).posts])
        """,
    ),
    "methods of objects from queries": (
        """
        @app.get("/")
        def index():
            user = User.query.first()
            user.save()
            users = db.session.scalars(db.select(User)).all()
            newest = [each.newest for each in users if each.friends.count()]
            Post.query.first().author.friends.all()[0].save()
            return "".join(each.label() for each in users)
        """,
        """
        @app.get("/")
        async def index():
            user = await User.query.first()
            await user.save()
            users = (await db.session.scalars(db.select(User))).all()
            newest = [await each.newest for each in users if await each.friends.count()]
            await (await (await Post.query.first()).author.friends.all())[0].save()
            return "".join(each.label() for each in users)
        """,
    ),
    "annotations": (
        """
        from flask_sqlalchemy.session import Session
        from sqlalchemy import orm


        def save(session: Session, other: orm.Session):
            session.commit()
            other.flush()
        """,
        """
        from quartpatterns.sqlalchemy import Session
        from sqlalchemy import orm


        async def save(session: Session, other: orm.Session):
            await session.commit()
            await other.flush()
        """,
    ),
    "code that cannot await": (
        """
        class Report:
            def __init__(self, id):
                self.user = User.query.get(id)
                friends = self.user.friends.all()
                self.names = [each.newest for each in friends]


        first = lambda: User.query.first()
        """,
        """
        class Report:
            def __init__(self, id):
                self.user = wait_in_greenlet(User.query.get(id))
                friends = wait_in_greenlet(self.user.friends.all())
                self.names = [wait_in_greenlet(each.newest) for each in friends]


        first = lambda: wait_in_greenlet(User.query.first())
        """,
    ),
    "engines": (
        """
        def version():
            with db.engine.connect() as connection:
                return connection.execute(db.text("SELECT 1")).scalar()


        def reset():
            with db.engines["other"].begin() as connection:
                connection.execute(db.text("DELETE FROM user"))
            db.drop_all()
            db.create_all()
        """,
        """
        async def version():
            async with db.engine.connect() as connection:
                return (await connection.execute(db.text("SELECT 1"))).scalar()


        async def reset():
            async with db.engines["other"].begin() as connection:
                await connection.execute(db.text("DELETE FROM user"))
            await db.drop_all()
            await db.create_all()
        """,
    ),
}


LOGIN = """
from flask import Flask, request
from flask_login import LoginManager, current_user, login_required, login_user
from flask_login.utils import logout_user

from models import User, db

app = Flask(__name__)
login_manager = LoginManager(app)


@login_manager.user_loader
def load(id):
    return db.session.get(User, int(id))


@app.post("/")
@login_required
def save():
    current_user.save()
    login_user(current_user.friends.first())
    logout_user()
    return login_manager.unauthorized()
"""
NEW_LOGIN = """
from quartpatterns.subclassing.names import Flask, request
from quartpatterns.viewdecorators import LoginManager, current_user, login_required, login_user
from quartpatterns.viewdecorators import logout_user

from models import User, db

app = Flask(__name__)
login_manager = LoginManager(app)


@login_manager.user_loader
async def load(id):
    return await db.session.get(User, int(id))


@app.post("/")
@login_required
async def save():
    await current_user.save()
    login_user(await current_user.friends.first())
    logout_user()
    return await login_manager.unauthorized()
"""


def test_login(tmp_path: Path) -> None:
    """Flask-Login becomes quartpatterns.viewdecorators, whose loader is awaited."""
    written(tmp_path, {"models.py": HEAD})
    assert ported(tmp_path, LOGIN.lstrip(), "data") == NEW_LOGIN.lstrip()
    plan = make_plan(tmp_path, "data")
    assert not plan.changes
    assert {each.kind for each in plan.findings} <= {"differs"}


def _dedented(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


@pytest.mark.parametrize("name", PAIRS)
def test_pair(tmp_path: Path, name: str) -> None:
    before, after = map(_dedented, PAIRS[name])
    text = ported(tmp_path, HEAD + before, "data")
    statement = "from quartpatterns.sqlalchemy import wait_in_greenlet\n"
    assert (statement in text) == ("wait_in_greenlet" in after)
    assert text.replace(statement, "") == NEW_HEAD + after
    assert not make_plan(tmp_path, "data").changes


def test_names(tmp_path: Path) -> None:
    """Names of its submodules, old ones, and the module."""
    text = ported(
        tmp_path,
        """\
        import flask
        import flask_sqlalchemy
        from flask_sqlalchemy import BaseQuery, Pagination, get_debug_queries
        from flask_sqlalchemy.model import Model

        db = flask_sqlalchemy.SQLAlchemy()


        class Query(BaseQuery):
            def newest(self):
                return self.order_by("id").first()
        """,
        "data",
    )
    assert text == _dedented(
        """
        from quartpatterns.subclassing import names as flask
        from quartpatterns import sqlalchemy as flask_sqlalchemy
        from quartpatterns.sqlalchemy import Pagination
        from quartpatterns.sqlalchemy import Query as BaseQuery
        from quartpatterns.sqlalchemy import get_recorded_queries as get_debug_queries
        from quartpatterns.sqlalchemy import Model

        db = flask_sqlalchemy.LazySQLAlchemy()


        class Query(BaseQuery):
            async def newest(self):
                return await self.order_by("id").first()
        """
    )
    assert not make_plan(tmp_path, "data").changes


def test_methods_of_a_base(tmp_path: Path) -> None:
    """Methods of a mixin and of ``model_class``, and class methods."""
    files = {
        "shop/__init__.py": "",
        "shop/database.py": """
            from flask_sqlalchemy import SQLAlchemy
            from flask_sqlalchemy.model import Model

            class Base(Model):
                def refresh(self):
                    db.session.refresh(self)

            db = SQLAlchemy(model_class=Base)

            class Saved:
                @classmethod
                def create(cls, **values):
                    return cls(**values).save()

                def save(self):
                    db.session.add(self)
                    db.session.commit()
                    return self
            """,
        "shop/models.py": """
            from .database import Saved, db

            class User(Saved, db.Model):
                id = db.Column(db.Integer, primary_key=True)
            """,
        "shop/views.py": """
            from flask import Blueprint
            from .models import User

            bp = Blueprint("shop", __name__)

            @bp.post("/")
            def create():
                user = User.create(id=1)
                user.refresh()
                return str(User.query.get(1).save().id)
            """,
    }
    written(tmp_path, files)
    port(tmp_path, "data")
    text = (tmp_path / "shop/views.py").read_text()
    assert "    user = await User.create(id=1)\n    await user.refresh()\n" in text
    assert "return str((await (await User.query.get(1)).save()).id)" in text
    assert "return await cls(**values).save()" in (tmp_path / "shop/database.py").read_text()


def test_tests_without_await(tmp_path: Path) -> None:
    """A test that uses ``db.session``, or a factory that does, needs the event loop."""
    test = """
        import pytest
        from app import User, db
        from factory.alchemy import SQLAlchemyModelFactory

        class UserFactory(SQLAlchemyModelFactory):
            class Meta:
                model = User
                sqlalchemy_session = db.session

        @pytest.fixture
        def user():
            return UserFactory()

        def test_label(user):
            assert user.label() == "1"

        def test_new():
            db.session.add(User(id=1))

        def test_created():
            assert UserFactory.create().label() == "1"

        def test_save(user):
            user.save()
            UserFactory.create().save()
        """
    written(tmp_path, {"app.py": HEAD, "test_app.py": test})
    port(tmp_path, "data")
    text = (tmp_path / "test_app.py").read_text()
    assert "async def user(" in text
    assert "\ndef test_label(" in text
    assert "async def test_new(" in text
    assert "async def test_created(" in text
    assert "    await user.save()\n    await UserFactory.create().save()\n" in text
    assert not make_plan(tmp_path, "data").changes


def test_tests_of_code_that_waits(tmp_path: Path) -> None:
    """A test that creates an object whose constructor waits needs the event loop."""
    model = "class Admin(User):\n    def __init__(self):\n        self.first = User.query.first()\n"
    tests = (
        "from app import Admin, User\n\n\ndef test_admin():\n    assert Admin()\n\n\n"
        "def test_user():\n    assert User()\n"
    )
    written(tmp_path, {"app.py": HEAD + model, "test_app.py": tests})
    port(tmp_path, "data")
    text = (tmp_path / "test_app.py").read_text()
    assert text == tests.replace("def test_admin", "async def test_admin")
    assert not make_plan(tmp_path, "data").changes


FOUND = [
    ('app.config["SQLALCHEMY_POOL_SIZE"] = 5', "breaks", "POOL_SIZE is not supported"),
    ("class Config:\n    SQLALCHEMY_ECO = True", "breaks", "SQLALCHEMY_ECO is unknown"),
    ("app.config.update(SQLALCHEMY_ECO=True)", "breaks", "SQLALCHEMY_ECO is unknown"),
    ('SETTINGS = {"SQLALCHEMY_POOL_SIZE": 1}', "breaks", "POOL_SIZE is not supported"),
    ('URL = "mysql+pymysql://localhost/a"', "breaks", "pymysql blocks"),
    ("names = lambda: User.query.all()", "differs", "a lambda cannot use await"),
    ("class A:\n    users = User.query.all()", "breaks", "the body of a class cannot"),
    ("engine = db.get_engine()", "breaks", "get_engine"),
    ("from flask_sqlalchemy import BindMixin", "breaks", "BindMixin"),
    ("def touch(user):\n    user.save()", "differs", "User.save() is asynchronous now"),
    ("def f():\n    User.query.values(User.id)", "breaks", "values"),
    (
        "from library import Base\nclass A(Base):\n    pass\ndef f():\n    A().save()",
        "differs",
        "User.save() is asynchronous now",
    ),
    ("from webtest import TestApp\nclient = TestApp(app)", "differs", "TestApp"),
    (
        "from flask_admin.contrib.sqla import ModelView\nclass Users(ModelView):\n    pass",
        "differs",
        "flask_admin.contrib.sqla.ModelView differs",
    ),
    ("import library\ndef f():\n    library.use(db.session)", "breaks", "library.use()"),
    ("def f():\n    db.inspect(db.engine)", "breaks", "inspect"),
    ("from flask_migrate import Migrate\nMigrate(app, db)", "differs", "Migrate() differs"),
]
NOT_FOUND = [
    'app.config["SQLALCHEMY_DATABASE_URI"] = "postgresql+asyncpg://localhost/a"',
    'app.config["SQLALCHEMY_ECHO"] = True',
    'import os\nURL = os.environ["SQLALCHEMY_TEST_URL"]',
    "def touch(user):\n    user.label()",
    "import asyncio\nlater = lambda: asyncio.sleep(0, 1)",
    "db.event.listen(db.session, 'before_commit', print)",
]


def test_findings(tmp_path: Path) -> None:
    """Each text has one finding, in this order."""
    written(tmp_path, {"app.py": HEAD + "\n\n".join([text for text, _, _ in FOUND])})
    found = make_plan(tmp_path, "data").findings
    assert [each.kind for each in found] == [kind for _, kind, _ in FOUND]
    for each, (_, _, why) in zip(found, FOUND, strict=True):
        assert why in each.why


def test_no_findings(tmp_path: Path) -> None:
    written(tmp_path, {"app.py": HEAD + "\n\n".join(NOT_FOUND)})
    assert not make_plan(tmp_path, "data").findings


def test_sessions_without_the_extension(tmp_path: Path) -> None:
    """Synchronous sessions, queries and engines of SQLAlchemy are named."""
    written(
        tmp_path,
        {
            "app.py": """
            from flask import Flask
            from sqlalchemy import create_engine
            from sqlalchemy.orm import declarative_base, scoped_session, sessionmaker

            app = Flask(__name__)
            engine = create_engine("sqlite:///shop.db")
            db_session = scoped_session(sessionmaker(bind=engine))
            Base = declarative_base()
            Base.query = db_session.query_property()

            @app.get("/")
            def index():
                db_session.commit()
                with engine.connect() as connection:
                    connection.execute("SELECT 1")
                return str(db_session.query(int).filter_by(id=1).first())
            """
        },
    )
    for stage in ("async", "data"):
        found = make_plan(tmp_path, stage).findings
        assert [each.kind for each in found] == ["blocks"] * 4
        assert [each.why.partition(" ")[0] for each in found] == [
            "sqlalchemy.ScopedSession.commit()",
            "sqlalchemy.SyncEngine.connect()",
            "sqlalchemy.SyncConnection.execute()",
            "sqlalchemy.SyncQuery.first()",
        ]


APPLICATION = {
    "shop/__init__.py": """
        import click
        from flask import Flask
        from .models import User, db
        from .views import bp


        def create_app(config=None):
            app = Flask(__name__)
            app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
            app.config.update(config or {})
            db.init_app(app)
            app.register_blueprint(bp)

            @app.cli.command("promote")
            @click.argument("name")
            def promote(name):
                user = User.query.filter_by(name=name).one()
                click.echo(f"{user.role.name} {user.orders.count()}")

            return app
        """,
    "shop/models.py": """
        from flask_sqlalchemy import SQLAlchemy

        db = SQLAlchemy()


        class Role(db.Model):
            id = db.Column(db.Integer, primary_key=True)
            name = db.Column(db.String(20))
            users = db.relationship("User", backref="role")


        class User(db.Model):
            id = db.Column(db.Integer, primary_key=True)
            name = db.Column(db.String(20))
            role_id = db.Column(db.Integer, db.ForeignKey("role.id"))
            orders = db.relationship("Order", backref="user", lazy="dynamic")

            def rename(self, name):
                if User.query.filter_by(name=name).first() is not None:
                    raise ValueError(name)
                self.name = name
                db.session.commit()

            @property
            def colleagues(self):
                return [each.name for each in self.role.users if each is not self]

            def to_dict(self):
                return {"name": self.name, "orders": self.orders.count()}


        class Order(db.Model):
            id = db.Column(db.Integer, primary_key=True)
            user_id = db.Column(db.Integer, db.ForeignKey("user.id"))
        """,
    "shop/views.py": """
        from flask import Blueprint, abort, render_template_string, request
        from .models import Role, User, db

        bp = Blueprint("shop", __name__)
        PAGE = "{% for user in role.users %}{{ user.name }}:{{ user.orders.count() }} {% endfor %}"


        @bp.app_errorhandler(404)
        def missing(error):
            return "no such role", 404


        @bp.get("/roles/<int:id>")
        def show(id):
            return render_template_string(PAGE, role=db.get_or_404(Role, id))


        @bp.post("/users/<int:id>")
        def rename(id):
            user = User.query.get_or_404(id)
            try:
                user.rename(request.form["name"])
            except ValueError:
                abort(409)
            return user.to_dict()


        @bp.get("/users")
        def users():
            page = User.query.order_by(User.id).paginate(per_page=1)
            return {"users": [user.to_dict() for user in page.items], "total": page.total}
        """,
    "tests/conftest.py": """
        import pytest
        from shop import create_app
        from shop.models import Order, Role, User, db


        @pytest.fixture
        def app(tmp_path):
            url = f"sqlite:///{tmp_path / 'test.db'}"
            app = create_app({"TESTING": True, "SQLALCHEMY_DATABASE_URI": url})
            with app.app_context():
                db.create_all()
                role = Role(name="buyer")
                db.session.add_all([User(name="ada", role=role), User(name="bob", role=role)])
                db.session.flush()
                db.session.add(Order(user_id=1))
                db.session.commit()
                yield app
                db.session.remove()
                db.drop_all()


        @pytest.fixture
        def user(app):
            return User.query.filter_by(name="ada").first()
        """,
    "tests/test_shop.py": """
        import pytest
        from shop.models import Order, User, db


        def test_lazy_loads(user):
            assert user.role.name == "buyer"
            assert user.colleagues == ["bob"]
            assert user.orders.first().user is user


        def test_pages(app):
            client = app.test_client()
            assert client.get("/roles/1").text == "ada:1 bob:0 "
            assert client.get("/roles/2").status_code == 404
            assert client.get("/users").get_json()["total"] == 2


        def test_a_request_changes_what_a_test_has_read(app, user):
            response = app.test_client().post("/users/1", data={"name": "eve"})
            assert response.get_json() == {"name": "eve", "orders": 1}
            db.session.refresh(user)
            assert user.name == "eve"
            db.session.commit()
            assert app.test_client().post("/users/1", data={"name": "zoe"}).status_code == 200
            assert User.query.get(1).name == "zoe"


        def test_conflict(app, user):
            assert app.test_client().post("/users/1", data={"name": "bob"}).status_code == 409
            with pytest.raises(ValueError):
                user.rename("bob")


        def test_command(app):
            db.session.remove()
            assert app.test_cli_runner().invoke(args=["promote", "ada"]).output == "buyer 1\\n"
        """,
}


@pytest.mark.slow
def test_application(tmp_path: Path) -> None:
    """The tests of an application pass after the port, without an edit."""
    written(tmp_path, APPLICATION)
    port(tmp_path, "data")
    assert not make_plan(tmp_path, "data").changes
    assert not make_plan(tmp_path, "data").findings
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-W",
        "error::RuntimeWarning",
    ]
    path = os.pathsep.join([str(ROOT), str(tmp_path)])
    run = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "5 passed" in run.stdout, run.stdout
