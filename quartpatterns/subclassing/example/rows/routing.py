"""Rows about hosts, paths and rules: 13, 14, 28 to 32, 36 and 37."""

from __future__ import annotations

import warnings
from typing import Any

from werkzeug.routing import Rule

from quartpatterns.subclassing.example.rows.side import Side, either
from quartpatterns.subclassing.example.rows.wire import exchange

__all__: list[str] = []


async def _index(side: Side, **config: Any) -> Any:
    app = side.app()
    app.config.update(config)

    @side.view(app)
    async def view() -> str:
        return "index"

    return app


async def trusted_hosts(side: Side) -> str:
    app = await _index(side, TRUSTED_HOSTS=["good.example"])
    return str((await side.call(app, headers={"Host": "evil.example"})).status)


async def server_name(side: Side) -> str:
    app = await _index(side, SERVER_NAME="one.example")
    with warnings.catch_warnings():
        # Quart warns of the host that it then answers 404.
        warnings.simplefilter("ignore")
        return str((await side.call(app, headers={"Host": "two.example"})).status)


async def rule_keywords(side: Side) -> str:
    app = await _index(side)
    app.add_url_rule("/old", endpoint="old", redirect_to="/")
    app.add_url_rule("/built/<name>", endpoint="built", build_only=True)
    moved = await side.call(app, "/old")
    hidden = await side.call(app, "/built/x")
    return f"redirect_to: {moved.status}, build_only: {hidden.status}"


async def raw_rule(side: Side) -> str:
    app = side.app()
    app.url_map.add(Rule("/raw", endpoint="raw"))

    async def view() -> str:
        return "view"

    app.view_functions["raw"] = side.dialect(view)
    answer = await side.call(app, "/raw", "OPTIONS")
    return str(answer) if answer.status == 200 else str(answer.status)


async def mount_point(side: Side) -> str:
    app = side.app()

    async def view(path: str) -> str:
        return repr(path)

    caught = side.dialect(view)
    app.add_url_rule("/", "view", caught, defaults={"path": ""})
    app.add_url_rule("/<path:path>", "view", caught)

    mounted: Any
    if side.is_flask:
        from werkzeug.middleware.dispatcher import DispatcherMiddleware

        mounted = DispatcherMiddleware(side.app(), {"/b": app})
    else:

        async def mounted(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                scope = scope | {"root_path": "/b"}
            await app(scope, receive, send)

    async with side.served(mounted) as port:
        answer = await exchange(port, b"GET /b HTTP/1.1\r\nHost: localhost\r\n\r\n")
    if answer.status != 308:
        return f"{answer.status} {answer.body.decode()}"
    return f"308 {answer.headers['location'].removeprefix('http://localhost')}"


async def double_slash(side: Side) -> str:
    answer = await side.call(await _index(side), "//")
    return f"{answer.status} {answer['location'] or ''}".strip()


async def websocket_preprocessor(side: Side) -> str:
    if side.is_flask:
        return "-"
    app = side.app()
    app.url_value_preprocessor(lambda endpoint, values: values.pop("lang"))

    @app.websocket("/<lang>/echo")  # type: ignore[untyped-decorator]
    async def echo() -> None:
        await side.names.websocket.send("ok")

    async with app.test_client().websocket("/en/echo") as socket:
        return str(await socket.receive())


async def late_setup(side: Side) -> str:
    app = await _index(side)
    await side.call(app)
    try:
        app.add_url_rule("/late", "late", lambda: "late")
    except AssertionError:
        return "AssertionError"
    return "accepted"


async def async_preprocessor(side: Side) -> str:
    if side.is_flask:
        return "-"
    app = side.app()
    with warnings.catch_warnings():
        # A coroutine that Quart drops.
        warnings.simplefilter("ignore")

        @app.url_value_preprocessor  # type: ignore[untyped-decorator]
        async def take(endpoint: str, values: dict[str, str]) -> None:
            side.names.g.lang = values.pop("lang")

        @app.route("/<lang>")  # type: ignore[untyped-decorator]
        async def view(**values: str) -> str:
            return f"awaited: {side.names.g.lang}" if not values else "never awaited"

        found = await side.call(app, "/en")
    return str(await either(found.body.decode()))
