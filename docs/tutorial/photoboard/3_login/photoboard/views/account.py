"""Registering, logging in and logging out."""

from __future__ import annotations

from quart import Blueprint, redirect, render_template, request, url_for
from quart.typing import ResponseReturnValue
from quartpatterns.flashing import flash
from quartpatterns.urlprocessors.messages import gettext as _
from quartpatterns.viewdecorators import login_user, logout_user, safe_next
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from photoboard.forms import LoginForm, RegistrationForm
from photoboard.login import passwords
from photoboard.models import User, db

account = Blueprint("account", __name__, url_prefix="/<lang_code>")


@account.route("/register", methods=["GET", "POST"])
async def register() -> ResponseReturnValue:
    """Create a user, and log in."""
    form = await RegistrationForm.create()
    if await form.validate_on_submit():
        user = User(
            name=form.name.data, password_hash=await passwords.hash(form.password.data)
        )
        db.session.add(user)
        try:
            await db.session.commit()
        except IntegrityError:  # somebody else was faster
            await db.session.rollback()
            form.name.errors = [_("This name is taken.")]
        else:
            login_user(user)
            await flash(_("Welcome, %(name)s!", name=user.name))
            return redirect(url_for("site.index"), 303)
    return await render_template("form.html", form=form, title=_("Register"))


@account.route("/login", methods=["GET", "POST"])
async def login() -> ResponseReturnValue:
    """Log in, and return to the page that asked for it."""
    form = await LoginForm.create(data={"next": request.args.get("next")})
    if await form.validate_on_submit():
        async with db.reading():
            same_name = select(User).where(User.name == form.name.data)
            user = await db.session.scalar(same_name)
        stored = user.password_hash if user else None
        if await passwords.verify(form.password.data, stored) and user:
            login_user(user)
            return redirect(
                safe_next(form.next.data, default=url_for("site.index")), 303
            )
        form.password.errors = [_("The name or the password is wrong.")]
    return await render_template("form.html", form=form, title=_("Log in"))


@account.post("/logout")
async def logout() -> ResponseReturnValue:
    """Log out."""
    logout_user()
    await flash(_("You are logged out."))
    return redirect(url_for("site.index"), 303)
