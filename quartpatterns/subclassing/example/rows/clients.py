"""Rows about the test client and about errors in it: 21, 22, 33 to 35."""

from __future__ import annotations

from typing import Any

from quartpatterns.subclassing.example.rows.side import Side, either

__all__: list[str] = []


async def head(side: Side) -> str:
    app = side.app()

    @side.view(app)
    async def view() -> str:
        return "body"

    return f"{(await side.call(app, method='HEAD')).body!r}"


async def raised_under_testing(side: Side) -> str:
    app = side.app()
    app.testing = True

    @side.view(app)
    async def view() -> str:
        raise LookupError("in the view")

    try:
        return str((await side.call(app)).status)
    except LookupError:
        return "raised"


async def silent(side: Side) -> str:
    app = side.app()

    @side.view(app)
    async def view() -> Any:
        return "no json", {"Content-Type": "application/json"}

    response = await either(app.test_client().get("/"))
    told = []
    for quiet in (True, False):
        try:
            told.append(repr(await either(response.get_json(silent=quiet))))
        except ValueError:
            told.append("ValueError")
    return f"silent: {told[0]}, else: {told[1]}"


async def data_as_form(side: Side) -> str:
    app = side.app()

    @side.view(app, methods=["POST"])
    async def view() -> str:
        return repr(dict(await either(side.names.request.form)))

    return (await side.call(app, method="POST", data={"name": "ada"})).body.decode()


async def kept_context(side: Side) -> str:
    app = side.app()
    names = side.names

    @side.view(app)
    async def view() -> str:
        names.g.user = "ada"
        return ""

    client = app.test_client()
    if side.is_flask:
        with client:
            client.get("/")
            return f"{names.g.user} {names.url_for('view')}"
    async with client:
        await client.get("/")
        try:
            return f"{names.g.user} {names.url_for('view')}"
        except RuntimeError:
            return "RuntimeError"
