"""The section "Manual Object Relational Mapping"."""

from flask import Blueprint, abort, url_for
from sqlalchemy import Column, Integer, MetaData, String, Table
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import registry, scoped_session, sessionmaker

from quartpatterns.sqlalchemy.example.original_extension import as_dict
from quartpatterns.sqlalchemy.example.original_input import read_json

metadata = MetaData()
db_session = scoped_session(sessionmaker(autocommit=False, autoflush=False))


def init_db():
    metadata.create_all(bind=db_session.get_bind())


class User:
    query = db_session.query_property()

    def __init__(self, name=None, email=None):
        self.name = name
        self.email = email

    def __repr__(self):
        return f"<User {self.name!r}>"


users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(50), unique=True),
    Column("email", String(120), unique=True),
)
# The page calls mapper(User, users), which SQLAlchemy 2 does not have.
registry().map_imperatively(User, users)


views = Blueprint("manual", __name__, url_prefix="/manual")


def shutdown_session(exception=None):
    db_session.remove()


@views.route("/users", methods=["POST"])
def create_user():
    u = User(*read_json())
    db_session.add(u)
    try:
        db_session.commit()
    except IntegrityError:
        abort(409, "The name or the email is taken.")
    return as_dict(u), 201, {"Location": url_for(".get_user", id=u.id)}


@views.route("/users")
def list_users():
    return {"users": [repr(user) for user in User.query.order_by(users.c.id).all()]}


@views.route("/users/<int:id>")
def get_user(id):
    user = User.query.filter(User.id == id).first()
    if user is None:
        abort(404)
    return as_dict(user)
