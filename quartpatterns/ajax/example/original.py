"""The original: JavaScript, fetch and JSON with Flask."""

from flask import Blueprint, Flask, abort, jsonify, redirect, render_template, request, url_for
from xstatic.pkg import jquery

FACTS = (
    "Granite cools slowly, deep below; basalt cools fast, and above.",
    "Pumice floats.",
    "Marble was limestone once.",
)
NAMES = ["Ada", "</script><script>alert(1)</script>", "O'Hara & Söhne"]


def is_line(value):
    if not isinstance(value, str) or not 1 <= len(value) <= 100:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(config or {})
    app.register_blueprint(
        Blueprint("jquery", __name__, static_folder=jquery.BASE_DIR, static_url_path="/jquery")
    )
    users = {
        1: {"username": "ada", "email": "ada@example.com"},
        2: {"username": "grace", "email": "grace@example.com"},
        3: {"username": "edsger", "email": "edsger@example.com"},
    }

    def detail(id):
        return {**users[id], "picture": url_for("static", filename=f"users/{id}/profile.svg")}

    @app.get("/")
    def index():
        return render_template("index.html")

    @app.route("/_add_numbers")
    def add_numbers():
        a = request.args.get("a", 0, type=int)
        b = request.args.get("b", 0, type=int)
        return jsonify(result=a + b)

    @app.get("/fetch")
    def fetch():
        return render_template("fetch.html", fact=FACTS[0], names=NAMES)

    @app.get("/geology_fact")
    def geology_fact():
        number = request.args.get("number", 1, type=int)
        return render_template("geology_fact.html", fact=FACTS[number % len(FACTS)])

    @app.route("/users")
    def user_list():
        return jsonify([detail(id) for id in users])

    @app.route("/user/<int:id>")
    def user_detail(id):
        if id not in users:
            abort(404)
        return detail(id)

    @app.post("/user/<int:id>")
    def user_update(id):
        if id not in users:
            abort(404)
        data = request.json
        if not isinstance(data, dict):
            abort(400)
        if not (is_line(data.get("username")) and is_line(data.get("email"))):
            abort(400)
        users[id] = {"username": data["username"], "email": data["email"]}
        return detail(id)

    @app.post("/room")
    def room():
        name, description = request.form["name"], request.form.get("description", "")
        if not is_line(name) or len(description) > 1000:
            abort(400)
        return {"name": name, "description": description}

    @app.post("/login")
    def login():
        if request.form["username"] != "admin" or request.form["password"] != "secret":
            return {"error": "Invalid credentials"}, 401
        return redirect(url_for("index"))

    return app
