"""Users in an SQLite database, with one connection per context."""

import csv
import io
import os
import re
import sqlite3
import unicodedata

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    g,
    make_response,
    redirect,
    render_template,
    request,
    stream_with_context,
    url_for,
)

PER_PAGE = 50
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

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


# Flask's page does not check what clients send. A program that ports an application from Flask
# expects the same answers, so the messages are those of pydantic.


def invalid(part, *errors):
    detail = f"The {part} of the request is not valid."
    problem = {"title": "Bad Request", "status": 400, "detail": detail, "errors": errors}
    response = make_response(problem, 400)
    response.content_type = "application/problem+json"
    abort(response)


def read_number(name, default, least):
    values = request.args.getlist(name) or [str(default)]
    if len(values) > 1:
        message = "Input should be a valid integer"
    elif not re.fullmatch("[0-9]{1,9}", values[0]):
        message = "Input should be a number of at most 9 digits"
    elif int(values[0]) < least:
        message = f"Input should be greater than or equal to {least}"
    else:
        return int(values[0])
    invalid("query string", {"detail": message, "parameter": name})


def find_error(value, limit):
    if not isinstance(value, str):
        return "Input should be a valid string"
    categories = {unicodedata.category(character) for character in value}
    if "Cs" in categories:
        return "Input should be a valid string, unable to parse raw data as a unicode string"
    if len(value) > limit:
        return f"String should have at most {limit} characters"
    if not value.strip() or "Cc" in categories:
        return "Input should be one line of text"
    return None


def read_user(fields, part, place, prefix=""):
    errors = []
    for name, limit in (("name", 50), ("email", 120)):
        message = find_error(fields[name], limit) if name in fields else "Field required"
        if message:
            errors.append({"detail": message, place: prefix + name})
    if errors:
        invalid(part, *errors)
    return fields["name"], fields["email"]


def read_json():
    fields = request.get_json()
    if not isinstance(fields, dict):
        message = "Input should be a valid dictionary or instance of NewUser"
        invalid("JSON body", {"detail": message, "pointer": "#"})
    return read_user(fields, "JSON body", "pointer", "#/")


def read_form():
    if request.mimetype and request.mimetype not in FORMS:
        abort(415, f"Send the body as {' or '.join(FORMS)}.")
    form = {name: values if values[1:] else values[0] for name, values in request.form.lists()}
    return read_user(form, "form", "field")


def select_page(page):
    offset = (page - 1) * PER_PAGE
    return query_db("SELECT * FROM users ORDER BY id DESC LIMIT ? OFFSET ?", [PER_PAGE, offset])


def insert_user(name, email):
    db = get_db()
    try:
        db.execute("INSERT INTO users (name, email) VALUES (?, ?)", [name, email])
    except sqlite3.IntegrityError:
        abort(409, "The name is taken.")
    db.commit()


@views.route("/")
def index():
    page = read_number("page", 1, 1)
    return render_template("users.html", users=select_page(page), page=page, per_page=PER_PAGE)


@views.route("/", methods=["POST"])
def add_user():
    insert_user(*read_form())
    return redirect(url_for(".index"), 303)


@views.route("/users")
def list_users():
    return {"users": [dict(user) for user in select_page(read_number("page", 1, 1))]}


@views.route("/users/<name>")
def get_user(name):
    user = query_db("SELECT * FROM users WHERE name = ?", [name], one=True)
    if user is None:
        abort(404, "There is no such user.")
    return {"id": user["id"], "name": user["name"], "email": user[2]}


@views.route("/users", methods=["POST"])
def create_user():
    name, email = read_json()
    insert_user(name, email)
    return {"name": name, "email": email}, 201, {"Location": url_for(".get_user", name=name)}


@views.route("/forgotten", methods=["POST"])
def forget_user():
    get_db().execute("INSERT INTO users (name, email) VALUES ('forgotten', '')")
    return {"users": query_db("SELECT count(*) FROM users WHERE name = 'forgotten'")[0][0]}


@views.route("/dicts")
def list_dicts():
    last = read_number("last", 3, 0)
    get_db().row_factory = make_dicts
    return query_db("SELECT name, email FROM users WHERE id <= ?", [last])


@views.route("/users.csv")
def export_users():
    @stream_with_context
    def generate():
        for user in get_db().execute("SELECT id, name, email FROM users ORDER BY id"):
            line = io.StringIO()
            csv.writer(line, lineterminator="\n").writerow(user)
            yield line.getvalue()

    return Response(generate(), mimetype="text/csv")


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(DATABASE=os.path.join(app.instance_path, "sqlite3.db"))
    app.config.from_mapping(config or {})
    app.teardown_appcontext(close_connection)
    app.register_blueprint(views)
    return app
