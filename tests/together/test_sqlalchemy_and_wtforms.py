"""Forms whose validators ask the database, through ``db.session`` as the views do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import wtforms
from quart import Quart, jsonify, redirect, render_template_string, url_for
from quart.typing import ResponseReturnValue
from sqlalchemy import String, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from wtforms import FieldList, FormField, StringField
from wtforms.validators import DataRequired, ValidationError

from quartpatterns.sqlalchemy import Model, SQLAlchemy
from quartpatterns.sqlalchemy.testing import rolled_back
from quartpatterns.wtforms import CSRFProtect, QuartForm


class Base(Model, DeclarativeBase):
    """The base of the models."""


class User(Base):
    """A member."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)
    email: Mapped[str] = mapped_column(String(50), unique=True)


db = SQLAlchemy(model_class=Base)


async def is_free(form: Any, field: Any) -> None:
    """A validator for any field with a name or an address."""
    column = User.email if "@" in field.data else User.name
    if await db.session.scalar(select(User.id).where(column == field.data)):
        raise ValidationError(f"{field.data} is taken.")


class FriendForm(QuartForm):
    """A form in another form."""

    name = StringField(validators=[is_free])

    async def validate(self) -> bool:
        """Count the members, which costs another statement."""
        return await super().validate() and await db.session.scalar(select(func.count())) == 1


class PlainForm(wtforms.Form):
    """A form of WTForms itself in another form."""

    name = StringField(validators=[is_free])


class RegistrationForm(QuartForm):
    """Everything that can have an asynchronous validator."""

    name = StringField(validators=[DataRequired(), is_free])
    email = StringField(validators=[is_free])
    friend = FormField(FriendForm)
    other = FormField(PlainForm)
    names = FieldList(StringField(validators=[is_free]), max_entries=3)

    async def validate_name(self, field: StringField) -> None:
        """Ask in two statements."""
        for word in "root", "admin":
            if await db.session.scalar(select(func.length(word))) == len(field.data or ""):
                raise ValidationError(f"{field.data} is as long as {word}.")

    async def validate_email(self, field: StringField) -> None:
        """Ask whether somebody has the address."""
        if await db.session.scalar(select(User).where(User.email == field.data)):
            raise ValidationError("Somebody has registered with this address.")


class LoginForm(QuartForm):
    """Another form of the same page."""

    name = StringField()

    async def validate_name(self, field: StringField) -> None:
        """Ask whether there is such a member."""
        if not await db.session.scalar(select(User).where(User.name == field.data)):
            raise ValidationError("Nobody has this name.")


async def count(**columns: Any) -> int:
    """Count members with a session of its own."""
    async with db.new_session() as session:
        found = select(func.count(User.id)).filter_by(**columns)
        return await session.scalar(found) or 0


async def add(name: str) -> None:
    """Add a member with a session of its own."""
    async with db.new_session() as session:
        session.add(User(name=name, email=f"{name}@example.org"))
        await session.commit()


def create_app(app_class: type[Quart], url: str) -> Quart:
    """The application."""
    app = app_class(__name__)
    app.config.from_mapping(SECRET_KEY="test", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    csrf = CSRFProtect(app)

    @app.route("/", methods=["GET", "POST"])
    async def index() -> ResponseReturnValue:
        form = await RegistrationForm.create(prefix="registration")
        login = await LoginForm.create(prefix="login")
        if await form.validate_on_submit():
            db.session.add(User(name=form.name.data or "", email=form.email.data or ""))
            await db.session.commit()
            return redirect(url_for("index"))
        await login.validate_on_submit()
        return jsonify(token=form.csrf_token.current_token, form=form.errors, login=login.errors)

    @app.get("/page")
    async def page() -> str:
        return await render_template_string("{{ csrf_token() }}")

    @app.get("/counts")
    async def counts() -> ResponseReturnValue:
        await db.session.scalar(select(User.id))  # the session of the request has a transaction
        found = await asyncio.gather(*(count(name=name) for name in ("ada", "bob", "eve")))
        await db.session.commit()
        return jsonify(found)

    @app.post("/add")
    @csrf.exempt
    async def add_several() -> ResponseReturnValue:
        await asyncio.gather(*map(add, ("bob", "eve", "joe")))
        return jsonify(await count())

    return app


@pytest.fixture(params=["sqlite", "postgres_url"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    found: str = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=[False, True], ids=["committed", "rolled back"])
async def app(
    request: pytest.FixtureRequest, app_class: type[Quart], url: str
) -> AsyncIterator[Quart]:
    """The application with a member, with and without the test helper."""
    app = create_app(app_class, url)
    async with app.app_context():
        await db.create_all()
        db.session.add(User(name="ada", email="ada@example.org"))
        await db.session.commit()
    async with AsyncExitStack() as stack:
        if request.param:
            await stack.enter_async_context(rolled_back(app))
        async with app.test_app():
            yield app


async def submit(app: Quart, form: Mapping[str, str]) -> Any:
    """Send the form with its token; return the errors, or the target of the redirect."""
    client = app.test_client()
    token = await (await client.get("/page")).get_data(as_text=True)
    response = await client.post("/", form={"csrf_token": token, **form})
    if response.status_code == 302:
        return response.location
    assert response.status_code == 200
    found = await response.get_json()
    return found["form"] | {"login": found["login"]}


async def test_validators(app: Quart) -> None:
    """All ask ``db.session``, and each submit is answered with all errors."""
    form = {
        "registration-name": "ada",
        "registration-email": "ada@example.org",
        "registration-friend-name": "ada",
        "registration-other-name": "ada",
        "registration-names-0": "bob",
        "registration-names-1": "ada",
        "login-name": "bob",
    }
    for _ in range(2):
        assert await submit(app, form) == {
            "name": ["ada is taken."],
            "email": [
                "ada@example.org is taken.",
                "Somebody has registered with this address.",
            ],
            "friend": {"name": ["ada is taken."]},
            "other": {"name": ["ada is taken."]},
            "names": [[], ["ada is taken."]],
            "login": {"name": ["Nobody has this name."]},
        }
    form = {
        "registration-name": "bob",
        "registration-email": "bob@example.org",
        "registration-friend-name": "eve",
        "registration-other-name": "eve",
    }
    assert await submit(app, form) == "/"
    assert (await submit(app, form))["name"] == ["bob is taken."]
    assert (await submit(app, form | {"registration-name": "eves"}))["name"] == [
        "eves is as long as root."
    ]


async def test_sessions_of_their_own(app: Quart) -> None:
    """Tasks with ``db.new_session()`` run at the same time, as the error advises."""
    for _ in range(2):
        response = await app.test_client().get("/counts")
        assert await response.get_json() == [1, 0, 0]
    async with app.app_context():
        assert await count() == 1
        # Transactions that began first end last, and the other way round.
        client = app.test_client()
        response = await client.post("/add")
        assert await response.get_json() == 4
        assert await count(name="eve") == 1
