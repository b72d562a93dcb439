"""Register, log in, log out."""

from quart import Blueprint, redirect, render_template, request, url_for
from quart.utils import run_sync
from quartpatterns.subclassing import flash
from quartpatterns.viewdecorators import login_user, logout_user
from sqlalchemy import select

from toolshed.models import User

from ..extensions import db
from ..forms import RegistrationForm

blueprint = Blueprint("account", "toolshed")


@blueprint.route("/register", methods=["GET", "POST"])
async def register():
    form = await RegistrationForm.create()
    if await form.validate_on_submit():
        user = User(name=form.name.data, email=form.email.data)
        await run_sync(user.set_password)(form.password.data)
        db.session.add(user)
        await db.session.commit()
        login_user(user)
        await flash(f"Welcome, {user.name}.")
        return redirect(url_for("tools.index"))
    return await render_template("form.html", form=form, title="Register")


@blueprint.route("/login", methods=["GET", "POST"])
async def login():
    form = await request.form
    if request.method == "POST":
        async with db.reading():
            user = await db.session.scalar(select(User).filter_by(name=form["name"]))
        if user and await run_sync(user.check_password)(form["password"]):
            login_user(user, remember="remember" in form)
            return redirect(url_for("tools.index"))
        await flash("The name or the password is wrong.")
    return await render_template("login.html")


@blueprint.post("/logout")
async def logout():
    logout_user()
    return redirect(url_for("tools.index"))
