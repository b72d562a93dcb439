"""Users in an SQLite database, with one connection per context."""

import os
import sqlite3
import unicodedata

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    g,
    redirect,
    render_template,
    request,
    stream_with_context,
    url_for,
)

PER_PAGE = 50

views = Blueprint("users", __name__)


def get_db():
    db = getattr(g, "_database", None)
    if db is None:
        db = g._database = sqlite3.connect(current_app.config["DATABASE"])
        db.row_factory = sqlite3.Row
    return db


def close_connection(exception):
    db = getattr(g, "_database", None)
    if db is not None:
        db.close()


def make_dicts(cursor, row):
    return dict((cursor.description[idx][0], value) for idx, value in enumerate(row))


def query_db(query, args=(), one=False):
    cur = get_db().execute(query, args)
    rv = cur.fetchall()
    cur.close()
    return (rv[0] if rv else None) if one else rv


def init_db(app):
    with app.app_context():
        db = get_db()
        with app.open_resource("schema.sql", mode="r") as f:
            db.cursor().executescript(f.read())
        db.commit()


def read_page():
    try:
        return max(int(request.args.get("page", 1)), 1)
    except ValueError:
        abort(400, "Give page as a number.")


def read_text(fields, name, limit):
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip():
        abort(400, f"Give {name} as text.")
    if len(value) > limit:
        abort(400, f"Give {name} in {limit} characters at most.")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        abort(400, f"Give {name} without control characters.")
    return value


def select_page():
    offset = (read_page() - 1) * PER_PAGE
    return query_db("SELECT * FROM users ORDER BY id DESC LIMIT ? OFFSET ?", [PER_PAGE, offset])


@views.route("/")
def index():
    users = select_page()
    return render_template("users.html", users=users, page=read_page(), per_page=PER_PAGE)


@views.route("/users")
def list_users():
    return {"users": [dict(user) for user in select_page()]}


@views.route("/users/<name>")
def get_user(name):
    user = query_db("SELECT * FROM users WHERE name = ?", [name], one=True)
    if user is None:
        abort(404, "There is no such user.")
    return {"id": user["id"], "name": user["name"], "email": user[2]}


@views.route("/users", methods=["POST"])
def create_user():
    fields = request.get_json() if request.is_json else request.form
    if not hasattr(fields, "get"):
        abort(400, "Send an object with name and email.")
    db = get_db()
    try:
        db.execute(
            "INSERT INTO users (name, email) VALUES (?, ?)",
            [read_text(fields, "name", 50), read_text(fields, "email", 120)],
        )
    except sqlite3.IntegrityError:
        abort(409, "The name is taken.")
    db.commit()
    if not request.is_json:
        return redirect(url_for(".index"), 303)
    name = fields["name"]
    return {"name": name}, 201, {"Location": url_for(".get_user", name=name)}


@views.route("/forgotten", methods=["POST"])
def forget_user():
    get_db().execute("INSERT INTO users (name, email) VALUES ('forgotten', '')")
    return {"users": query_db("SELECT count(*) FROM users WHERE name = 'forgotten'")[0][0]}


@views.route("/dicts")
def list_dicts():
    get_db().row_factory = make_dicts
    return query_db("SELECT name, email FROM users WHERE id <= ?", [request.args.get("last", 3)])


@views.route("/users.csv")
def export_users():
    @stream_with_context
    def generate():
        for user in get_db().execute("SELECT * FROM users ORDER BY id"):
            yield f"{user['id']},{user['name']},{user['email']}\n"

    return Response(generate(), mimetype="text/csv")


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(DATABASE=os.path.join(app.instance_path, "sqlite3.db"))
    app.config.from_mapping(config or {})
    app.teardown_appcontext(close_connection)
    app.register_blueprint(views)
    return app
