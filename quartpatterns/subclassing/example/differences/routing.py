"""Differences of hosts, paths, rules and URL processors."""

from __future__ import annotations

import warnings
from typing import Any

from werkzeug.routing import Rule

from quartpatterns._shared.calling import maybe_await
from quartpatterns.subclassing.example.differences.frameworks import Framework
from quartpatterns.subclassing.example.differences.raw_http import exchange

__all__: list[str] = []


async def _index(framework: Framework, **config: Any) -> Any:
    app = framework.app()
    app.config.update(config)

    @framework.view(app)
    async def view() -> str:
        return "index"

    return app


async def trusted_hosts(framework: Framework) -> str:
    app = await _index(framework, TRUSTED_HOSTS=["good.example"])
    return str((await framework.call(app, headers={"Host": "evil.example"})).status)


async def server_name(framework: Framework) -> str:
    app = await _index(framework, SERVER_NAME="one.example")
    with warnings.catch_warnings():
        # Quart warns about the host and answers 404.
        warnings.simplefilter("ignore")
        return str((await framework.call(app, headers={"Host": "two.example"})).status)


async def rule_keywords(framework: Framework) -> str:
    app = await _index(framework)
    app.add_url_rule("/old", endpoint="old", redirect_to="/")
    app.add_url_rule("/built/<name>", endpoint="built", build_only=True)
    moved = await framework.call(app, "/old")
    hidden = await framework.call(app, "/built/x")
    return f"redirect_to: {moved.status}, build_only: {hidden.status}"


async def raw_rule(framework: Framework) -> str:
    app = framework.app()
    app.url_map.add(Rule("/raw", endpoint="raw"))

    async def view() -> str:
        return "view"

    app.view_functions["raw"] = framework.adapt(view)
    response = await framework.call(app, "/raw", "OPTIONS")
    return str(response) if response.status == 200 else str(response.status)


async def mount_point(framework: Framework) -> str:
    app = framework.app()

    async def view(path: str) -> str:
        return repr(path)

    caught = framework.adapt(view)
    app.add_url_rule("/", "view", caught, defaults={"path": ""})
    app.add_url_rule("/<path:path>", "view", caught)

    mounted: Any
    if framework.is_flask:
        from werkzeug.middleware.dispatcher import DispatcherMiddleware

        mounted = DispatcherMiddleware(framework.app(), {"/b": app})
    else:

        async def mounted(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                scope = scope | {"root_path": "/b"}
            await app(scope, receive, send)

    async with framework.served(mounted) as port:
        response = await exchange(port, b"GET /b HTTP/1.1\r\nHost: localhost\r\n\r\n")
    if response.status != 308:
        return f"{response.status} {response.body.decode()}"
    return f"308 {response.headers['location'].removeprefix('http://localhost')}"


async def double_slash(framework: Framework) -> str:
    response = await framework.call(await _index(framework), "//")
    return f"{response.status} {response['location'] or ''}".strip()


async def websocket_preprocessor(framework: Framework) -> str:
    if framework.is_flask:
        return "-"
    app = framework.app()
    app.url_value_preprocessor(lambda endpoint, values: values.pop("lang"))

    @app.websocket("/<lang>/echo")  # type: ignore[untyped-decorator]
    async def echo() -> None:
        await framework.names.websocket.send("ok")

    async with app.test_client().websocket("/en/echo") as socket:
        return str(await socket.receive())


async def late_setup(framework: Framework) -> str:
    app = await _index(framework)
    await framework.call(app)
    try:
        app.add_url_rule("/late", "late", lambda: "late")
    except AssertionError:
        return "AssertionError"
    return "accepted"


async def async_preprocessor(framework: Framework) -> str:
    if framework.is_flask:
        return "-"
    app = framework.app()
    with warnings.catch_warnings():
        # Quart does not await the coroutine.
        warnings.simplefilter("ignore")

        @app.url_value_preprocessor  # type: ignore[untyped-decorator]
        async def take(endpoint: str, values: dict[str, str]) -> None:
            framework.names.g.lang = values.pop("lang")

        @app.route("/<lang>")  # type: ignore[untyped-decorator]
        async def view(**values: str) -> str:
            return f"awaited: {framework.names.g.lang}" if not values else "never awaited"

        found = await framework.call(app, "/en")
    return str(await maybe_await(found.body.decode()))
