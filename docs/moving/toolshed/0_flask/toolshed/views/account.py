"""Register, log in, log out."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_login import login_user, logout_user

from toolshed.extensions import db
from toolshed.forms import RegistrationForm
from toolshed.models import User

blueprint = Blueprint("account", __name__)


@blueprint.route("/register", methods=["GET", "POST"])
def register():
    form = RegistrationForm()
    if form.validate_on_submit():
        user = User(name=form.name.data, email=form.email.data)
        user.set_password(form.password.data)
        db.session.add(user)
        db.session.commit()
        login_user(user)
        flash(f"Welcome, {user.name}.")
        return redirect(url_for("tools.index"))
    return render_template("form.html", form=form, title="Register")


@blueprint.route("/login", methods=["GET", "POST"])
def login():
    if request.method == "POST":
        query = db.select(User).filter_by(name=request.form["name"])
        user = db.session.scalar(query)
        if user and user.check_password(request.form["password"]):
            login_user(user, remember="remember" in request.form)
            return redirect(url_for("tools.index"))
        flash("The name or the password is wrong.")
    return render_template("login.html")


@blueprint.post("/logout")
def logout():
    logout_user()
    return redirect(url_for("tools.index"))
