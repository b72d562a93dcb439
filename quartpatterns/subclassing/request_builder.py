"""Requests of tests: from the arguments of Flask's test client to an ASGI scope.

Flask's own builder parses the arguments, so that defaults and errors are the same. Its result is a
WSGI environment. It is stored, because Werkzeug's client needs it to follow redirects.
"""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportMissingTypeStubs=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit

import werkzeug.test
from flask.testing import EnvironBuilder
from quart import Quart, Request
from quart.testing import no_op_push, sentinel
from werkzeug.datastructures import EnvironHeaders, Headers, MultiDict
from werkzeug.wrappers import Request as WerkzeugRequest
from werkzeug.wsgi import get_current_url

from quartpatterns._shared.threads import to_thread
from quartpatterns.subclassing.context import PRESERVE_CONTEXT
from quartpatterns.subclassing.proxy_fix import WEBSOCKET_SCHEMES
from quartpatterns.subclassing.request import create_request
from quartpatterns.subclassing.routing import path_inside_mount

__all__ = ["BuiltRequest", "follow_redirect", "make_request", "prepare", "prepare_in_thread"]

# Bytes of one message of a body.
CHUNK = 64 * 1024
# Arguments of EnvironBuilder that mean something only to WSGI.
WSGI_ONLY = ("errors_stream", "multithread", "multiprocess", "run_once")
# What an ASGI scope can tell of a WSGI environment, besides HTTP_ and wsgi. names.
ENVIRON_NAMES = frozenset(
    {
        "REQUEST_METHOD",
        "SCRIPT_NAME",
        "PATH_INFO",
        "QUERY_STRING",
        "REQUEST_URI",
        "RAW_URI",
        "SERVER_NAME",
        "SERVER_PORT",
        "SERVER_PROTOCOL",
        "REMOTE_ADDR",
        "REMOTE_PORT",
        "CONTENT_TYPE",
        "CONTENT_LENGTH",
    }
)


@dataclass
class BuiltRequest:
    """A request that a test sends.

    Attributes:
        environ: The WSGI environment, without the cookies of the client.
        headers: The header lines as given, from which the environment was made.
        stream: The body, if it is an asynchronous iterator.
        root_path: The mount point, if the path is outside of it, else ``None``.
        http_version: The version of HTTP, or ``None`` for that of the environment.
        scope_base: Values that replace those of the scope.
        owned: Whether this package opened the input stream, so that it has to close it.
        start: The position in the input stream at which the body begins.
    """

    environ: dict[str, Any]
    headers: Headers
    stream: AsyncIterable[Any] | None = None
    root_path: str | None = None
    http_version: str | None = None
    scope_base: Mapping[str, Any] = field(default_factory=dict[str, Any])
    owned: bool = False
    start: int = 0

    def __post_init__(self) -> None:
        body = self.environ["wsgi.input"]
        if _seekable(body):
            self.start = body.tell()

    @property
    def url(self) -> str:
        """The URL of the request."""
        return get_current_url(self.environ)

    def scope(self, kind: str = "http", *, cookies: str = "", preserve: Any = False) -> Any:
        """Return the ASGI scope.

        Arguments:
            kind: ``"http"`` or ``"websocket"``.
            cookies: More cookies, as in the header ``Cookie``.
            preserve: Whether the contexts are preserved.
        """
        environ = self.environ
        mount, path = _decode(environ["SCRIPT_NAME"]), _decode(environ["PATH_INFO"])
        if path and not path.startswith("/"):
            path = "/" + path
        scheme = environ["wsgi.url_scheme"]
        version = self.http_version or environ["SERVER_PROTOCOL"].removeprefix("HTTP/")
        extensions: dict[str, Any] = {}
        if kind == "websocket":
            scheme = WEBSOCKET_SCHEMES.get(scheme, scheme)
            extensions["websocket.http.response"] = {}
        elif version in {"2", "3"}:
            extensions["http.response.push"] = {}
        scope = {
            "type": kind,
            "http_version": version,
            "asgi": {"version": "3.0", "spec_version": "2.1"},
            "method": environ["REQUEST_METHOD"],
            "scheme": scheme,
            "path": mount + path,
            "raw_path": self._raw_path(mount, path),
            "query_string": environ["QUERY_STRING"].encode("latin1"),
            "root_path": mount if self.root_path is None else self.root_path,
            "headers": self._header_lines(cookies),
            "server": (environ["SERVER_NAME"], int(environ["SERVER_PORT"])),
            "extensions": extensions,
            PRESERVE_CONTEXT: preserve,
        }
        if (address := environ.get("REMOTE_ADDR")) is not None:
            scope["client"] = (address, int(environ.get("REMOTE_PORT") or 0))
        return scope | dict(self.scope_base)

    def _raw_path(self, mount: str, path: str) -> bytes:
        raw = _decode(self.environ.get("REQUEST_URI", "")).partition("?")[0]
        if unquote_to_bytes(raw) != path.encode():
            raw = quote(path)
        return quote(quote(mount) + raw, safe="/%:@!$&'()*+,;=~").encode()

    def _header_lines(self, cookies: str) -> list[tuple[bytes, bytes]]:
        """Return the headers. A header with several lines keeps them, unless it was overridden."""
        environ = self.environ
        values = {name: value for name, value in environ.items() if name.startswith("HTTP_")}
        if cookies:
            given = values.get("HTTP_COOKIE")
            values["HTTP_COOKIE"] = f"{given}; {cookies}" if given else cookies
        lines = [("Host", values.pop("HTTP_HOST"))] if "HTTP_HOST" in values else []
        grouped: dict[str, list[tuple[str, str]]] = {}
        for name, value in self.headers:
            grouped.setdefault(_environ_name(name), []).append((name, value))
        for key, repeated in grouped.items():
            if values.get(key) == ", ".join(value for _, value in repeated):
                del values[key]
                lines += repeated
        lines += [
            (name.removeprefix("HTTP_").replace("_", "-"), value) for name, value in values.items()
        ]
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            if environ.get(name):
                lines.append((name.replace("_", "-"), environ[name]))
        streamed = self.stream is not None or not isinstance(environ["wsgi.input"], BytesIO)
        if streamed and not (environ.get("CONTENT_LENGTH") or "HTTP_TRANSFER_ENCODING" in environ):
            lines.append(("Transfer-Encoding", "chunked"))
        return [(name.lower().encode("latin1"), _encode_value(value)) for name, value in lines]

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the parts of the body. A file is read in a thread."""
        if self.stream is not None:
            try:
                async for part in self.stream:
                    yield part.encode() if isinstance(part, str) else bytes(part)
            finally:
                if (close := getattr(self.stream, "aclose", None)) is not None:
                    await close()
            return
        source = self.environ["wsgi.input"]
        if isinstance(source, BytesIO):
            yield source.read()
            return
        while part := await to_thread(source.read, CHUNK):
            yield part

    def close(self) -> None:
        """Close the input stream, which can be a temporary file, if it was made here."""
        if self.owned:
            self.environ["wsgi.input"].close()

    def mount(self) -> None:
        """Put a path that is outside of the mount point below it."""
        if self.root_path is not None:
            self.environ["SCRIPT_NAME"] = self.root_path.rstrip("/").encode().decode("latin1")

    def rewind(self) -> None:
        """Go back to the beginning of the body, if that is possible."""
        if _seekable(body := self.environ["wsgi.input"]):
            body.seek(self.start)

    def text_of_body(self) -> bytes:
        """Return the body if it is in memory, else nothing."""
        source = self.environ["wsgi.input"]
        return source.getvalue()[self.start :] if isinstance(source, BytesIO) else b""


def prepare(
    app: Quart,
    args: tuple[Any, ...],
    options: Mapping[str, Any],
    environ_base: Mapping[str, Any],
) -> BuiltRequest:
    """Return the request that the arguments of :class:`flask.testing.EnvironBuilder` describe.

    Arguments:
        app: The application, whose settings give the defaults of the URL.
        args: The positional arguments: a path and more, or one builder, environment or request.
        options: The keyword arguments, including those that only Quart has: *form*, *files*,
            *scheme*, *root_path*, *http_version* and *scope_base*.
        environ_base: The defaults of the client.

    Raises:
        TypeError: An argument is not supported; the message says what to use.
        ValueError: Arguments exclude each other.
    """
    given = dict(options)
    root_path: str = given.pop("root_path", None) or ""
    extras: dict[str, Any] = {
        "http_version": given.pop("http_version", None),
        "scope_base": given.pop("scope_base", None) or {},
    }
    _check_environ(environ_base)
    first = args[0] if args else None
    if isinstance(first, werkzeug.test.EnvironBuilder | dict | WerkzeugRequest):
        if given.pop("method", "GET") != "GET" or given or root_path or len(args) > 1:
            raise TypeError(
                f"a {type(first).__name__} describes the whole request: change it instead of"
                " giving more arguments"
            )
        return _prepare_described(app, first, environ_base, extras)
    for name in WSGI_ONLY:
        if given.pop(name, None):
            raise TypeError(f"{name}= exists only in WSGI; use scope_base= for values of the scope")
    _check_environ(own := given.get("environ_base") or {})
    _check_environ(given.get("environ_overrides") or {})
    given["environ_base"] = {**environ_base, **own}
    if (scheme := given.pop("scheme", None)) is not None:
        if given.setdefault("url_scheme", scheme) != scheme:
            raise ValueError("scheme= and url_scheme= are the same argument: give one of them")
    given["headers"] = Headers(given.get("headers") or ())
    _merge_form(given)
    _keep_empty(given)
    stream = _take_stream(given)
    unseekable = _take_unseekable(given)
    flask_app: Any = app  # Only its settings and its JSON provider are used.
    builder = EnvironBuilder(flask_app, *args, **given)
    try:
        environ = builder.get_environ()
        path = str(first or given.get("path") or "").partition("?")[0]
        if len(path) > 1 and not path.strip("/"):
            # The builder reads two slashes as the beginning of a host, and drops them.
            environ["PATH_INFO"] = path
        if unseekable is not None:
            environ["wsgi.input"] = unseekable
        owned = given.get("input_stream") is None and unseekable is None
        prepared = BuiltRequest(environ, builder.headers, stream, owned=owned, **extras)
    finally:
        builder.close()
    _mount(prepared, root_path)
    return prepared


async def prepare_in_thread(
    app: Quart,
    args: tuple[Any, ...],
    options: Mapping[str, Any],
    environ_base: Mapping[str, Any],
) -> BuiltRequest:
    """Return what :func:`prepare` returns. Files, and the table of media types, need a thread."""
    sources = [options.get(name) for name in ("data", "files", "input_stream")]
    if all(source is None or isinstance(source, str | bytes) for source in sources):
        return prepare(app, args, options, environ_base)
    return await to_thread(prepare, app, args, options, environ_base)


def _prepare_described(
    app: Quart, described: Any, environ_base: Mapping[str, Any], extras: dict[str, Any]
) -> BuiltRequest:
    if isinstance(described, WerkzeugRequest):
        environ = {**environ_base, **described.environ}
        headers = Headers(list(EnvironHeaders(environ)))
        return BuiltRequest(environ, headers, **extras)
    if isinstance(described, dict):
        builder = EnvironBuilder.from_environ(described, app=app)
    else:
        builder = described
    environ = {**environ_base, **builder.get_environ()}
    if isinstance(described, dict):
        known = ("REMOTE_ADDR", "REMOTE_PORT", "SERVER_PROTOCOL", "REQUEST_URI")
        environ |= {name: described[name] for name in known if name in described}
    owned = described is builder and builder.input_stream is None
    return BuiltRequest(environ, builder.headers, owned=owned, **extras)


def _check_environ(environ: Mapping[str, Any]) -> None:
    for name in environ:
        if name not in ENVIRON_NAMES and not name.startswith(("HTTP_", "wsgi.", "werkzeug.")):
            raise TypeError(
                f"{name!r} of the WSGI environment has no place in an ASGI scope: use scope_base="
            )


def _merge_form(given: dict[str, Any]) -> None:
    """Put Quart's *form*, *files* and *json* into the arguments of Flask."""
    if given.get("json") is sentinel:
        del given["json"]
    form, files = given.pop("form", None), given.pop("files", None)
    if form is None and files is None:
        return
    if given.get("data") is not None or given.get("json") is not None:
        raise ValueError("Quart test args 'form' and 'files' exclude 'data' and 'json'")
    given["data"] = data = MultiDict[str, Any](form or {})
    for name, value in MultiDict[str, Any](files or {}).items(multi=True):
        data.add(name, value)
    if files and not given.get("content_type") and "Content-Type" not in given["headers"]:
        given["content_type"] = "multipart/form-data"


def _keep_empty(given: dict[str, Any]) -> None:
    """Keep an empty multipart body empty. Flask's builder would encode a form without fields."""
    given_type = given.get("content_type") or given["headers"].get("Content-Type") or ""
    if given.get("data") in ("", b"") and "boundary=" in given_type:
        del given["data"]
        given["input_stream"] = BytesIO()


def _take_stream(given: dict[str, Any]) -> AsyncIterable[Any] | None:
    """Return *data* or *input_stream* if it is an asynchronous iterator."""
    streams = [
        given.pop(name)
        for name in ("data", "input_stream")
        if isinstance(given.get(name), AsyncIterable)
    ]
    data = given.get("data")
    if isinstance(data, Iterator) and not hasattr(data, "read"):
        raise TypeError(
            f"data= can't be a {type(data).__name__}: give a string, bytes, a mapping, a file, or"
            " an asynchronous iterator of bytes"
        )
    if inspect.iscoroutine(data):
        data.close()
        raise TypeError("data= is a coroutine: await it")
    if streams and (len(streams) > 1 or data is not None or given.get("json") is not None):
        raise TypeError("can't provide a stream and another body")
    return streams[0] if streams else None


def _take_unseekable(given: dict[str, Any]) -> Any:
    """Return *input_stream* if it is not seekable, so that its length is unknown."""
    source = given.get("input_stream")
    if source is None or _seekable(source):
        return None
    if given.get("data") is not None:
        raise TypeError("can't provide input stream and data")
    return given.pop("input_stream")


def _seekable(source: Any) -> bool:
    seekable = getattr(source, "seekable", None)
    return bool(seekable()) if seekable is not None else hasattr(source, "seek")


def _mount(prepared: BuiltRequest, root_path: str) -> None:
    """Split the path at Quart's *root_path*, which is the beginning of the path."""
    if not root_path:
        return
    environ = prepared.environ
    path = _decode(environ["PATH_INFO"])
    if environ["SCRIPT_NAME"] not in {"", "/"}:
        raise ValueError("give the mount point in base_url=, APPLICATION_ROOT or root_path=")
    inside = path_inside_mount(path, root_path)
    if inside is None:
        prepared.root_path = root_path
        return
    mount = root_path.rstrip("/")
    environ["SCRIPT_NAME"] = mount.encode().decode("latin1")
    environ["PATH_INFO"] = path[len(mount) :].encode().decode("latin1")
    environ["REQUEST_URI"] = ""


def _decode(value: str) -> str:
    """Return a path of a WSGI environment, whose strings are Latin-1, as text."""
    return value.encode("latin1").decode(errors="replace")


def _environ_name(name: str) -> str:
    return f"HTTP_{name.upper().replace('-', '_')}"


def _encode_value(value: str) -> bytes:
    """Return a header value in Latin-1, as in WSGI, or in UTF-8 if Latin-1 lacks a character."""
    try:
        return value.encode("latin1")
    except UnicodeEncodeError:
        return value.encode()


def make_request(
    app: Quart, scope: Any, body: bytes, send_push_promise: Any = no_op_push
) -> Request:
    """Return the request of a scope, with its whole body."""
    request = create_request(app, scope, send_push_promise)
    request.remote_addr = (scope.get("client") or (None,))[0]
    request.body.set_result(body)
    return request


class _Redirects(werkzeug.test.Client):
    """Werkzeug's client, which only makes the request that follows a redirect."""

    def open(self, *args: Any, **kwargs: Any) -> Any:
        """Return the builder of the request."""
        return args[0]


@dataclass
class _Redirect:
    location: str
    status_code: int
    request: Any


def follow_redirect(
    app: Quart, sent: BuiltRequest, status: int, location: str, *, subdomains: bool
) -> BuiltRequest:
    """Return the request that follows a redirect.

    Arguments:
        app: The application.
        sent: The request that was answered with the redirect.
        status: The status of the redirect.
        location: Its location.
        subdomains: Whether a redirect to a subdomain is followed.

    Raises:
        RuntimeError: The location is on another host, or the body can't be sent again.
    """
    if status in {307, 308} and (
        sent.stream is not None or not _seekable(sent.environ["wsgi.input"])
    ):
        raise RuntimeError(f"the body is a stream, which can't be sent again after a {status}")
    if not urlsplit(location).netloc and not location.startswith("/"):
        location = urljoin(sent.url, location)
    sent.rewind()
    resolver = _Redirects(_no_application)
    resolver.allow_subdomain_redirects = subdomains
    request = WerkzeugRequest(dict(sent.environ))
    builder: Any = resolver.resolve_redirect(_Redirect(location, status, request))  # type: ignore[arg-type]
    environ = builder.get_environ()
    for name in ("REMOTE_ADDR", "REMOTE_PORT", "SERVER_PROTOCOL"):
        if name in sent.environ:
            environ[name] = sent.environ[name]
    followed = replace(sent, environ=environ, headers=builder.headers, stream=None, root_path=None)
    if sent.root_path is not None:
        _mount(followed, sent.root_path)
    return followed


def _no_application(environ: Any, start_response: Any) -> Any:
    raise NotImplementedError
