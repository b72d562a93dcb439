"""Messages stay until they are shown, and no message is lost silently."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
import quart
from markupsafe import Markup
from quart import (
    Blueprint,
    Quart,
    Response,
    render_template_string,
    request,
    session,
    stream_template_string,
)
from quart import typing as quart_typing
from quart.signals import message_flashed
from quart.typing import ResponseReturnValue
from werkzeug.http import dump_cookie

from quartpatterns._shared.settings import SettingError
from quartpatterns.flashing import (
    Flashing,
    FlashTooLargeError,
    flash,
    get_flashed_messages,
)
from quartpatterns.flashing.cookies import FlashCookies
from quartpatterns.flashing.example import original, port

PAGE = "{% for message in get_flashed_messages() %}[{{ message }}]{% endfor %}"


def make_app(cls: type[Quart] = Quart, **config: Any) -> Quart:
    """Return an application with a view that flashes and a view that shows."""
    app = cls(__name__)
    app.config.from_mapping({"SECRET_KEY": "secret", **config})
    Flashing(app)

    @app.get("/flash/<path:message>")
    async def flash_message(message: str) -> str:
        await flash(message, request.args.get("category", "message"))
        return "done"

    @app.get("/show")
    async def show() -> str:
        return await render_template_string(PAGE)

    return app


async def body_of(client: quart_typing.TestClientProtocol, path: str = "/show") -> str:
    """Return the body of a page as text."""
    body = await (await client.get(path)).get_data(as_text=True)
    assert isinstance(body, str)
    return body


@pytest.fixture
def app(app_class: type[Quart]) -> Quart:
    return make_app(app_class)


@pytest.mark.checks("FL-1", "FL-5")
async def test_shown_once(app: Quart) -> None:
    """Messages are shown in the order in which they were flashed, and only once."""
    client = app.test_client()
    for message in ("one", "two", "Grüße \u2713"):
        await client.get(f"/flash/{message}")
    assert await body_of(client) == "[one][two][Grüße \u2713]"
    assert await body_of(client) == ""


@pytest.mark.checks("FL-1")
async def test_same_request(app: Quart) -> None:
    """A message that is flashed before the page is rendered is on that page, not on the next."""

    @app.get("/both")
    async def both() -> str:
        await flash("early")
        page = await render_template_string(PAGE)
        await flash("late")
        return page + await render_template_string(PAGE)

    client = app.test_client()
    assert await body_of(client, "/both") == "[early][early]"
    assert await body_of(client) == "[late]"
    assert await body_of(client) == ""


@pytest.mark.checks("FL-3", "FL-4")
async def test_categories(app: Quart) -> None:
    @app.get("/filtered")
    async def filtered() -> list[Any]:
        errors = get_flashed_messages(category_filter=iter(["error", "fault"]))
        return [errors, get_flashed_messages(with_categories=True)]

    client = app.test_client()
    await client.get("/flash/a")
    await client.get("/flash/b?category=error")
    await client.get("/flash/c?category=fault")
    response = await client.get("/filtered")
    pairs = [["message", "a"], ["error", "b"], ["fault", "c"]]
    assert await response.get_json() == [["b", "c"], pairs]
    assert await body_of(client) == ""


@pytest.mark.checks("FL-2")
async def test_markup(app: Quart) -> None:
    """Text is escaped where it is shown, markup is still markup."""

    @app.get("/bold")
    async def bold() -> str:
        await flash(Markup("<b>bold</b>"))
        await flash("<b>text</b>")
        return ""

    @app.get("/joined")
    async def joined() -> str:
        return await render_template_string("{{ get_flashed_messages()|join }}")

    client = app.test_client()
    await client.get("/bold")
    assert await body_of(client, "/joined") == "<b>bold</b>&lt;b&gt;text&lt;/b&gt;"


@pytest.mark.checks("FL-8")
async def test_sync_view(app: Quart) -> None:
    """A synchronous view flashes and reads as in Flask, and the signal is sent."""
    received: list[str] = []

    async def receive(sender: Quart, message: str, category: str) -> None:
        received.append(message)

    @app.get("/sync")
    def sync() -> str:
        flash("from a thread")
        return "done"

    @app.get("/read")
    def read() -> list[str]:
        return get_flashed_messages()

    app.testing = True
    client = app.test_client()
    with message_flashed.connected_to(receive):
        assert await body_of(client, "/sync") == "done"
    assert received == ["from a thread"]
    assert await (await client.get("/read")).get_json() == ["from a thread"]
    assert await body_of(client) == ""


@pytest.mark.checks("FL-8")
async def test_not_awaited(app: Quart) -> None:
    """Without await the message is stored and the signal is sent."""
    received: list[tuple[str, str]] = []

    def receive(sender: Quart, message: str, category: str) -> None:
        received.append((category, message))

    @app.get("/forgotten")
    async def forgotten() -> str:
        flash("hello", "error")
        return ""

    client = app.test_client()
    with message_flashed.connected_to(receive):
        assert (await client.get("/forgotten")).status_code == 200
    assert received == [("error", "hello")]
    assert await body_of(client) == "[hello]"


@pytest.mark.checks("FL-8")
async def test_not_awaited_in_a_test(app: Quart) -> None:
    """Under TESTING a missing await is an error that names the message."""
    app.testing = True

    @app.get("/forgotten")
    async def forgotten() -> str:
        flash("hello")
        return ""

    assert "flash('hello') was not awaited: write await flash" in await error_of(app, "/forgotten")


async def error_of(app: Quart, path: str) -> str:
    """Return the error text: FaithfulQuart raises it from the client, Quart shows a page."""
    try:
        response = await app.test_client().get(path)
    except (RuntimeError, FlashTooLargeError) as error:
        return str(error)
    assert response.status_code == 500
    page = await response.get_data(as_text=True)
    return page.replace("&#x27;", "'").replace("&#39;", "'")


@pytest.mark.checks("FL-8")
async def test_signal_once(app: Quart) -> None:
    """However often it is awaited, the signal is sent once."""
    received: list[str] = []

    def receive(sender: Quart, message: str, category: str) -> None:
        received.append(message)

    @app.get("/twice")
    async def twice() -> str:
        flashed = flash("a")
        await flashed
        await flashed
        return ""

    with message_flashed.connected_to(receive):
        await app.test_client().get("/twice")
    assert received == ["a"]


@pytest.mark.checks("FL-5")
async def test_no_secret_key(app_class: type[Quart]) -> None:
    """Without a secret key, nothing can be flashed; a page that shows messages has none."""
    app = make_app(app_class, SECRET_KEY=None)
    client = app.test_client()
    assert (await client.get("/flash/a")).status_code == 500
    assert await body_of(client) == ""
    app.testing = True
    assert "set app.secret_key" in await error_of(app, "/flash/a")


@pytest.mark.checks("FL-6")
async def test_too_large(app: Quart) -> None:
    """A message that a browser would drop is an error, and earlier messages stay."""
    caught: list[FlashTooLargeError] = []

    @app.post("/large")
    async def large() -> str:
        try:
            await flash(str(await request.get_data(as_text=True)))
        except FlashTooLargeError as error:
            caught.append(error)
        return ""

    client = app.test_client()
    await client.get("/flash/short")
    await client.post("/large", data=secrets.token_urlsafe(4000))
    assert "makes a cookie of" in str(caught[0])
    assert "above 4093 bytes" in str(caught[0])
    assert await body_of(client) == "[short]"


@pytest.mark.checks("FL-6")
async def test_largest(app: Quart) -> None:
    """Messages up to the limit are shown completely, larger ones are errors."""

    @app.post("/large")
    async def large() -> ResponseReturnValue:
        try:
            await flash(str(await request.get_data(as_text=True)))
        except FlashTooLargeError:
            return "", 413
        return ""

    statuses = []
    for length in range(3700, 4100, 4):
        client = app.test_client()
        message = secrets.token_urlsafe(length)[:length]
        response = await client.post("/large", data=message)
        statuses.append(response.status_code)
        if response.status_code == 200:
            assert len(response.headers["Set-Cookie"]) <= 4093
            assert await body_of(client) == f"[{message}]"
    assert set(statuses) == {200, 413}


@pytest.mark.checks("FL-6")
async def test_too_many(app_class: type[Quart]) -> None:
    """Too many pending messages are an error before a server would reject the request."""
    app = make_app(app_class, FLASHING_MAX_SIZE=1000)
    client = app.test_client()
    for number in range(5):
        assert (await client.get(f"/flash/{number}")).status_code == 200
    assert (await client.get(f"/flash/{secrets.token_urlsafe(600)}")).status_code == 500
    assert await body_of(client) == "[0][1][2][3][4]"
    assert (await client.get("/flash/a")).status_code == 200
    assert await body_of(client) == "[a]"


@pytest.mark.checks("FL-6")
def test_original_loses() -> None:
    """The original makes a cookie that browsers drop, and the session with it."""
    app: Any = original.create_app()  # type: ignore[no-untyped-call]
    client = app.test_client()
    with pytest.warns(UserWarning, match="too large"):
        response = client.post("/say", data={"message": secrets.token_urlsafe(4000)})
    assert response.status_code == 302


@pytest.mark.checks("FL-6")
async def test_port_refuses() -> None:
    """The port answers 400 and says why."""
    client = port.create_app().test_client()
    response = await client.post("/say", form={"message": secrets.token_urlsafe(4000)})
    assert response.status_code == 400
    assert "too long" in await response.get_data(as_text=True)
    assert "Set-Cookie" not in response.headers


@pytest.mark.checks("FL-9")
async def test_head(app: Quart) -> None:
    """HEAD marks no message as shown."""
    client = app.test_client()
    await client.get("/flash/a")
    response = await client.head("/show")
    assert "Set-Cookie" not in response.headers
    assert response.headers["Vary"] == "Cookie"
    assert await body_of(client) == "[a]"


@pytest.mark.checks("FL-10")
async def test_streamed(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    """A stream that reads too late gets nothing and logs a warning; no message is lost."""

    @app.get("/streamed")
    async def streamed() -> ResponseReturnValue:
        return Response(await stream_template_string(PAGE + "."))

    @app.get("/asked")
    async def asked() -> ResponseReturnValue:
        get_flashed_messages()
        return Response(await stream_template_string(PAGE + "."))

    client = app.test_client()
    await client.get("/flash/a")
    assert await body_of(client, "/streamed") == "."
    assert "call get_flashed_messages() in the view" in caplog.text
    assert await body_of(client, "/asked") == "[a]."
    assert await body_of(client, "/asked") == "."


@pytest.mark.checks("FL-10")
async def test_flashed_in_a_stream(app: Quart) -> None:
    """Flashing in a stream is an error."""
    caught: list[str] = []

    @app.get("/streamed")
    async def streamed() -> ResponseReturnValue:
        @quart.stream_with_context
        async def generate() -> Any:
            try:
                await flash("late")
            except RuntimeError as error:
                caught.append(str(error))
            yield "done"

        get_flashed_messages()
        return Response(generate())

    assert await body_of(app.test_client(), "/streamed") == "done"
    assert "call flash before the view returns" in caught[0]


@pytest.mark.checks("FL-11")
async def test_vary(app: Quart) -> None:
    """Responses that read or flash messages have Vary: Cookie, others do not."""

    @app.get("/plain")
    async def plain() -> str:
        return ""

    client = app.test_client()
    assert (await client.get("/flash/a")).headers["Vary"] == "Cookie"
    assert (await client.get("/show")).headers["Vary"] == "Cookie"
    assert "Vary" not in (await client.get("/plain")).headers


@pytest.mark.checks("FL-11")
async def test_attributes(app_class: type[Quart]) -> None:
    """The cookies have the session cookie's attributes, also when they are deleted."""
    app = make_app(
        app_class,
        SESSION_COOKIE_PATH="/show",
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_SAMESITE="Lax",
        FLASHING_COOKIE_NAME="note",
    )
    client = app.test_client()
    set_cookie = (await client.get("/flash/a")).headers["Set-Cookie"]
    assert set_cookie.startswith("note-")
    for attribute in ("Secure", "HttpOnly", "Path=/show", "SameSite=Lax"):
        assert f"; {attribute}" in set_cookie
    pair = set_cookie.partition(";")[0]
    response = await client.get("/show", headers={"Cookie": pair})
    gone = response.headers["Set-Cookie"]
    assert gone.startswith(pair.partition("=")[0] + "=;")
    assert "Path=/show" in gone
    assert "Max-Age=0" in gone


@pytest.mark.checks("FL-11")
async def test_key_rotation(app_class: type[Quart]) -> None:
    """A message that was signed with an earlier key is shown."""
    old = await make_app(app_class, SECRET_KEY="old").test_client().get("/flash/a")
    cookie = old.headers["Set-Cookie"].partition(";")[0]
    for config, page in (
        ({"SECRET_KEY": "new", "SECRET_KEY_FALLBACKS": ["older", "old"]}, "[a]"),
        ({"SECRET_KEY": "new"}, ""),
    ):
        client = make_app(app_class, **config).test_client()
        response = await client.get("/show", headers={"Cookie": cookie})
        assert await response.get_data(as_text=True) == page
        # A cookie with another signature may belong to another application on the host.
        assert ("Set-Cookie" in response.headers) == bool(page)


@pytest.mark.checks("FL-11")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda name, value: (name, value[:-2]), id="cut"),
        pytest.param(lambda name, value: (name, "x" + value), id="payload"),
        pytest.param(lambda name, value: (name, ""), id="empty"),
        pytest.param(lambda name, value: ("flash-zz", value), id="name"),
        pytest.param(lambda name, value: ("flash-" + "f" * 24, value), id="another name"),
        pytest.param(lambda name, value: ("flash-", value), id="prefix"),
        pytest.param(lambda name, value: (name, "\u2603"), id="not ASCII"),
    ],
)
async def test_forged(app: Quart, change: Any) -> None:
    """A forged cookie is ignored and is not an error."""
    response = await app.test_client().get("/flash/a")
    name, _, value = response.headers["Set-Cookie"].partition(";")[0].partition("=")
    forged = "=".join(change(name, value)).encode().decode("latin1")
    for path in ("/show", "/flash/b"):
        response = await app.test_client().get(path, headers={"Cookie": forged})
        assert response.status_code == 200
    response = await app.test_client().get("/show", headers={"Cookie": forged})
    assert await response.get_data(as_text=True) == ""


@pytest.mark.checks("FL-11")
async def test_expired(app: Quart) -> None:
    """A message older than PERMANENT_SESSION_LIFETIME is not shown, and its cookie is removed."""
    client = app.test_client()
    await client.get("/flash/a")
    app.config["PERMANENT_SESSION_LIFETIME"] = -10
    response = await client.get("/show")
    assert await response.get_data(as_text=True) == ""
    assert "Max-Age=0" in response.headers["Set-Cookie"]


@pytest.mark.checks("FL-12")
async def test_quart_flash(app: Quart) -> None:
    """A message that was flashed with quart.flash is shown once."""

    @app.get("/extension")
    async def extension() -> str:
        await quart.flash("of an extension")
        return ""

    client = app.test_client()
    await client.get("/extension")
    await client.get("/flash/own")
    assert await body_of(client) == "[of an extension][own]"
    assert await body_of(client) == ""


@pytest.mark.checks("FL-12")
async def test_session_cleared(app: Quart) -> None:
    """session.clear() does not remove messages."""

    @app.get("/logout")
    async def logout() -> str:
        await flash("Good bye")
        session.clear()
        return ""

    client = app.test_client()
    await client.get("/logout")
    assert await body_of(client) == "[Good bye]"


@pytest.mark.checks("FL-12")
async def test_blueprint_and_hooks(app: Quart) -> None:
    """Blueprints, after_request functions and error handlers can flash."""
    blueprint = Blueprint("blue", __name__, url_prefix="/blue")

    @blueprint.get("/flash")
    async def flash_message() -> str:
        await flash("view")
        return ""

    @blueprint.after_request
    async def after_blueprint(response: Response) -> Response:
        await flash("blueprint")
        return response

    @app.after_request
    async def after(response: Response) -> Response:
        if request.path != "/show":
            await flash("application")
        return response

    @app.get("/broken")
    async def broken() -> str:
        await flash("before the error")
        raise ZeroDivisionError

    @app.errorhandler(ZeroDivisionError)
    async def failed(error: ZeroDivisionError) -> ResponseReturnValue:
        await flash("in the handler")
        return "", 500

    app.register_blueprint(blueprint)
    client = app.test_client()
    await client.get("/blue/flash")
    assert await body_of(client) == "[view][blueprint][application]"
    await client.get("/broken")
    assert await body_of(client) == "[before the error][in the handler][application]"


@pytest.mark.checks("FL-12")
async def test_hook_before_the_extension(app_class: type[Quart]) -> None:
    """An after_request function that was registered before the extension can flash."""
    app = app_class(__name__)
    app.secret_key = "secret"

    @app.after_request
    async def after(response: Response) -> Response:
        await flash("hook")
        return response

    Flashing(app)
    app.add_url_rule("/", "index", lambda: "")
    assert "flash-" in (await app.test_client().get("/")).headers["Set-Cookie"]


@pytest.mark.checks("FL-7")
async def test_same_moment(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two messages of the same nanosecond have different cookies, in order on one server."""
    monkeypatch.setattr("time.time_ns", lambda: 1_800_000_000_000_000_000)
    cookies = FlashCookies(app, "flash", 8192)
    names = {cookies.encode("message", "a").name for _ in range(2)}
    assert len(names) == 2
    first = max(names)
    assert cookies.encode("message", "a", after=first).name > first


@pytest.mark.checks("FL-12")
async def test_mounted(app: Quart) -> None:
    """Messages work below a mount prefix."""
    client = app.test_client()
    await client.get("/mount/flash/a", root_path="/mount")
    response = await client.get("/mount/show", root_path="/mount")
    assert await response.get_data(as_text=True) == "[a]"


@pytest.mark.checks("FL-12")
async def test_refusals(app_class: type[Quart]) -> None:
    """Misuse raises errors that name the reason."""
    app = make_app(app_class)
    with pytest.raises(RuntimeError, match="register it once"):
        Flashing(app)
    async with app.app_context():
        with pytest.raises(RuntimeError, match="flash needs an active request"):
            await flash("a")
        with pytest.raises(RuntimeError, match="get_flashed_messages needs an active request"):
            get_flashed_messages()
    async with app_class(__name__).test_request_context("/"):
        # Without Flashing there is the session, which here has no secret key.
        with pytest.raises(RuntimeError, match="no secret key was set"):
            await flash("a")
    async with app.test_request_context("/"):
        with pytest.raises(TypeError, match="not JSON serializable"):
            await flash(object())  # type: ignore[arg-type]


@pytest.mark.checks("FL-12")
async def test_one_extension_for_two_applications(app_class: type[Quart]) -> None:
    def flash_hello() -> str:
        flash("hello")
        return ""

    flashing = Flashing()
    one, two = app_class("one"), app_class("two")
    for app in (one, two):
        app.secret_key = app.name
        flashing.init_app(app)
        app.add_url_rule("/flash", "flash", flash_hello)
        app.add_url_rule("/show", "show", get_flashed_messages)
    client, other = one.test_client(), two.test_client()
    response = await client.get("/flash")
    cookie = response.headers["Set-Cookie"].partition(";")[0]
    shown = await other.get("/show", headers={"Cookie": cookie})
    assert await shown.get_json() == []
    assert await (await client.get("/show")).get_json() == ["hello"]


@pytest.mark.checks("FL-12")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"FLASHING_MAX_SIZE": "8192"}, "FLASHING_MAX_SIZE must be a whole number of bytes"),
        ({"FLASHING_MAX_SIZE": 0}, "FLASHING_MAX_SIZE must be"),
        ({"FLASHING_COOKIE_NAME": ""}, "FLASHING_COOKIE_NAME must be"),
        ({"FLASHING_COOKIE": "note"}, "did you mean FLASHING_COOKIE_NAME"),
    ],
)
def test_invalid_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        make_app(**settings)


@pytest.mark.checks("FL-10")
async def test_streamed_under_testing(app: Quart) -> None:
    """Under TESTING a stream that reads too late is an error, but only if messages are pending."""
    errors: list[str] = []

    @app.get("/streamed")
    async def streamed() -> ResponseReturnValue:
        @quart.stream_with_context
        async def generate() -> Any:
            try:
                get_flashed_messages()
            except RuntimeError as error:
                errors.append(str(error))
            yield "done"

        return Response(generate())

    app.testing = True
    client = app.test_client()
    assert await body_of(client, "/streamed") == "done"
    assert errors == []
    await client.get("/flash/a")
    assert await body_of(client, "/streamed") == "done"
    assert "1 flashed messages are left for the next page" in errors[0]


@pytest.mark.checks("FL-6")
async def test_limit_of_one_cookie(app: Quart) -> None:
    """A cookie may have exactly MAX_COOKIE_SIZE bytes; 0 means no limit."""
    cookies = FlashCookies(app, "flash", 8192)
    async with app.test_request_context("/"):
        message = secrets.token_urlsafe(100)
        cookie = cookies.encode("message", message)
        size = len(dump_cookie(cookie.name, cookie.value, **cookies.attributes()))
        app.config["MAX_COOKIE_SIZE"] = size
        cookies.encode("message", message)
        app.config["MAX_COOKIE_SIZE"] = size - 1
        with pytest.raises(FlashTooLargeError, match=f"a cookie of {size} bytes"):
            cookies.encode("message", message)
        app.config["MAX_COOKIE_SIZE"] = 0
        cookies.encode("message", secrets.token_urlsafe(10_000))


@pytest.mark.checks("FL-6")
async def test_limit_of_all_cookies(app: Quart) -> None:
    """All cookies together may take exactly FLASHING_MAX_SIZE bytes."""
    async with app.test_request_context("/"):
        cookie = FlashCookies(app, "flash", 8192).encode("message", "a")
    size = cookie.size
    FlashCookies(app, "flash", 2 * size).check_total_size([cookie, cookie])
    with pytest.raises(FlashTooLargeError, match="1 messages were not shown yet"):
        FlashCookies(app, "flash", 2 * size - 1).check_total_size([cookie, cookie])


@pytest.mark.checks("FL-7")
async def test_same_moment_in_one_request(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages of one request keep their order, even if the clock stands still."""

    @app.get("/many")
    async def many() -> str:
        for number in range(9):
            await flash(str(number))
        return ""

    monkeypatch.setattr("time.time_ns", lambda: 1_800_000_000_000_000_000)
    client = app.test_client()
    await client.get("/many")
    assert await body_of(client) == "".join(f"[{number}]" for number in range(9))
