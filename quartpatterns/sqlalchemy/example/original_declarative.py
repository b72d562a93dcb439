"""The section "Declarative"."""

from flask import Blueprint, abort, url_for
from sqlalchemy import Column, Integer, String
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import declarative_base, scoped_session, sessionmaker

from quartpatterns.sqlalchemy.example.original_extension import as_dict
from quartpatterns.sqlalchemy.example.original_input import read_json

db_session = scoped_session(sessionmaker(autocommit=False, autoflush=False))
Base = declarative_base()
Base.query = db_session.query_property()


def init_db():
    Base.metadata.create_all(bind=db_session.get_bind())


class User(Base):
    __tablename__ = "users"
    id = Column(Integer, primary_key=True)
    name = Column(String(50), unique=True)
    email = Column(String(120), unique=True)

    def __init__(self, name=None, email=None):
        self.name = name
        self.email = email

    def __repr__(self):
        return f"<User {self.name!r}>"


views = Blueprint("declarative", __name__, url_prefix="/declarative")


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
    return as_dict(u), 201, {"Location": url_for(".get_user", name=u.name)}


@views.route("/users")
def list_users():
    return {"users": [repr(user) for user in User.query.order_by(User.id).all()]}


@views.route("/users/<name>")
def get_user(name):
    user = User.query.filter(User.name == name).first()
    if user is None:
        abort(404)
    return as_dict(user)
