"""The section "Flask-SQLAlchemy Extension"."""

import csv
import io

from flask import Blueprint, Response, abort, redirect, render_template, url_for
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.exc import IntegrityError

from quartpatterns.sqlalchemy.example.original_input import read_form, read_json

db = SQLAlchemy()


class User(db.Model):
    __tablename__ = "users"
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(50), unique=True)
    email = db.Column(db.String(120), unique=True)

    def __init__(self, name=None, email=None):
        self.name = name
        self.email = email

    def __repr__(self):
        return f"<User {self.name!r}>"


views = Blueprint("users", __name__, template_folder="../widgets")


def as_dict(user):
    return {"id": user.id, "name": user.name, "email": user.email}


@views.route("/")
def index():
    page = db.paginate(db.select(User).order_by(User.id), max_per_page=100)
    return render_template("users.html", page=page)


@views.route("/users")
def list_users():
    page = db.paginate(db.select(User).order_by(User.id), max_per_page=100)
    return {
        "users": [as_dict(user) for user in page],
        "page": page.page,
        "per_page": page.per_page,
        "total": page.total,
        "pages": page.pages,
        "next": page.next_num,
        "prev": page.prev_num,
    }


@views.route("/users.csv")
def export_users():
    columns = db.select(User.id, User.name, User.email).order_by(User.id)
    engine = db.engine

    def generate():
        with engine.connect() as connection:
            result = connection.execution_options(yield_per=1000).execute(columns)
            yield write_csv([result.keys()])
            for rows in result.partitions():
                yield write_csv(rows)

    return Response(generate(), content_type="text/csv; charset=utf-8")


def write_csv(rows):
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def add_user(name, email):
    user = User(name, email)
    db.session.add(user)
    try:
        db.session.commit()
    except IntegrityError:
        abort(409, "The name or the email is taken.")
    return user


@views.route("/", methods=["POST"])
def create_user_by_form():
    add_user(*read_form())
    return redirect(url_for(".index"), 303)


@views.route("/users", methods=["POST"])
def create_user():
    user = add_user(*read_json())
    return as_dict(user), 201, {"Location": url_for(".get_user", id=user.id)}


@views.route("/users/<int:id>")
def get_user(id):
    return as_dict(db.get_or_404(User, id, description="There is no such user."))


@views.route("/users/by-name/<name>")
def get_user_by_name(name):
    return as_dict(db.one_or_404(db.select(User).where(User.name == name)))
