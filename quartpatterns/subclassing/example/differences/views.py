"""Differences of what views return and what they read."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from quartpatterns._shared.calling import maybe_await
from quartpatterns.subclassing.example.differences.frameworks import Framework
from quartpatterns.subclassing.example.differences.raw_http import exchange

__all__: list[str] = []

variable: ContextVar[str] = ContextVar("variable", default="unset")


async def other_content_type(framework: Framework) -> str:
    app = framework.app()

    @framework.view(app, methods=["POST"])
    async def view() -> str:
        return repr(await maybe_await(framework.names.request.get_json()))

    headers = {"Content-Type": "text/plain"}
    response = await framework.call(app, method="POST", data="{}", headers=headers)
    return str(response) if response.status == 200 else str(response.status)


async def _returned(framework: Framework, value: Any) -> str:
    app = framework.app()

    @framework.view(app)
    async def view() -> Any:
        return value

    response = await framework.call(app)
    return str(response) if response.status < 300 else str(response.status)


async def iterator(framework: Framework) -> str:
    return await _returned(framework, iter(["a", "b"]))


async def status_string(framework: Framework) -> str:
    return await _returned(framework, ("made", "201 CREATED"))


async def byte_array(framework: Framework) -> str:
    app = framework.app()

    @framework.view(app)
    async def view() -> Any:
        return bytearray(b"x")

    if framework.is_flask:
        # WSGI servers accept only bytes; Flask's test client accepts it.
        return str(await framework.call(app))
    async with framework.served(app) as port:
        response = await exchange(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    body = response.body.decode()
    return f"{response.status} {body.strip(chr(0)) or f'{len(body)} NUL bytes'}"


async def session_read(framework: Framework) -> str:
    app = framework.app()
    app.secret_key = "for this test only"

    @framework.view(app)
    async def view() -> str:
        return str(framework.names.session.get("user"))

    response = await framework.call(app)
    return f"Vary: {response['vary']}"


async def _streamed(framework: Framework, *, called: bool) -> str:
    app = framework.app()
    names = framework.names

    @framework.view(app)
    async def view() -> Any:
        names.g.user = "ada"
        if framework.is_flask:

            def generate() -> Any:
                yield names.g.get("user", "nobody")

        else:

            async def generate() -> Any:
                yield names.g.get("user", "nobody")

        if called:
            return names.stream_with_context(generate())
        return names.stream_with_context(generate)()

    response = await framework.call(app)
    return str(response) if response.status == 200 else str(response.status)


async def g_in_stream(framework: Framework) -> str:
    return await _streamed(framework, called=False)


async def stream_call_form(framework: Framework) -> str:
    return await _streamed(framework, called=True)


async def context_variable(framework: Framework) -> str:
    app = framework.app()

    @app.before_request  # type: ignore[untyped-decorator]
    def set_variable() -> None:
        variable.set("seen")

    @framework.view(app)
    async def view() -> str:
        return variable.get()

    return (await framework.call(app)).body.decode()


async def own_limit(framework: Framework) -> str:
    app = framework.app()

    @framework.view(app, "/<int:limit>", methods=["POST"])
    async def view(limit: int) -> str:
        framework.names.request.max_content_length = limit
        return str(len(await maybe_await(framework.names.request.get_data())))

    app.config["MAX_CONTENT_LENGTH"] = 50
    lower = await framework.call(app, "/10", "POST", data=b"x" * 20)
    raised = await framework.call(app, "/100", "POST", data=b"x" * 80)
    return f"lower: {lower.status}, raised: {raised.status}"


async def callables(framework: Framework) -> str:
    app = framework.app()

    async def view() -> str:
        return "ok"

    class View:
        async def __call__(self) -> str:
            return "ok"

        def plain(self) -> str:
            return "ok"

    made = View()
    app.add_url_rule("/object", "object", made.plain if framework.is_flask else made)
    app.add_url_rule("/wrapper", "wrapper", lambda: framework.adapt(view)())
    results = [await framework.call(app, path) for path in ("/object", "/wrapper")]
    return ", ".join(str(result.status) for result in results)


async def call_on_close(framework: Framework) -> str:
    app = framework.app()
    closed: list[str] = []

    @framework.view(app)
    async def view() -> Any:
        response = await maybe_await(framework.names.make_response("x"))
        response.call_on_close(lambda: closed.append("called"))
        return response

    client = app.test_client()
    response = await maybe_await(client.get("/"))
    if framework.is_flask:
        response.close()
    return ", ".join(closed) or str(response.status_code)
