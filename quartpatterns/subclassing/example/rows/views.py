"""Rows about what views return and what they read: 1 to 4, 12, 15 to 17, 23, 39 and 41."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from quartpatterns.subclassing.example.rows.side import Side, either
from quartpatterns.subclassing.example.rows.wire import exchange

__all__: list[str] = []

variable: ContextVar[str] = ContextVar("variable", default="unset")


async def other_content_type(side: Side) -> str:
    app = side.app()

    @side.view(app, methods=["POST"])
    async def view() -> str:
        return repr(await either(side.names.request.get_json()))

    headers = {"Content-Type": "text/plain"}
    answer = await side.call(app, method="POST", data="{}", headers=headers)
    return str(answer) if answer.status == 200 else str(answer.status)


async def _returned(side: Side, value: Any) -> str:
    app = side.app()

    @side.view(app)
    async def view() -> Any:
        return value

    answer = await side.call(app)
    return str(answer) if answer.status < 300 else str(answer.status)


async def iterator(side: Side) -> str:
    return await _returned(side, iter(["a", "b"]))


async def status_string(side: Side) -> str:
    return await _returned(side, ("made", "201 CREATED"))


async def byte_array(side: Side) -> str:
    app = side.app()

    @side.view(app)
    async def view() -> Any:
        return bytearray(b"x")

    if side.is_flask:
        # WSGI servers take nothing but bytes: it is Flask's own client that says what is meant.
        return str(await side.call(app))
    async with side.served(app) as port:
        answer = await exchange(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    body = answer.body.decode()
    return f"{answer.status} {body.strip(chr(0)) or f'{len(body)} NUL bytes'}"


async def session_read(side: Side) -> str:
    app = side.app()
    app.secret_key = "for this row only"

    @side.view(app)
    async def view() -> str:
        return str(side.names.session.get("user"))

    answer = await side.call(app)
    return f"Vary: {answer['vary']}"


async def _streamed(side: Side, *, called: bool) -> str:
    app = side.app()
    names = side.names

    @side.view(app)
    async def view() -> Any:
        names.g.user = "ada"
        if side.is_flask:

            def generate() -> Any:
                yield names.g.get("user", "nobody")

        else:

            async def generate() -> Any:
                yield names.g.get("user", "nobody")

        if called:
            return names.stream_with_context(generate())
        return names.stream_with_context(generate)()

    answer = await side.call(app)
    return str(answer) if answer.status == 200 else str(answer.status)


async def g_in_stream(side: Side) -> str:
    return await _streamed(side, called=False)


async def stream_call_form(side: Side) -> str:
    return await _streamed(side, called=True)


async def context_variable(side: Side) -> str:
    app = side.app()

    @app.before_request  # type: ignore[untyped-decorator]
    def set_variable() -> None:
        variable.set("seen")

    @side.view(app)
    async def view() -> str:
        return variable.get()

    return (await side.call(app)).body.decode()


async def own_limit(side: Side) -> str:
    app = side.app()

    @side.view(app, "/<int:limit>", methods=["POST"])
    async def view(limit: int) -> str:
        side.names.request.max_content_length = limit
        return str(len(await either(side.names.request.get_data())))

    app.config["MAX_CONTENT_LENGTH"] = 50
    lower = await side.call(app, "/10", "POST", data=b"x" * 20)
    raised = await side.call(app, "/100", "POST", data=b"x" * 80)
    return f"lower: {lower.status}, raised: {raised.status}"


async def callables(side: Side) -> str:
    app = side.app()

    async def answer() -> str:
        return "ok"

    class View:
        async def __call__(self) -> str:
            return "ok"

        def plain(self) -> str:
            return "ok"

    made = View()
    app.add_url_rule("/object", "object", made.plain if side.is_flask else made)
    app.add_url_rule("/wrapper", "wrapper", lambda: side.dialect(answer)())
    results = [await side.call(app, path) for path in ("/object", "/wrapper")]
    return ", ".join(str(result.status) for result in results)


async def call_on_close(side: Side) -> str:
    app = side.app()
    closed: list[str] = []

    @side.view(app)
    async def view() -> Any:
        response = await either(side.names.make_response("x"))
        response.call_on_close(lambda: closed.append("called"))
        return response

    client = app.test_client()
    response = await either(client.get("/"))
    if side.is_flask:
        response.close()
    return ", ".join(closed) or str(response.status_code)
