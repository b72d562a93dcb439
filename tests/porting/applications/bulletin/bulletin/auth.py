import functools

from flask import (
    Blueprint,
    flash,
    g,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from werkzeug.security import check_password_hash, generate_password_hash

from .db import get_db, transaction

bp = Blueprint("auth", __name__, url_prefix="/auth")


def login_required(view):
    """Send visitors to the page where they log in."""

    @functools.wraps(view)
    def wrapped_view(**kwargs):
        if g.user is None:
            return redirect(url_for("auth.login"))
        return view(**kwargs)

    return wrapped_view


def guests_only(message):
    def decorator(view):
        @functools.wraps(view)
        def wrapped_view(*args, **kwargs):
            if g.user is not None:
                flash(message)
                return redirect(url_for("index"))
            return view(*args, **kwargs)

        return wrapped_view

    return decorator


@bp.before_app_request
def load_user():
    user_id = session.get("user_id")
    if user_id is None:
        g.user = None
    else:
        g.user = get_db().execute("SELECT * FROM user WHERE id = ?", (user_id,)).fetchone()


class Credentials:
    """The name and the password that a form sends."""

    def __init__(self, form):
        self.form = form

    @property
    def name(self):
        return self.form.get("name", "").strip()

    @property
    def password(self):
        return self.form.get("password", "")

    def error(self):
        if not self.name:
            return "Name is required."
        if not self.password:
            return "Password is required."
        return None

    @classmethod
    def sent(cls):
        return cls(request.form)


@bp.route("/register", methods=("GET", "POST"))
@guests_only("You have an account.")
def register():
    if request.method == "POST":
        credentials = Credentials.sent()
        error = credentials.error()
        if error is None:
            try:
                with transaction() as db:
                    db.execute(
                        "INSERT INTO user (name, password) VALUES (?, ?)",
                        (credentials.name, generate_password_hash(credentials.password)),
                    )
            except db.IntegrityError:
                error = f"{credentials.name} is taken."
            else:
                return redirect(url_for("auth.login"))
        flash(error, "error")
    return render_template("register.html")


@bp.route("/login", methods=("GET", "POST"))
@guests_only(message="You are logged in.")
def login():
    if request.method == "POST":
        credentials = Credentials.sent()
        user = get_db().execute("SELECT * FROM user WHERE name = ?", (credentials.name,)).fetchone()
        if user is None or not check_password_hash(user["password"], credentials.password):
            flash("The name or the password is wrong.", "error")
        else:
            session.clear()
            session["user_id"] = user["id"]
            return redirect(url_for("index"))
    return render_template("login.html")


@bp.route("/logout")
def logout():
    session.clear()
    return redirect(url_for("index"))
