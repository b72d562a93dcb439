"""The original: message flashing with Flask."""

from flask import Flask, flash, redirect, render_template, request, url_for


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(SECRET_KEY="dev")
    app.config.from_mapping(config or {})

    @app.get("/")
    def index():
        return render_template("index.html")

    @app.route("/login", methods=["GET", "POST"])
    def login():
        error = None
        if request.method == "POST":
            if request.form["username"] != "admin" or request.form["password"] != "secret":
                error = "Invalid credentials"
            else:
                flash("You were successfully logged in")
                return redirect(url_for("index"))
        return render_template("login.html", error=error)

    @app.post("/say")
    def say():
        flash(request.form["message"], request.form.get("category", "message"))
        return redirect(url_for("index"))

    @app.get("/categories")
    def categories():
        return render_template("categories.html")

    @app.get("/filtered")
    def filtered():
        return render_template("filtered.html")

    @app.get("/redirect")
    def redirected():
        return redirect(url_for("index"))

    return app
