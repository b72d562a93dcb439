"""Users in a database, in the four ways of Flask's page."""

import csv
import io
import unicodedata

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_sqlalchemy import SQLAlchemy
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import Column, Integer, String, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import declarative_base, registry, scoped_session, sessionmaker

# The extension.

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


# Declarative, without the extension.

db_session = scoped_session(sessionmaker(autocommit=False, autoflush=False))
Base = declarative_base()
Base.query = db_session.query_property()


class DeclarativeUser(Base):
    __tablename__ = "users"
    id = Column(Integer, primary_key=True)
    name = Column(String(50), unique=True)
    email = Column(String(120), unique=True)


# Manual object relational mapping.


class Person:
    query = db_session.query_property()


users = Base.metadata.tables["users"]
registry().map_imperatively(Person, users)


views = Blueprint("users", __name__, template_folder="../widgets")


def as_dict(user):
    return {"id": user.id, "name": user.name, "email": user.email}


def read_text(fields, name, limit):
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip():
        abort(400, f"Give {name} as text.")
    if len(value) > limit:
        abort(400, f"Give {name} in {limit} characters at most.")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        abort(400, f"Give {name} without control characters.")
    return value


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


def signer():
    return URLSafeSerializer(current_app.secret_key, salt="newest")


@views.route("/newest")
def list_newest():
    limit = min(request.args.get("per_page", 20, type=int), 100)
    query = db.select(User).order_by(User.id.desc()).limit(limit + 1)
    if cursor := request.args.get("cursor"):
        try:
            query = query.where(User.id < signer().loads(cursor))
        except BadSignature:
            abort(400, "This cursor is invalid. Start from the first page.")
    found = db.session.scalars(query).all()
    shown, more = found[:limit], found[limit:]
    return {
        "users": [as_dict(user) for user in shown],
        "next": signer().dumps(shown[-1].id) if more else None,
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


@views.route("/users", methods=["POST"])
def create_user():
    fields = request.get_json() if request.is_json else request.form
    if not hasattr(fields, "get"):
        abort(400, "Send an object with name and email.")
    user = User(read_text(fields, "name", 50), read_text(fields, "email", 120))
    db.session.add(user)
    try:
        db.session.commit()
    except IntegrityError:
        abort(409, "The name or the email is taken.")
    if not request.is_json:
        return redirect(url_for(".index"), 303)
    return as_dict(user), 201, {"Location": url_for(".get_user", id=user.id)}


@views.route("/users/<int:id>")
def get_user(id):
    return as_dict(db.get_or_404(User, id, description="There is no such user."))


@views.route("/users/by-name/<name>")
def get_user_by_name(name):
    return as_dict(db.one_or_404(db.select(User).where(User.name == name)))


@views.route("/declarative/users/<name>")
def get_declarative_user(name):
    user = DeclarativeUser.query.filter(DeclarativeUser.name == name).first()
    if user is None:
        abort(404)
    return as_dict(user)


@views.route("/manual/users/<int:id>")
def get_person(id):
    person = Person.query.filter(Person.id == id).first()
    if person is None:
        abort(404)
    return as_dict(person)


@views.route("/core/users/<int:id>")
def get_row(id):
    with db.engine.connect() as connection:
        row = connection.execute(users.select().where(users.c.id == id)).first()
    if row is None:
        abort(404)
    return {"id": row[0], "name": row.name, "email": row._mapping["email"]}


@views.route("/core/users/by-name/<name>")
def get_row_by_name(name):
    statement = text("SELECT id, name, email FROM users WHERE name = :name")
    with db.engine.connect() as connection:
        row = connection.execute(statement, {"name": name}).first()
    if row is None:
        abort(404)
    return dict(row._mapping)


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY="dev",
        SQLALCHEMY_DATABASE_URI="sqlite:///sqlalchemy.db",
    )
    app.config.from_mapping(config or {})
    db.init_app(app)
    with app.app_context():
        db_session.configure(bind=db.engine)

    @app.teardown_appcontext
    def shutdown_session(exception=None):
        db_session.remove()

    app.register_blueprint(views)
    return app
