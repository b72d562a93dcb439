"""The configuration keys of Flask 3.1, each with an exchange that shows its effect.

``quartpatterns parity subclassing --config-keys`` asks Flask, Quart and FaithfulQuart, with the
default and with another value, and prints the table.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from quartpatterns._shared.calling import maybe_await
from quartpatterns.subclassing.example.differences.frameworks import (
    FRAMEWORKS,
    ClientResponse,
    Framework,
)

__all__ = ["CONFIG_KEYS", "ConfigKey", "KeyEffect", "main", "markdown", "measure"]

Probe = Callable[[Framework, dict[str, Any]], Coroutine[Any, Any, str]]
MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}
BASE: dict[str, Any] = {"SECRET_KEY": "dev"}


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """A configuration key of Flask.

    Arguments:
        name: The key.
        value: A value that is not the default.
        probe: Sends requests to an application with the given settings, and returns the result in
            a few words.
        settings: Settings that are the same for the default and the value.
    """

    name: str
    value: Any
    probe: Probe
    settings: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class KeyEffect:
    """The effects of a key: with the default and with the value, for each framework."""

    key: str
    value: str
    flask: str
    quart: str
    faithful: str


def make_app(framework: Framework, settings: dict[str, Any], **options: Any) -> Any:
    """Return an application with *settings*."""
    app = framework.app(**options)
    app.config.from_mapping(BASE | settings)
    return app


async def outcome(sent: Coroutine[Any, Any, ClientResponse]) -> str:
    """Return the status of a response, or that an error was raised."""
    try:
        return str((await sent).status)
    except Exception as error:
        return f"{type(error).__name__} raised"


async def error_of_view(framework: Framework, settings: dict[str, Any]) -> str:
    app = make_app(framework, settings)

    @framework.view(app)
    async def view() -> str:
        raise LookupError

    return await outcome(framework.call(app))


async def missing_argument(framework: Framework, settings: dict[str, Any]) -> str:
    app = make_app(framework, settings)

    @framework.view(app)
    async def view() -> str:
        found: str = framework.names.request.args["missing"]
        return found

    return await outcome(framework.call(app))


async def aborted(framework: Framework, settings: dict[str, Any]) -> str:
    app = make_app(framework, settings)

    @framework.view(app)
    async def view() -> str:
        framework.names.abort(404)
        return ""

    return await outcome(framework.call(app))


def _session_app(framework: Framework, settings: dict[str, Any], *, permanent: bool = False) -> Any:
    """Return an application with one view that writes the session, and one that reads it."""
    app = make_app(framework, settings)

    @framework.view(app, "/write", endpoint="write")
    async def write() -> str:
        framework.names.session["user"] = "ada"
        framework.names.session.permanent = permanent
        return ""

    @framework.view(app, "/read", endpoint="read")
    async def read() -> str:
        return str(framework.names.session.get("user"))

    return app


async def _session_cookie(
    framework: Framework, settings: dict[str, Any], *, permanent: bool = False
) -> str:
    """Return the header of a response that sets the session."""
    app = _session_app(framework, settings, permanent=permanent)
    return (await framework.call(app, "/write"))["set-cookie"] or "no cookie"


async def secret_key(framework: Framework, settings: dict[str, Any]) -> str:
    if "SECRET_KEY" not in settings:
        settings = {"SECRET_KEY": None, "TESTING": True}
    try:
        cookie = await _session_cookie(framework, settings)
    except RuntimeError:
        return "no session"
    return "session" if cookie.startswith("session=") else cookie


async def cookie_attributes(framework: Framework, settings: dict[str, Any]) -> str:
    cookie = await _session_cookie(framework, settings)
    return re.sub(r"=[\w-]+\.[\w-]+\.[\w-]+", "=...", cookie, count=1)


async def cookie_lifetime(framework: Framework, settings: dict[str, Any]) -> str:
    cookie = await _session_cookie(framework, settings, permanent=True)
    expires = re.search(r"Expires=([^;]+)", cookie)
    assert expires is not None
    left = parsedate_to_datetime(expires[1]) - datetime.now(UTC)
    return f"expires in {round(left / timedelta(hours=1))} hours"


async def old_key(framework: Framework, settings: dict[str, Any]) -> str:
    app = _session_app(framework, {"SECRET_KEY": "old"})
    client = app.test_client()
    await framework.response(client.get("/write"))
    app.config.from_mapping(BASE | settings)
    return str(await framework.response(client.get("/read")))


async def refreshed(framework: Framework, settings: dict[str, Any]) -> str:
    client = _session_app(framework, settings, permanent=True).test_client()
    await framework.response(client.get("/write"))
    response = await framework.response(client.get("/read"))
    return "cookie sent again" if response["set-cookie"] else "no cookie"


async def sent_file(framework: Framework, settings: dict[str, Any]) -> str:
    app = make_app(framework, settings)

    @framework.view(app)
    async def view() -> Any:
        return await maybe_await(framework.names.send_file(__file__))

    try:
        response = await framework.call(app)
    except Exception as error:
        return type(error).__name__
    name = response["x-sendfile"]
    body = "empty body" if not response.body else "body"
    return f"{response.status} {body}, X-Sendfile: {name and Path(name).name}"


async def other_host(framework: Framework, settings: dict[str, Any]) -> str:
    app = make_app(framework, settings)

    @framework.view(app)
    async def view() -> str:
        return "served"

    return await outcome(framework.call(app, headers={"Host": "evil.example"}))


async def url_outside(framework: Framework, settings: dict[str, Any]) -> str:
    app = make_app(framework, settings)

    @framework.view(app, "/reset", endpoint="reset")
    async def view() -> str:
        return ""

    context = app.app_context()
    try:
        if framework.is_flask:
            with context:
                return str(framework.names.url_for("reset"))
        async with context:
            return str(framework.names.url_for("reset"))
    except RuntimeError:
        return "RuntimeError"


async def posted(framework: Framework, settings: dict[str, Any]) -> str:
    app = make_app(framework, settings)

    @framework.view(app, methods=["POST"])
    async def view() -> str:
        return str(len(await maybe_await(framework.names.request.get_data())))

    return await outcome(framework.call(app, method="POST", data=b"x" * 100))


def multipart(sizes: Sequence[int]) -> bytes:
    """Return a form with a field for each size."""
    head = 'Content-Disposition: form-data; name="f{}"'
    fields = (f"--x\r\n{head.format(i)}\r\n\r\n{'x' * n}\r\n" for i, n in enumerate(sizes))
    return ("".join(fields) + "--x--\r\n").encode()


async def posted_form(framework: Framework, settings: dict[str, Any]) -> str:
    app = make_app(framework, settings)

    @framework.view(app, methods=["POST"])
    async def view() -> str:
        return str(len(await maybe_await(framework.names.request.form)))

    body = multipart([100, 100, 100])
    return await outcome(framework.call(app, method="POST", data=body, headers=MULTIPART))


async def static_file(framework: Framework, settings: dict[str, Any]) -> str:
    folder = str(Path(__file__).parent)
    app = make_app(framework, settings, static_folder=folder, static_url_path="/static")
    response = await framework.call(app, f"/static/{Path(__file__).name}")
    return f"Cache-Control: {response['cache-control']}"


class _Messages(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


async def explained(framework: Framework, settings: dict[str, Any]) -> str:
    app = make_app(framework, settings)
    page = framework.names.Blueprint("page", __name__, template_folder=".")

    async def view() -> str:
        return str(await maybe_await(framework.names.render_template("missing.html")))

    page.add_url_rule("/", view_func=framework.adapt(view))
    app.register_blueprint(page)
    handler = _Messages()
    app.logger.addHandler(handler)
    before, app.logger.level = app.logger.level, logging.INFO
    try:
        await framework.call(app)
    finally:
        app.logger.removeHandler(handler)
        app.logger.setLevel(before)
    lines = "\n".join(handler.messages).splitlines()
    wanted = re.compile(r" *\d: trying loader of (\w+)|.*(belongs to the blueprint)")
    found = [match[1] or match[2] for line in lines if (match := wanted.match(line))]
    return ", ".join(found) or "nothing logged"


async def changed_template(framework: Framework, settings: dict[str, Any]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.html")
        app = make_app(framework, settings, template_folder=folder)

        @framework.view(app)
        async def view() -> str:
            return str(await maybe_await(framework.names.render_template("page.html")))

        bodies = []
        for number, text in enumerate(("old", "new")):
            page.write_text(text)  # noqa: ASYNC240
            # The time of change must differ also where a file system counts in seconds.
            os.utime(page, (number * 10, number * 10))
            bodies.append((await framework.call(app)).body.decode())
        return ", ".join(bodies)


async def large_cookie(framework: Framework, settings: dict[str, Any]) -> str:
    app = make_app(framework, settings)

    @framework.view(app)
    async def view() -> Any:
        response = await maybe_await(framework.names.make_response(""))
        response.set_cookie("a", "x" * 200)
        return response

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await framework.call(app)
    return "warning" if any("too large" in str(each.message) for each in caught) else "no warning"


async def options(framework: Framework, settings: dict[str, Any]) -> str:
    app = make_app(framework, settings)

    @framework.view(app)
    async def view() -> str:
        return ""

    response = await framework.call(app, method="OPTIONS")
    allowed = ", ".join(sorted((response["allow"] or "").split(", ")))
    return f"{response.status} Allow: {allowed}"


SERVER = {"SERVER_NAME": "shop.example"}
TESTED = {"TESTING": True}

CONFIG_KEYS: tuple[ConfigKey, ...] = (
    ConfigKey("DEBUG", True, error_of_view),
    ConfigKey("TESTING", True, error_of_view),
    ConfigKey("PROPAGATE_EXCEPTIONS", False, error_of_view, TESTED),
    ConfigKey("SECRET_KEY", "dev", secret_key),
    ConfigKey("SECRET_KEY_FALLBACKS", ["old"], old_key),
    ConfigKey("PERMANENT_SESSION_LIFETIME", timedelta(hours=2), cookie_lifetime),
    ConfigKey("USE_X_SENDFILE", True, sent_file),
    ConfigKey("TRUSTED_HOSTS", ["shop.example"], other_host),
    ConfigKey("SERVER_NAME", "shop.example", url_outside),
    ConfigKey("APPLICATION_ROOT", "/shop", url_outside, SERVER),
    ConfigKey("PREFERRED_URL_SCHEME", "https", url_outside, SERVER),
    ConfigKey("SESSION_COOKIE_NAME", "login", cookie_attributes),
    ConfigKey("SESSION_COOKIE_DOMAIN", "shop.example", cookie_attributes),
    ConfigKey("SESSION_COOKIE_PATH", "/admin", cookie_attributes),
    ConfigKey("SESSION_COOKIE_HTTPONLY", False, cookie_attributes),
    ConfigKey("SESSION_COOKIE_SECURE", True, cookie_attributes),
    ConfigKey("SESSION_COOKIE_PARTITIONED", True, cookie_attributes),
    ConfigKey("SESSION_COOKIE_SAMESITE", "Lax", cookie_attributes),
    ConfigKey("SESSION_REFRESH_EACH_REQUEST", False, refreshed),
    ConfigKey("MAX_CONTENT_LENGTH", 10, posted),
    ConfigKey("MAX_FORM_MEMORY_SIZE", 50, posted_form),
    ConfigKey("MAX_FORM_PARTS", 2, posted_form),
    ConfigKey("SEND_FILE_MAX_AGE_DEFAULT", 60, static_file),
    ConfigKey("TRAP_BAD_REQUEST_ERRORS", True, missing_argument, TESTED),
    ConfigKey("TRAP_HTTP_EXCEPTIONS", True, aborted, TESTED),
    ConfigKey("EXPLAIN_TEMPLATE_LOADING", True, explained),
    ConfigKey("TEMPLATES_AUTO_RELOAD", True, changed_template),
    ConfigKey("MAX_COOKIE_SIZE", 100, large_cookie),
    ConfigKey("PROVIDE_AUTOMATIC_OPTIONS", False, options),
)
# Keys whose default depends on another key.
CONFIG_KEYS += (
    ConfigKey("DEBUG, for missing arguments", True, missing_argument),
    ConfigKey("DEBUG, for templates", True, changed_template),
)


async def measure(key: ConfigKey, framework: Framework) -> str:
    """Return the effects of the default and of the value with one framework."""
    settings = key.settings or {}
    default = await key.probe(framework, settings)
    changed = await key.probe(framework, settings | {key.name.partition(",")[0]: key.value})
    return f"{default} → {changed}"


async def measure_all(names: Sequence[str] = tuple(FRAMEWORKS)) -> list[KeyEffect]:
    """Return the effects of all keys."""
    effects: list[KeyEffect] = []
    for key in CONFIG_KEYS:
        found = [await measure(key, Framework(name)) for name in names]
        effects.append(KeyEffect(key.name, repr(key.value), *found))
    return effects


def main() -> list[KeyEffect]:
    """Measure the effects. Errors that the views raise are not logged."""
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return asyncio.run(measure_all())
    finally:
        logging.getLogger().removeHandler(handler)


def markdown(effects: Sequence[KeyEffect]) -> str:
    """Return a table in Markdown: the effect of the default, an arrow, that of the value."""
    lines = [
        "| key | value | Flask 3.1.3 | Quart 0.22.0 | FaithfulQuart |",
        "|---|---|---|---|---|",
    ]
    for effect in effects:
        same = effect.flask == effect.faithful
        cells = [effect.flask, effect.quart, "as Flask" if same else effect.faithful]
        shown = " | ".join(f"`{cell}`" if cell != "as Flask" else cell for cell in cells)
        lines.append(f"| `{effect.key}` | `{effect.value}` | {shown} |")
    return "\n".join(lines)
