"""Registering, logging in and logging out."""

from __future__ import annotations

from quart import Blueprint, redirect, render_template, request, url_for
from quart.typing import ResponseReturnValue
from quartpatterns.flashing import flash
from quartpatterns.viewdecorators import login_user, logout_user, safe_next
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from photoboard.forms import LoginForm, RegistrationForm
from photoboard.languages import gettext as _
from photoboard.login import hash_password, verify_password
from photoboard.models import User, db

account = Blueprint("account", __name__, url_prefix="/<lang_code>")


@account.route("/register", methods=["GET", "POST"])
async def register() -> ResponseReturnValue:
    """Create a user, and log in."""
    form = await RegistrationForm.create()
    if await form.validate_on_submit():
        user = User(
            name=form.name.data, password_hash=await hash_password(form.password.data or "")
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
        user = await db.session.scalar(select(User).where(User.name == form.name.data))
        if user and await verify_password(user.password_hash, form.password.data or ""):
            login_user(user)
            return redirect(safe_next(form.next.data, default=url_for("site.index")), 303)
        form.password.errors = [_("The name or the password is wrong.")]
    return await render_template("form.html", form=form, title=_("Log in"))


@account.post("/logout")
async def logout() -> ResponseReturnValue:
    """Log out."""
    logout_user()
    await flash(_("You are logged out."))
    return redirect(url_for("site.index"), 303)
