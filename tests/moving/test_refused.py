"""The tables "What is not supported": each error is what a user sees."""

from __future__ import annotations

import re
from typing import Any

import pytest
from quart import Quart

from tests.assembled import DOCS

PAGES = DOCS / "coming_from_flask"
SQLALCHEMY = """
from quartpatterns.sqlalchemy import SQLAlchemy
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
db = SQLAlchemy()
"""
LOGIN = "from quartpatterns.viewdecorators import LoginManager; login_manager = LoginManager()"
FORMS = """
from quartpatterns.wtforms import CSRFProtect, FlaskForm
class NameForm(FlaskForm): pass
"""
CACHING = "from quartpatterns.caching import Cache"
TASKS = "from quartpatterns.tasks import Tasks; tasks = Tasks()"
UPLOADS = """
from quartpatterns.fileuploads import IMAGES, UploadSet, configure_uploads, patch_request_class
"""
MONGODB = "from quartpatterns.mongodb import Document, MongoDB"


def configured(init: str, **config: object) -> str:
    """Return code that sets *config* and runs *init*."""
    return f"app.config.update({config!r})\n{init}"


REFUSED: dict[tuple[str, str], tuple[str, str]] = {
    ("flask_sqlalchemy", "`SQLALCHEMY_POOL_SIZE = 5`"): (
        SQLALCHEMY,
        configured("db.init_app(app)", SQLALCHEMY_POOL_SIZE=5),
    ),
    ("flask_sqlalchemy", "`SQLALCHEMY_COMMIT_ON_TEARDOWN = True`"): (
        SQLALCHEMY,
        configured("db.init_app(app)", SQLALCHEMY_COMMIT_ON_TEARDOWN=True),
    ),
    ("flask_sqlalchemy", "`postgresql+psycopg2://`"): (
        SQLALCHEMY,
        configured("db.init_app(app)", SQLALCHEMY_DATABASE_URI="postgresql+psycopg2://a/b"),
    ),
    ("flask_sqlalchemy", "`db.get_engine()`"): (SQLALCHEMY, "db.get_engine()"),
    ("flask_sqlalchemy", '`session_options={"scopefunc": ...}`'): (
        SQLALCHEMY,
        "SQLAlchemy(session_options={'scopefunc': None})",
    ),
    ("flask_login", "`@login_manager.header_loader`"): (LOGIN, "login_manager.header_loader(len)"),
    ("flask_login", "`login_manager.setup_app(app)`"): (LOGIN, "login_manager.setup_app(app)"),
    ("flask_login", '`SESSION_PROTECTION = "none"`'): (
        LOGIN,
        configured("login_manager.init_app(app)", SESSION_PROTECTION="none"),
    ),
    ("flask_wtf", "`NameForm()` in a view"): (
        FORMS,
        "async def view():\n async with app.test_request_context('/', method='POST'): NameForm()\n"
        "import asyncio; asyncio.run(view())",
    ),
    ("flask_wtf", "`form.validate_on_submit()` without `await`"): (
        FORMS,
        "async def view():\n"
        " async with app.test_request_context('/', method='POST'):\n"
        "  form = await NameForm.create()\n"
        "  if form.validate_on_submit(): pass\n"
        "import asyncio; asyncio.run(view())",
    ),
    ("flask_wtf", '`WTF_HIDDEN_TAG = "p"`'): (
        FORMS,
        configured("CSRFProtect(app)", WTF_HIDDEN_TAG="p"),
    ),
    ("flask_wtf", "`RECAPTCHA_USE_SSL = True`"): (
        FORMS,
        configured("CSRFProtect(app)", RECAPTCHA_USE_SSL=True),
    ),
    ("flask_wtf", "a misspelt setting"): (
        FORMS,
        configured("CSRFProtect(app)", WTF_CSRF_SSL_STRIKT=True),
    ),
    ("flask_caching", '`CACHE_TYPE = "UWSGICache"`'): (
        CACHING,
        configured("Cache(app)", CACHE_TYPE="UWSGICache"),
    ),
    ("flask_caching", '`CACHE_TYPE = "redis"`'): (
        CACHING,
        configured("Cache(app)", CACHE_TYPE="redis"),
    ),
    (
        "celery",
        "`@tasks.task(bind=True)`, `max_retries=`, `acks_late=`, `soft_time_limit=`,"
        " `ignore_result=`",
    ): (TASKS, "tasks.task(bind=True)(len)"),
    ("celery", '`REDIS_URL = "amqp://..."`'): (
        TASKS,
        configured("tasks.init_app(app)", REDIS_URL="amqp://localhost"),
    ),
    ("flask_uploads", "`patch_request_class(app)`"): (UPLOADS, "patch_request_class(app)"),
    ("flask_uploads", "`UPLOADS_URL`"): (
        UPLOADS,
        configured("configure_uploads(app, UploadSet('photos', IMAGES))", UPLOADS_URL="/x"),
    ),
    ("flask_uploads", "no destination"): (
        UPLOADS,
        "configure_uploads(app, UploadSet('photos', IMAGES))",
    ),
    ("flask_mongoengine", "`from quartpatterns.mongodb import MongoEngine`"): (
        MONGODB,
        "from quartpatterns.mongodb import MongoEngine",
    ),
    ("flask_mongoengine", "`from quartpatterns.mongodb import EmbeddedDocument`"): (
        MONGODB,
        "from quartpatterns.mongodb import EmbeddedDocument",
    ),
    ("flask_mongoengine", "`Movie.objects`"): (MONGODB, "Document.objects"),
    ("flask_mongoengine", "`MONGODB_IS_MOCK = True`"): (
        MONGODB,
        configured("MongoDB().init_app(app)", MONGODB_IS_MOCK=True),
    ),
}


def rows(page: str) -> dict[str, str]:
    """Return the table of a page: what is not supported, and its error."""
    text = (PAGES / f"{page}.md").read_text()
    table = text.partition("## What is not supported")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| (?!what|-)(.+?) \| (.+) \|$", table, re.M))


def test_complete() -> None:
    """Each row of each page is tested."""
    found = {
        (page.stem, row)
        for page in PAGES.glob("*.md")
        if page.stem != "index"
        for row in rows(page.stem)
    }
    assert found == set(REFUSED)


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize(("page", "row"), REFUSED)
def test_error(app_class: type[Quart], page: str, row: str) -> None:
    """The code raises an error with the text of the page."""
    setup, code = REFUSED[page, row]
    names: dict[str, Any] = {"app": app_class("refused")}
    names["app"].secret_key = "for these tests only"
    exec(setup, names)
    with pytest.raises((AttributeError, ImportError, RuntimeError, TypeError, ValueError)) as info:
        exec(code, names)
    message = str(info.value).replace("`", "")
    assert re.findall(r"`([^`]+)`", rows(page)[row])[0] in message
