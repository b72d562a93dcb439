"""A Flask application with twenty routes, and a Quart one that five of them have moved to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import flask
import quart
from flask import Flask
from quart import Quart

from quartpatterns.appdispatch import RouteDispatcher, WSGIMiddleware

USERS = {1: "alice", 2: "bob"}


def create_flask() -> Flask:
    app = Flask("old", static_folder=None)
    app.secret_key = "the same on both sides"

    @app.get("/")
    def index() -> str:
        return f"<a href='{flask.url_for('users')}'>users</a>"

    @app.get("/users/")
    def users() -> list[str]:
        return [flask.url_for("user", number=number) for number in USERS]

    @app.get("/users/<int:number>")
    def user(number: int) -> dict[str, str]:
        return {"name": USERS.get(number) or flask.abort(404)}

    @app.post("/users/<int:number>")
    def rename(number: int) -> dict[str, str]:
        return {"name": flask.request.form["name"]}

    @app.delete("/users/<int:number>")
    def remove(number: int) -> tuple[str, int]:
        return "", 204

    @app.post("/login")
    def login() -> flask.typing.ResponseReturnValue:
        flask.session["user"] = flask.request.form["user"]
        return flask.redirect(flask.url_for("me"))

    @app.get("/me")
    def me() -> str:
        name: str = flask.session.get("user", "nobody")
        return name

    @app.post("/logout")
    def logout() -> flask.typing.ResponseReturnValue:
        flask.session.clear()
        return flask.redirect(flask.url_for("index"))

    @app.get("/search")
    def search() -> dict[str, list[str]]:
        return {"q": flask.request.args.getlist("q")}

    @app.post("/echo")
    def echo() -> flask.typing.ResponseReturnValue:
        return flask.request.get_data(), {"Content-Type": "application/octet-stream"}

    @app.post("/upload")
    def upload() -> dict[str, int]:
        return {"size": len(flask.request.files["file"].read())}

    @app.get("/stream")
    def stream() -> Iterator[str]:
        return iter(["a", "b", "c"])

    @app.get("/files/<path:name>")
    def file(name: str) -> str:
        return name

    @app.get("/teapot")
    def teapot() -> str:
        flask.abort(418)

    @app.get("/crash")
    def crash() -> str:
        raise RuntimeError("crash")

    @app.get("/old")
    def old() -> flask.typing.ResponseReturnValue:
        return flask.redirect(flask.url_for("search", q="a b"), 301)

    @app.get("/cookie")
    def cookie() -> flask.Response:
        response = flask.make_response("set")
        response.set_cookie("c", "1", httponly=True)
        return response

    @app.get("/headers")
    def headers() -> str:
        return flask.request.headers.get("X-Test", "none")

    @app.put("/items/<name>")
    def put_item(name: str) -> tuple[dict[str, object], int]:
        return {name: flask.request.get_json()}, 201

    @app.get("/time")
    def time() -> str:
        return "now"

    return app


def create_ported(flask_app: Flask, cls: type[Quart] = Quart) -> Quart:
    """Return a Quart application with five of the routes: users, user, me, stream and search."""
    app = cls("new", static_folder=None)
    app.secret_key = flask_app.secret_key

    @app.get("/users/")
    async def users() -> list[str]:
        return [quart.url_for("user", number=number) for number in USERS]

    @app.get("/users/<int:number>")
    async def user(number: int) -> dict[str, str]:
        return {"name": USERS.get(number) or quart.abort(404)}

    @app.get("/me")
    async def me() -> str:
        name: str = quart.session.get("user", "nobody")
        return name

    @app.get("/stream")
    async def stream() -> AsyncIterator[str]:
        async def pieces() -> AsyncIterator[str]:
            for piece in "abc":
                yield piece

        return pieces()

    @app.get("/search")
    async def search() -> dict[str, list[str]]:
        return {"q": quart.request.args.getlist("q")}

    app.asgi_app = RouteDispatcher(app, WSGIMiddleware(flask_app))  # type: ignore[method-assign]
    return app
