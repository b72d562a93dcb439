"""A small Flask application, the original for the tests of the comparison."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask, Response, flash, get_flashed_messages, jsonify, request, session


def create_app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "for the tests"

    @app.get("/")
    def index() -> str:
        return "<p class='a' id=b>Hello</p>"

    @app.get("/json")
    def data() -> Response:
        return jsonify(one=1, two=[2.0, True, None])

    @app.post("/echo")
    def echo() -> Response:
        return Response(request.get_data(), mimetype="application/octet-stream")

    @app.post("/form")
    def form() -> Response:
        files = {
            name: [file.filename, file.read().decode()] for name, file in request.files.items()
        }
        return jsonify(form=request.form.to_dict(flat=False), files=files)

    @app.get("/count")
    def count() -> str:
        session["count"] = session.get("count", 0) + 1
        flash(f"visit {session['count']}")
        return f"{session['count']} {get_flashed_messages()}"

    @app.get("/broken")
    def broken() -> Response:
        def body() -> Iterator[str]:
            yield "half"
            raise RuntimeError("on purpose")

        return Response(body(), mimetype="text/plain")

    @app.get("/raises")
    def raises() -> str:
        raise RuntimeError("on purpose")

    @app.get("/path/<path:rest>")
    def path(rest: str) -> Response:
        return jsonify(rest=rest, query=request.query_string.decode())

    @app.get("/planted")
    def planted() -> Response:
        return Response("same", headers={"X-Planted": "flask"})

    return app
