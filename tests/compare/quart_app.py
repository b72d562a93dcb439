"""The Quart port of the same application, with a difference at ``/planted``."""

from __future__ import annotations

from collections.abc import AsyncIterator

from quart import Quart, Response, flash, get_flashed_messages, jsonify, request, session


def create_app() -> Quart:
    app = Quart(__name__)
    app.secret_key = "for the tests"
    app.config["LIFESPAN"] = []

    @app.before_serving
    async def started() -> None:
        app.config["LIFESPAN"].append("started")

    @app.after_serving
    async def stopped() -> None:
        app.config["LIFESPAN"].append("stopped")

    @app.get("/")
    async def index() -> str:
        return "<p class='a' id=b>Hello</p>"

    @app.get("/json")
    async def data() -> Response:
        return jsonify(one=1, two=[2.0, True, None])

    @app.post("/echo")
    async def echo() -> Response:
        return Response(await request.get_data(), mimetype="application/octet-stream")

    @app.post("/form")
    async def form() -> Response:
        files = {
            name: [file.filename, file.read().decode()]
            for name, file in (await request.files).items()
        }
        return jsonify(form=(await request.form).to_dict(flat=False), files=files)

    @app.get("/count")
    async def count() -> str:
        session["count"] = session.get("count", 0) + 1
        await flash(f"visit {session['count']}")
        return f"{session['count']} {get_flashed_messages()}"

    @app.get("/broken")
    async def broken() -> Response:
        async def body() -> AsyncIterator[str]:
            yield "half"
            raise RuntimeError("on purpose")

        return Response(body(), mimetype="text/plain")

    @app.get("/raises")
    async def raises() -> str:
        raise RuntimeError("on purpose")

    @app.get("/path/<path:rest>")
    async def path(rest: str) -> Response:
        return jsonify(rest=rest, query=request.query_string.decode())

    @app.get("/planted")
    async def planted() -> Response:
        return Response("same", headers={"X-Planted": "quart"})

    return app
