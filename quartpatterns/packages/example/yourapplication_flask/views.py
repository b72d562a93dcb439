"""The views that belong to no part of the application."""

from flask import render_template

from quartpatterns.packages.example.yourapplication_flask import app


@app.route("/")
def index() -> str:
    return render_template("index.html")
