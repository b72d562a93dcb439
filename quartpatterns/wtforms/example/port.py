"""The port: form validation on Quart, with asynchronous validators.

``/extras/anmelden`` is an extra: a form in another language.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from quart import Quart, current_app, flash, jsonify, redirect, render_template, request, url_for
from quart.typing import ResponseReturnValue
from quart.utils import run_sync
from werkzeug.security import check_password_hash, generate_password_hash
from wtforms import BooleanField, Form, PasswordField, SearchField, StringField
from wtforms.validators import DataRequired, EqualTo, Length, ValidationError

from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.wtforms import (
    CSRFProtect,
    FileAllowed,
    FileField,
    FileRequired,
    FileSize,
    QuartForm,
    csrf_token_view,
)
from quartpatterns.wtforms.example.users import TakenError, User, Users

# As much is computed for an unknown user, so that the time does not tell who exists.
NO_PASSWORD = generate_password_hash(secrets.token_hex())


def create_users(app: Quart) -> Users:
    """Return a user store; several server processes share the one in Redis."""
    if url := app.config.get("REDIS_URL"):
        from quartpatterns.wtforms.example.redis_users import RedisUsers

        return RedisUsers(app, url)
    return Users()


def users() -> Users:
    """Return the user store of the current application."""
    store: Users = current_app.extensions["users"]
    return store


async def add_user(form: Form) -> None:
    """Add the user of a registration. Hashing is slow on purpose, and would block the loop."""
    password = await run_sync(generate_password_hash)(form["password"].data)
    await users().add(User(str(form["username"].data), str(form["email"].data), password))


async def name_is_free(form: QuartForm, field: StringField) -> None:
    """A validator that queries the store."""
    if await users().get(field.data):
        raise ValidationError("This name is taken.")


class PlainRegistrationForm(Form):
    """The form of Flask's page: WTForms alone, whose validators are synchronous."""

    username = StringField("Username", [Length(min=4, max=25)])
    email = StringField("Email Address", [Length(min=6, max=35)])
    password = PasswordField(
        "New Password",
        [DataRequired(), EqualTo("confirm", message="Passwords must match")],
    )
    confirm = PasswordField("Repeat Password")
    accept_tos = BooleanField("I accept the TOS", [DataRequired()])


class RegistrationForm(QuartForm):
    username = StringField("Username", [Length(min=4, max=25), name_is_free])
    email = StringField("Email Address", [Length(min=6, max=35)])
    password = PasswordField(
        "New Password",
        [DataRequired(), EqualTo("confirm", message="Passwords must match")],
    )
    confirm = PasswordField("Repeat Password")
    accept_tos = BooleanField("I accept the TOS", [DataRequired()])

    async def validate_email(self, field: StringField) -> None:
        if await users().has_email(field.data):
            raise ValidationError("Somebody has registered with this address.")


class LoginForm(QuartForm):
    username = StringField("Username", [DataRequired()])
    password = PasswordField("Password", [DataRequired()])

    async def validate_password(self, field: PasswordField) -> None:
        user = await users().get(self.username.data)
        stored = NO_PASSWORD if user is None else user.password
        if not await run_sync(check_password_hash)(stored, field.data) or user is None:
            raise ValidationError("Unknown name, or wrong password.")


class GermanLoginForm(LoginForm):
    class Meta:
        locales = ("de",)


class PictureForm(QuartForm):
    picture = FileField(
        "Picture", [FileRequired(), FileAllowed(["png", "jpg"]), FileSize(max_size=10_000)]
    )


class NameForm(QuartForm):
    username = StringField("Username", [Length(min=4, max=25), name_is_free])


class SearchForm(QuartForm):
    q = SearchField("Users whose name contains", [Length(max=25)])


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Create an application with a registration form, a login, a search and an upload.

    Its users are in the memory of the process, or with ``REDIS_URL`` in Redis.
    """
    app = FaithfulQuart(__name__)
    app.config.from_mapping(SECRET_KEY="dev", MAX_CONTENT_LENGTH=1_000_000)
    app.config.from_mapping(config or {})
    app.extensions["users"] = create_users(app)
    CSRFProtect(app)

    @app.get("/")
    async def index() -> str:
        form = await SearchForm.create(args=True)
        found: list[str] = []
        if await form.validate():
            found = await users().names(form.q.data or "")
        return await render_template("index.html", form=form, users=found)

    @app.route("/register", methods=["GET", "POST"])
    async def register() -> ResponseReturnValue:
        form = await RegistrationForm.create()
        if await form.validate_on_submit():
            try:
                await add_user(form)
            except TakenError:
                form.username.errors = ["This name is taken."]
            else:
                await flash("Thanks for registering")
                return redirect(url_for("login"))
        return await render_template("register.html", form=form)

    @app.route("/plain/register", methods=["GET", "POST"])
    async def register_plain() -> ResponseReturnValue:
        form = PlainRegistrationForm(await request.form)
        if request.method == "POST" and form.validate():
            try:
                await add_user(form)
            except TakenError:
                form.username.errors = ["This name is taken."]
            else:
                await flash("Thanks for registering")
                return redirect(url_for("login"))
        return await render_template("register_plain.html", form=form)

    @app.route("/login", methods=["GET", "POST"])
    async def login() -> ResponseReturnValue:
        form = await LoginForm.create()
        if await form.validate_on_submit():
            await flash(f"Welcome, {form.username.data}")
            return redirect(url_for("index"))
        return await render_template("login.html", form=form)

    @app.route("/picture", methods=["GET", "POST"])
    async def picture() -> ResponseReturnValue:
        form = await PictureForm.create()
        if await form.validate_on_submit():
            await flash(f"Received {form.picture.data.filename}")
            return redirect(url_for("index"))
        return await render_template("picture.html", form=form)

    @app.post("/check")
    async def check() -> ResponseReturnValue:
        form = await NameForm.create()
        return jsonify(free=await form.validate(), errors=form.username.errors)

    @app.route("/extras/anmelden", methods=["GET", "POST"])
    async def login_in_german() -> ResponseReturnValue:
        form = await GermanLoginForm.create()
        if await form.validate_on_submit():
            return redirect(url_for("index"))
        return await render_template("login.html", form=form)

    app.add_url_rule("/csrf-token", "csrf_token", csrf_token_view)
    return app
