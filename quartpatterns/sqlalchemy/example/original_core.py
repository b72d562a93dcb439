"""The section "SQL Abstraction Layer".

The page binds the engine to the metadata, and executes statements of tables. SQLAlchemy 2 has
neither: a connection executes statements.
"""

from flask import Blueprint, abort, current_app, url_for
from sqlalchemy import MetaData, Table, text
from sqlalchemy.exc import IntegrityError

from quartpatterns.sqlalchemy.example.original_extension import db
from quartpatterns.sqlalchemy.example.original_input import read_json

views = Blueprint("core", __name__, url_prefix="/core")


def reflect_users():
    tables = current_app.extensions.setdefault("reflected_tables", {})
    if "users" not in tables:
        tables["users"] = Table("users", MetaData(), autoload_with=db.engine)
    return tables["users"]


@views.route("/users", methods=["POST"])
def create_user():
    users = reflect_users()
    name, email = read_json()
    try:
        with db.engine.begin() as con:
            result = con.execute(users.insert(), {"name": name, "email": email})
    except IntegrityError:
        abort(409, "The name or the email is taken.")
    [id] = result.inserted_primary_key
    user = {"id": id, "name": name, "email": email}
    return user, 201, {"Location": url_for(".get_user", id=id)}


@views.route("/users/<int:id>")
def get_user(id):
    users = reflect_users()
    with db.engine.connect() as con:
        r = con.execute(users.select().where(users.c.id == id)).first()
    if r is None:
        abort(404)
    return {"id": r[0], "name": r.name, "email": r._mapping["email"]}


@views.route("/users/by-name/<name>")
def get_user_by_name(name):
    with db.engine.connect() as con:
        r = con.execute(text("SELECT * FROM users WHERE name = :name"), {"name": name}).first()
    if r is None:
        abort(404)
    return dict(r._mapping)
