"""Registering, logging in and logging out."""

from __future__ import annotations

from quart import Blueprint, redirect, render_template, request, url_for
from quart.typing import ResponseReturnValue
# {% if flashing %}
from quartpatterns.flashing import flash
# {% endif %}
# {% if i18n %}
from quartpatterns.urlprocessors.messages import lazy_gettext as _
# {% endif %}
from quartpatterns.viewdecorators import login_user, logout_user, safe_next
from quartpatterns.wtforms import QuartForm
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from wtforms import Field, HiddenField, PasswordField, StringField
from wtforms.validators import InputRequired, Length, ValidationError

from yourapplication.accounts import passwords
from yourapplication.models import User, db

blueprint = Blueprint("account", __name__, url_prefix="@{pages}/account")
NAME = {"autocomplete": "username"}
NEW = {"autocomplete": "new-password"}
CURRENT = {"autocomplete": "current-password"}
TAKEN = @{p("This name is taken.")}


class RegistrationForm(QuartForm):
    """A new user."""

    name = StringField(
        @{p("Name")},
        [InputRequired(), Length(2, User.MAX_LENGTH)],
        render_kw=NAME,
    )
    password = PasswordField(
        @{p("Password")},
        [InputRequired(), Length(8, 200)],
        render_kw=NEW,
    )

    async def validate_name(self, field: Field) -> None:
        """Refuse a name that somebody has."""
        async with db.reading():
            if await db.session.scalar(select(User.id).where(User.name == field.data)):
                raise ValidationError(TAKEN)


class LoginForm(QuartForm):
    """A name and a password."""

    name = StringField(
        @{p("Name")},
        [InputRequired(), Length(max=User.MAX_LENGTH)],
        render_kw=NAME,
    )
    password = PasswordField(
        @{p("Password")},
        [InputRequired(), Length(max=200)],
        render_kw=CURRENT,
    )
    next = HiddenField()


@blueprint.route("/register", methods=["GET", "POST"])
async def register() -> ResponseReturnValue:
    """Create a user, and log in."""
    form = await RegistrationForm.create()
    if await form.validate_on_submit():
        password_hash = await passwords.hash(form.password.data)
        user = User(name=form.name.data, password_hash=password_hash)
        db.session.add(user)
        try:
            await db.session.commit()
        except IntegrityError:  # Another request was faster.
            await db.session.rollback()
            form.name.errors = [TAKEN]
        else:
            login_user(user)
# {% if flashing %}
            await flash(@{p("Welcome, %(name)s.", name="user.name")})
# {% endif %}
            return redirect(url_for("site.index"), 303)
    return await render_template("register.html", form=form)


@blueprint.route("/log-in", methods=["GET", "POST"])
async def log_in() -> ResponseReturnValue:
    """Log in, and return to the page that asked for it."""
    form = await LoginForm.create(data={"next": request.args.get("next")})
    if await form.validate_on_submit():
        async with db.reading():
            user = await db.session.scalar(select(User).where(User.name == form.name.data))
        stored = user.password_hash if user else None
        # An unknown name takes as long as a wrong password.
        if await passwords.verify(form.password.data, stored) and user:
            login_user(user)
            return redirect(safe_next(form.next.data, default=url_for("site.index")), 303)
        form.password.errors = [@{p("The name or the password is wrong.")}]
    return await render_template("log_in.html", form=form)


@blueprint.post("/log-out")
async def log_out() -> ResponseReturnValue:
    """Log out."""
    logout_user()
# {% if flashing %}
    await flash(@{p("You are logged out.")})
# {% endif %}
    return redirect(url_for("site.index"), 303)
