"""The original: form validation with WTForms as on Flask's page, and with Flask-WTF."""

import secrets
from collections import namedtuple

from flask import Flask, flash, jsonify, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from flask_wtf.csrf import CSRFProtect, generate_csrf
from flask_wtf.file import FileAllowed, FileField, FileRequired, FileSize
from werkzeug.security import check_password_hash, generate_password_hash
from wtforms import BooleanField, Form, PasswordField, SearchField, StringField, validators
from wtforms.validators import DataRequired, EqualTo, Length, ValidationError

User = namedtuple("User", ["name", "email", "password"])

users = {}

# As much is computed for an unknown user, so that the time does not tell who exists.
NO_PASSWORD = generate_password_hash(secrets.token_hex())


def add_user(form):
    """Add the user of a registration; this demo forgets its oldest user."""
    password = generate_password_hash(form.password.data)
    users[form.username.data] = User(form.username.data, form.email.data, password)
    if len(users) > 1000:
        del users[next(iter(users))]


class PlainRegistrationForm(Form):
    username = StringField("Username", [validators.Length(min=4, max=25)])
    email = StringField("Email Address", [validators.Length(min=6, max=35)])
    password = PasswordField(
        "New Password",
        [
            validators.DataRequired(),
            validators.EqualTo("confirm", message="Passwords must match"),
        ],
    )
    confirm = PasswordField("Repeat Password")
    accept_tos = BooleanField("I accept the TOS", [validators.DataRequired()])


def name_is_free(form, field):
    if field.data in users:
        raise ValidationError("This name is taken.")


class RegistrationForm(FlaskForm):
    username = StringField("Username", [Length(min=4, max=25), name_is_free])
    email = StringField("Email Address", [Length(min=6, max=35)])
    password = PasswordField(
        "New Password",
        [DataRequired(), EqualTo("confirm", message="Passwords must match")],
    )
    confirm = PasswordField("Repeat Password")
    accept_tos = BooleanField("I accept the TOS", [DataRequired()])

    def validate_email(self, field):
        if any(user.email == field.data for user in users.values()):
            raise ValidationError("Somebody has registered with this address.")


class LoginForm(FlaskForm):
    username = StringField("Username", [DataRequired()])
    password = PasswordField("Password", [DataRequired()])

    def validate_password(self, field):
        user = users.get(self.username.data)
        stored = NO_PASSWORD if user is None else user.password
        if not check_password_hash(stored, field.data) or user is None:
            raise ValidationError("Unknown name, or wrong password.")


class PictureForm(FlaskForm):
    picture = FileField(
        "Picture", [FileRequired(), FileAllowed(["png", "jpg"]), FileSize(max_size=10_000)]
    )


class NameForm(FlaskForm):
    username = StringField("Username", [Length(min=4, max=25), name_is_free])


class SearchForm(FlaskForm):
    class Meta:
        csrf = False

    q = SearchField("Users whose name contains", [Length(max=25)])


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(SECRET_KEY="dev", MAX_CONTENT_LENGTH=1_000_000)
    app.config.from_mapping(config or {})
    CSRFProtect(app)
    users.clear()

    @app.get("/")
    def index():
        form = SearchForm(request.args)
        found = []
        if form.validate():
            found = sorted(name for name in users if (form.q.data or "") in name)
        return render_template("index.html", form=form, users=found)

    @app.route("/register", methods=["GET", "POST"])
    def register():
        form = RegistrationForm()
        if form.validate_on_submit():
            add_user(form)
            flash("Thanks for registering")
            return redirect(url_for("login"))
        return render_template("register.html", form=form)

    @app.route("/plain/register", methods=["GET", "POST"])
    def register_plain():
        form = PlainRegistrationForm(request.form)
        if request.method == "POST" and form.validate():
            if form.username.data not in users:
                add_user(form)
                flash("Thanks for registering")
                return redirect(url_for("login"))
            form.username.errors = ["This name is taken."]
        return render_template("register_plain.html", form=form)

    @app.route("/login", methods=["GET", "POST"])
    def login():
        form = LoginForm()
        if form.validate_on_submit():
            flash(f"Welcome, {form.username.data}")
            return redirect(url_for("index"))
        return render_template("login.html", form=form)

    @app.route("/picture", methods=["GET", "POST"])
    def picture():
        form = PictureForm()
        if form.validate_on_submit():
            flash(f"Received {form.picture.data.filename}")
            return redirect(url_for("index"))
        return render_template("picture.html", form=form)

    @app.post("/check")
    def check():
        form = NameForm()
        return jsonify(free=form.validate(), errors=form.username.errors)

    @app.get("/csrf-token")
    def csrf_token():
        response = jsonify(csrf_token=generate_csrf(), expires_in=app.config["WTF_CSRF_TIME_LIMIT"])
        response.headers["Cache-Control"] = "no-store"
        return response

    return app
