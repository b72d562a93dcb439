"""The test client and ``test_request_context`` take the arguments of Flask's."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import flask
import pytest
import quart
import werkzeug.test
from flask.testing import EnvironBuilder
from quart.datastructures import FileStorage
from quart.testing import sentinel
from werkzeug.datastructures import Authorization, Headers, MultiDict

from quartpatterns.subclassing import FaithfulHTTPConnection, FaithfulQuart

Arguments = Callable[[], tuple[tuple[Any, ...], dict[str, Any]]]


def arguments(*args: Any, **kwargs: Any) -> Arguments:
    """Return a function that returns the arguments."""
    return lambda: (args, kwargs)


def post(**kwargs: Callable[[], Any]) -> Arguments:
    """Return a function that makes the arguments of a ``POST``: a file can be read only once."""
    return lambda: (
        ("/p",),
        {"method": "POST", **{name: make() for name, make in kwargs.items()}},
    )


def described(convert: Callable[[werkzeug.test.EnvironBuilder], Any]) -> Arguments:
    """Return a function that makes one argument, which describes the whole request."""

    def make() -> tuple[tuple[Any, ...], dict[str, Any]]:
        builder = werkzeug.test.EnvironBuilder(
            "/b?c=1", "http://h/m", method="POST", data={"a": "1"}, headers=[("X-A", "x")]
        )
        return (convert(builder),), {}

    return make


# Arguments of the client and of test_request_context().
CASES: dict[str, Arguments] = {
    "path": arguments("/"),
    "no path": arguments(),
    "query in the path": arguments("/a?b=1"),
    "query": arguments("/a", query_string="b=ü&c=%20"),
    "query as a mapping": arguments("/a", query_string={"a": [1, 2], "b": None, "c": "ü"}),
    "two queries": arguments("/a?x=1", query_string={"a": "b"}),
    "not ASCII": arguments("/ü/é?q=ö"),
    "encoded slash": arguments("/a%2Fb"),
    "space": arguments("/a b"),
    "no slash": arguments("p"),
    "empty": arguments(""),
    "fragment": arguments("/p#fragment"),
    "only a query": arguments("?a=1"),
    "URL": arguments("http://example.com:8080/p?x=1"),
    "URL of a host": arguments("https://example.com"),
    "base URL": arguments("/p", base_url="https://example.com/app/"),
    "base URL with a query": arguments("/p", base_url="https://example.com/app?x=1"),
    "base URL and subdomain": arguments("/p", base_url="http://x/", subdomain="a"),
    "positional base URL": arguments("/p", "http://h/"),
    "subdomain": arguments("/p", subdomain="a"),
    "scheme": arguments("/p", url_scheme="https"),
    "text": post(data=lambda: "raw"),
    "bytes": post(data=lambda: b"raw", content_type=lambda: "text/plain"),
    "file as body": post(data=lambda: io.BytesIO(b"raw"), content_type=lambda: "text/plain"),
    "input stream": post(
        input_stream=lambda: io.BytesIO(b"raw"), content_type=lambda: "text/plain"
    ),
    "two bodies": post(input_stream=lambda: io.BytesIO(b"raw"), data=lambda: "x"),
    "fields": post(data=lambda: {"a": "1", "b": [1, 2]}),
    "MultiDict": post(data=lambda: MultiDict([("a", "1"), ("a", "2")])),
    "file": post(data=lambda: {"a": "1", "f": (io.BytesIO(b"x"), "f.txt")}),
    "files": post(
        data=lambda: {
            "f": [(io.BytesIO(b"x"), "f.txt"), (io.BytesIO(b"y"), "g", "image/png")],
            "g": FileStorage(io.BytesIO(b"z"), "z.txt"),
        }
    ),
    "no data": post(data=lambda: ""),
    "no fields": post(data=dict),
    "JSON": post(json=lambda: {"a": 1}),
    "JSON list": post(json=list),
    "JSON None": post(json=lambda: None),
    "JSON and data": post(json=dict, data=lambda: "x"),
    "JSON with a media type": post(
        json=lambda: {"a": 1}, mimetype=lambda: "application/vnd.api+json"
    ),
    "media type": post(data=lambda: "x", mimetype=lambda: "text/csv"),
    "header of the type": post(data=lambda: "x", headers=lambda: {"Content-Type": "text/plain"}),
    "headers": arguments("/p", headers={"X-A": "1"}),
    "list of headers": arguments("/p", headers=[("X-A", "1")]),
    "header that is not ASCII": arguments("/p", headers={"X-A": "café"}),
    "Host": arguments("/p", headers=Headers({"Host": "h.org"})),
    "User-Agent": arguments("/p", headers={"User-Agent": "me"}),
    "environ_base": arguments(
        "/p", environ_base={"REMOTE_ADDR": "1.2.3.4", "HTTP_X_A": "base"}, headers={"X-A": "1"}
    ),
    "environ_overrides": arguments(
        "/p",
        headers={"X-A": "1"},
        environ_overrides={"REMOTE_ADDR": "1.2.3.4", "HTTP_X_A": "o", "HTTP_HOST": "z"},
    ),
    "environ_overrides of the URL": arguments(
        "/p", environ_overrides={"wsgi.url_scheme": "https", "SCRIPT_NAME": "/m"}
    ),
    "auth": arguments("/p", auth=("u", "p")),
    "Authorization": arguments(
        "/p", auth=Authorization("basic", {"username": "u", "password": "p"})
    ),
}
# What describes the whole request, for the client only.
DESCRIBED: dict[str, Arguments] = {
    "builder": described(lambda builder: builder),
    "environment": described(lambda builder: builder.get_environ()),
    "request": described(lambda builder: builder.get_request()),
}
CONFIGS: dict[str, dict[str, Any]] = {
    "default": {},
    "server name": {"SERVER_NAME": "dev.local:5000", "PREFERRED_URL_SCHEME": "https"},
    "root": {"APPLICATION_ROOT": "/mount"},
}


def seen(request: Any) -> dict[str, Any]:
    """Return what a view sees of a request, without its body."""
    return {
        "method": request.method,
        "path": request.path,
        "root": request.root_path,
        "url": request.url,
        "query": request.query_string.decode("latin1"),
        "args": request.args.to_dict(flat=False),
        "type": (request.content_type or "").partition("; boundary")[0],
        "address": request.remote_addr,
        "agent": request.user_agent.string,
        "user": request.authorization.username if request.authorization else None,
        "header": request.headers.get("X-A"),
    }


def flask_app(config: dict[str, Any]) -> flask.Flask:
    """Return an application that reports what it receives."""
    app = flask.Flask(__name__, static_folder=None)
    app.config.update(config)

    @app.route("/", methods=["GET", "POST"], defaults={"path": ""})
    @app.route("/<path:path>", methods=["GET", "POST"])
    def view(path: str) -> dict[str, Any]:
        request = flask.request
        length = request.content_length
        files = [[k, f.filename, f.mimetype, f.read().decode()] for k, f in _items(request.files)]
        form = request.form.to_dict(flat=False)
        return seen(request) | {
            "length": None if files else length,
            "files": files,
            "form": form,
            "data": request.get_data(as_text=True) if not files else "",
            "json": request.get_json(silent=True),
        }

    return app


def faithful_app(config: dict[str, Any]) -> FaithfulQuart:
    """Return the same application."""
    app = FaithfulQuart(__name__, static_folder=None)
    app.config.update(config)

    @app.route("/", methods=["GET", "POST"], defaults={"path": ""})
    @app.route("/<path:path>", methods=["GET", "POST"])
    async def view(path: str) -> dict[str, Any]:
        request = quart.request
        files = [
            [k, f.filename, f.mimetype, f.read().decode()] for k, f in _items(await request.files)
        ]
        form = (await request.form).to_dict(flat=False)
        return seen(request) | {
            "length": None if files else request.content_length,
            "files": files,
            "form": form,
            "data": await request.get_data(as_text=True) if not files and not form else "",
            "json": await request.get_json(silent=True),
        }

    return app


def _items(multidict: Any) -> Any:
    return multidict.items(multi=True)


def flask_answer(config: dict[str, Any], make: Arguments) -> Any:
    """Return what Flask's client returns or raises."""
    args, kwargs = make()
    try:
        response = flask_app(config).test_client().open(*args, **kwargs)
    except (AssertionError, TypeError, ValueError) as error:
        return type(error), str(error)
    return response.status_code, response.get_json() or response.location


async def faithful_answer(config: dict[str, Any], make: Arguments) -> Any:
    """Return what our client returns or raises."""
    args, kwargs = make()
    try:
        response = await faithful_app(config).test_client().open(*args, **kwargs)
    except (AssertionError, TypeError, ValueError) as error:
        return type(error), str(error)
    return response.status_code, await response.get_json() or response.location


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("make", (CASES | DESCRIBED).values(), ids=CASES | DESCRIBED)
async def test_client(config: dict[str, Any], make: Arguments) -> None:
    """A view sees the same request as in Flask, or the same error is raised."""
    expected = await asyncio.to_thread(flask_answer, config, make)
    assert await faithful_answer(config, make) == expected


def flask_context(config: dict[str, Any], make: Arguments) -> Any:
    """Return what is seen in Flask's ``test_request_context``."""
    args, kwargs = make()
    try:
        with flask_app(config).test_request_context(*args, **kwargs):
            form = flask.request.form.to_dict(flat=False)
            return seen(flask.request) | {"form": form, "endpoint": flask.request.endpoint}
    except (AssertionError, TypeError, ValueError) as error:
        return type(error), str(error)


async def faithful_context(config: dict[str, Any], make: Arguments) -> Any:
    """Return what is seen in ours."""
    args, kwargs = make()
    try:
        async with faithful_app(config).test_request_context(*args, **kwargs):
            form = (await quart.request.form).to_dict(flat=False)
            return seen(quart.request) | {"form": form, "endpoint": quart.request.endpoint}
    except (AssertionError, TypeError, ValueError) as error:
        return type(error), str(error)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("make", CASES.values(), ids=CASES)
async def test_request_context(config: dict[str, Any], make: Arguments) -> None:
    """``test_request_context`` makes the same request as in Flask."""
    expected = await asyncio.to_thread(flask_context, config, make)
    assert await faithful_context(config, make) == expected


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        pytest.param(("/",), {"multithread": True}, "scope_base", id="WSGI"),
        pytest.param(("/",), {"environ_base": {"my.key": 1}}, "'my.key'", id="environ_base"),
        pytest.param(("/",), {"environ_overrides": {"A": 1}}, "'A'", id="environ_overrides"),
        pytest.param(("/",), {"nonsense": 1}, "nonsense", id="unknown"),
        pytest.param(("/",), {"data": iter([b"x"])}, "asynchronous iterator", id="iterator"),
        pytest.param(
            (werkzeug.test.EnvironBuilder("/"),), {"data": "x"}, "whole request", id="builder"
        ),
    ],
)
async def test_refused(args: tuple[Any, ...], kwargs: dict[str, Any], message: str) -> None:
    """What has no meaning here is refused with what to use instead."""
    with pytest.raises(TypeError, match=message):
        await faithful_app({}).test_client().open(*args, **kwargs)
    with pytest.raises(TypeError, match=message):
        faithful_app({}).test_request_context(*args, **kwargs)


QUART: list[Any] = [
    pytest.param({"form": {"a": "1"}}, {"form": {"a": ["1"]}}, id="form"),
    pytest.param(
        {"form": {"a": "1"}, "files": {"f": FileStorage(io.BytesIO(b"x"), "f.txt")}},
        {"form": {"a": ["1"]}, "files": [["f", "f.txt", "text/plain", "x"]]},
        id="form and files",
    ),
    pytest.param({"scheme": "https"}, {"url": "https://localhost/p"}, id="scheme"),
    pytest.param({"json": sentinel}, {"json": None, "type": ""}, id="no JSON"),
    pytest.param({"root_path": "/p"}, {"root": "/p", "path": "/"}, id="root_path"),
    pytest.param({"scope_base": {"client": ("9.9.9.9", 1)}}, {"address": "9.9.9.9"}, id="scope"),
]


@pytest.mark.parametrize(("kwargs", "expected"), QUART)
async def test_arguments_of_quart(kwargs: dict[str, Any], expected: dict[str, Any]) -> None:
    """Arguments that only Quart's client has work as well."""
    path = "/p/" if "root_path" in kwargs else "/p"
    response = await faithful_app({}).test_client().post(path, **kwargs)
    received = await response.get_json()
    assert {name: received[name] for name in expected} == expected


async def test_exclusive_arguments_of_quart() -> None:
    """A form and JSON exclude each other, and so do two mount points, and two schemes."""
    client = faithful_app({}).test_client()
    for kwargs in (
        {"form": {"a": "1"}, "json": {}},
        {"root_path": "/a", "base_url": "http://localhost/b"},
        {"scheme": "http", "url_scheme": "https"},
    ):
        with pytest.raises(ValueError, match=r"exclude|mount point|same argument"):
            await client.post("/a", **kwargs)


async def test_repeated_headers() -> None:
    """Each line of a header is sent, as by a browser or proxy."""
    connection = faithful_app({}).test_client().request("/", headers=[("X-A", "1"), ("X-A", "2")])
    lines = [value for name, value in connection.scope["headers"] if name == b"x-a"]
    assert lines == [b"1", b"2"]


async def test_large_files(tmp_path: Path) -> None:
    """A large file is sent in parts that are read while the application receives them."""
    app = FaithfulQuart(__name__)
    app.config["MAX_CONTENT_LENGTH"] = None

    @app.post("/")
    async def view() -> list[int]:
        sizes = [len(data) async for data in quart.request.body]
        return [sum(sizes), max(sizes)]

    (file := tmp_path / "large").write_bytes(b"x" * 20_000_000)
    for name in ("input_stream", "data"):
        with file.open("rb") as opened:
            response = await app.test_client().post("/", **{name: opened})
        total, largest = await response.get_json()
        assert total == 20_000_000
        assert largest <= 64 * 1024


class Unseekable(io.RawIOBase):
    """A stream of unknown length."""

    def __init__(self) -> None:
        self.parts = [b"one", b"two", b""]

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return the next part."""
        return self.parts.pop(0)


async def test_streams() -> None:
    """A body of unknown length is sent in chunks: an asynchronous iterator or a pipe."""

    async def parts() -> AsyncIterator[bytes]:
        for part in (b"one", b"two"):
            yield part

    app = FaithfulQuart(__name__)

    @app.post("/")
    async def view() -> list[Any]:
        data = await quart.request.get_data(as_text=True)
        return [data, quart.request.headers.get("Transfer-Encoding")]

    client = app.test_client()
    for kwargs in ({"data": parts()}, {"input_stream": parts()}, {"input_stream": Unseekable()}):
        response = await client.post("/", **kwargs)
        assert await response.get_json() == ["onetwo", "chunked"]
    response = await client.post("/", data=parts(), content_length=6)
    assert await response.get_json() == ["onetwo", None]


async def test_endless_body() -> None:
    """A body without an end is no longer read when the application has answered."""
    closed: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        sent = 0
        try:
            while True:
                sent += 1000
                yield b"x" * 1000
        finally:
            closed.append(sent)

    app = FaithfulQuart(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 100_000

    @app.post("/")
    async def view() -> str:
        await quart.request.get_data()
        return "all of it"

    class Impatient(FaithfulHTTPConnection):
        drain_timeout = 0

    app.asgi_http_class = Impatient
    response = await app.test_client().post("/", data=endless())
    assert response.status_code == 413
    assert len(closed) == 1


async def test_builder_of_flask() -> None:
    """Flask's own builder works with the application: its JSON provider and its settings."""
    app = faithful_app({"SERVER_NAME": "example.com", "APPLICATION_ROOT": "/mount"})
    response = await app.test_client().open(EnvironBuilder(app, "/p", json={"a": 1}))  # type: ignore[arg-type]
    received = await response.get_json()
    assert (received["url"], received["json"]) == ("http://example.com/mount/p", {"a": 1})
    builder = EnvironBuilder(app, "/p", method="POST", json={"a": 1})  # type: ignore[arg-type]
    assert (await (await app.test_client().open(builder)).get_json())["json"] == {"a": 1}
    with pytest.raises(TypeError, match="can't be an asynchronous iterator"):
        app.test_request_context("/", data=_nothing())


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


async def test_environ_base() -> None:
    """The defaults of a client can be changed, as in Flask."""
    client = faithful_app({}).test_client()
    client.environ_base["REMOTE_ADDR"] = "192.168.0.22"
    client.environ_base["HTTP_USER_AGENT"] = "Foo"
    received = await (await client.get("/")).get_json()
    assert (received["address"], received["agent"]) == ("192.168.0.22", "Foo")
    client.environ_base["nonsense"] = "1"
    with pytest.raises(TypeError, match="nonsense"):
        await client.get("/")
