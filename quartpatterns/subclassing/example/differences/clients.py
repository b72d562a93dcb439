"""Differences of test clients, and of errors in tests."""

from __future__ import annotations

from typing import Any

from quartpatterns._shared.calling import maybe_await
from quartpatterns.subclassing.example.differences.frameworks import Framework

__all__: list[str] = []


async def head(framework: Framework) -> str:
    app = framework.app()

    @framework.view(app)
    async def view() -> str:
        return "body"

    return f"{(await framework.call(app, method='HEAD')).body!r}"


async def raised_under_testing(framework: Framework) -> str:
    app = framework.app()
    app.testing = True

    @framework.view(app)
    async def view() -> str:
        raise LookupError("in the view")

    try:
        return str((await framework.call(app)).status)
    except LookupError:
        return "raised"


async def silent(framework: Framework) -> str:
    app = framework.app()

    @framework.view(app)
    async def view() -> Any:
        return "no json", {"Content-Type": "application/json"}

    response = await maybe_await(app.test_client().get("/"))
    results = []
    for quiet in (True, False):
        try:
            results.append(repr(await maybe_await(response.get_json(silent=quiet))))
        except ValueError:
            results.append("ValueError")
    return f"silent: {results[0]}, else: {results[1]}"


async def data_as_form(framework: Framework) -> str:
    app = framework.app()

    @framework.view(app, methods=["POST"])
    async def view() -> str:
        return repr(dict(await maybe_await(framework.names.request.form)))

    return (await framework.call(app, method="POST", data={"name": "ada"})).body.decode()


async def kept_context(framework: Framework) -> str:
    app = framework.app()
    names = framework.names

    @framework.view(app)
    async def view() -> str:
        names.g.user = "ada"
        return ""

    client = app.test_client()
    if framework.is_flask:
        with client:
            client.get("/")
            return f"{names.g.user} {names.url_for('view')}"
    async with client:
        await client.get("/")
        try:
            return f"{names.g.user} {names.url_for('view')}"
        except RuntimeError:
            return "RuntimeError"
