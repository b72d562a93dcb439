"""Messages are kept until they are shown, and none is lost in silence."""

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

from quartpatterns.flashing import (
    Flashing,
    FlashTooLargeError,
    cookies,
    flash,
    get_flashed_messages,
)
from quartpatterns.flashing.example import original, port

PAGE = "{% for message in get_flashed_messages() %}[{{ message }}]{% endfor %}"


def make(cls: type[Quart] = Quart, **config: Any) -> Quart:
    """An application with a view that flashes and one that shows."""
    app = cls(__name__)
    app.config.from_mapping({"SECRET_KEY": "a key", **config})
    Flashing(app)

    @app.get("/say/<path:message>")
    async def say(message: str) -> str:
        await flash(message, request.args.get("category", "message"))
        return "said"

    @app.get("/show")
    async def show() -> str:
        return await render_template_string(PAGE)

    return app


async def text(client: quart_typing.TestClientProtocol, path: str = "/show") -> str:
    """The body of a page."""
    body = await (await client.get(path)).get_data(as_text=True)
    assert isinstance(body, str)
    return body


@pytest.fixture
def app(app_class: type[Quart]) -> Quart:
    return make(app_class)


@pytest.mark.checks("FL-1", "FL-5")
async def test_shown_once(app: Quart) -> None:
    """Messages are shown in the order in which they were flashed, and only once."""
    client = app.test_client()
    for message in ("one", "two", "Grüße \u2713"):
        await client.get(f"/say/{message}")
    assert await text(client) == "[one][two][Grüße \u2713]"
    assert await text(client) == ""


@pytest.mark.checks("FL-1")
async def test_same_request(app: Quart) -> None:
    """What is flashed before the page is rendered is on it, and not on the next."""

    @app.get("/both")
    async def both() -> str:
        await flash("early")
        page = await render_template_string(PAGE)
        await flash("late")
        return page + await render_template_string(PAGE)

    client = app.test_client()
    assert await text(client, "/both") == "[early][early]"
    assert await text(client) == "[late]"
    assert await text(client) == ""


@pytest.mark.checks("FL-3", "FL-4")
async def test_categories(app: Quart) -> None:
    @app.get("/filtered")
    async def filtered() -> list[Any]:
        errors = get_flashed_messages(category_filter=iter(["error", "fault"]))
        return [errors, get_flashed_messages(with_categories=True)]

    client = app.test_client()
    await client.get("/say/a")
    await client.get("/say/b?category=error")
    await client.get("/say/c?category=fault")
    response = await client.get("/filtered")
    pairs = [["message", "a"], ["error", "b"], ["fault", "c"]]
    assert await response.get_json() == [["b", "c"], pairs]
    assert await text(client) == ""


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
    assert await text(client, "/joined") == "<b>bold</b>&lt;b&gt;text&lt;/b&gt;"


@pytest.mark.checks("FL-8")
async def test_sync_view(app: Quart) -> None:
    """A synchronous view flashes and reads as in Flask, and receivers hear of it."""
    heard: list[str] = []

    async def hear(sender: Quart, message: str, category: str) -> None:
        heard.append(message)

    @app.get("/sync")
    def sync() -> str:
        flash("from a thread")
        return "said"

    @app.get("/read")
    def read() -> list[str]:
        return get_flashed_messages()

    app.testing = True
    client = app.test_client()
    with message_flashed.connected_to(hear):
        assert await text(client, "/sync") == "said"
    assert heard == ["from a thread"]
    assert await (await client.get("/read")).get_json() == ["from a thread"]
    assert await text(client) == ""


@pytest.mark.checks("FL-8")
async def test_not_awaited(app: Quart) -> None:
    """A forgotten await loses nothing: the message is stored and the signal sent."""
    heard: list[tuple[str, str]] = []

    def hear(sender: Quart, message: str, category: str) -> None:
        heard.append((category, message))

    @app.get("/forgotten")
    async def forgotten() -> str:
        flash("hello", "error")
        return ""

    client = app.test_client()
    with message_flashed.connected_to(hear):
        assert (await client.get("/forgotten")).status_code == 200
    assert heard == [("error", "hello")]
    assert await text(client) == "[hello]"


@pytest.mark.checks("FL-8")
async def test_not_awaited_in_a_test(app: Quart) -> None:
    """Under TESTING a forgotten await is an error that names the message and the remedy."""
    app.testing = True

    @app.get("/forgotten")
    async def forgotten() -> str:
        flash("hello")
        return ""

    assert "flash('hello') was not awaited: await flash" in await failure(app, "/forgotten")


async def failure(app: Quart, path: str) -> str:
    """What went wrong: FaithfulQuart raises it out of the client, Quart shows it."""
    try:
        response = await app.test_client().get(path)
    except (RuntimeError, FlashTooLargeError) as error:
        return str(error)
    assert response.status_code == 500
    page = await response.get_data(as_text=True)
    return page.replace("&#x27;", "'").replace("&#39;", "'")


@pytest.mark.checks("FL-8")
async def test_signal_once(app: Quart) -> None:
    """However often it is awaited, receivers hear of a message once."""
    heard: list[str] = []

    def hear(sender: Quart, message: str, category: str) -> None:
        heard.append(message)

    @app.get("/twice")
    async def twice() -> str:
        flashed = flash("a")
        await flashed
        await flashed
        return ""

    with message_flashed.connected_to(hear):
        await app.test_client().get("/twice")
    assert heard == ["a"]


@pytest.mark.checks("FL-5")
async def test_no_secret_key(app_class: type[Quart]) -> None:
    """Without a secret key, nothing can be flashed; a page that shows messages has none."""
    app = make(app_class, SECRET_KEY=None)
    client = app.test_client()
    assert (await client.get("/say/a")).status_code == 500
    assert await text(client) == ""
    app.testing = True
    assert "set app.secret_key" in await failure(app, "/say/a")


@pytest.mark.checks("FL-6")
async def test_too_large(app: Quart) -> None:
    """A message that a browser would drop is an error, and those before it are kept."""
    caught: list[FlashTooLargeError] = []

    @app.post("/large")
    async def large() -> str:
        try:
            await flash(str(await request.get_data(as_text=True)))
        except FlashTooLargeError as error:
            caught.append(error)
        return ""

    client = app.test_client()
    await client.get("/say/short")
    await client.post("/large", data=secrets.token_urlsafe(4000))
    assert "makes a cookie of" in str(caught[0])
    assert "above 4093" in str(caught[0])
    assert await text(client) == "[short]"


@pytest.mark.checks("FL-6")
async def test_largest(app: Quart) -> None:
    """Every message that fits is shown whole, up to the limit and not above."""

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
            assert await text(client) == f"[{message}]"
    assert set(statuses) == {200, 413}


@pytest.mark.checks("FL-6")
async def test_too_many(app: Quart) -> None:
    """Messages that nobody reads are an error before the server would refuse the request."""
    client = app.test_client()
    app.config["FLASHING_MAX_SIZE"] = 1000
    for number in range(5):
        assert (await client.get(f"/say/{number}")).status_code == 200
    assert (await client.get(f"/say/{secrets.token_urlsafe(600)}")).status_code == 500
    assert await text(client) == "[0][1][2][3][4]"
    assert (await client.get("/say/a")).status_code == 200
    assert await text(client) == "[a]"


@pytest.mark.checks("FL-6")
def test_original_loses() -> None:
    """A browser drops the original's cookie, and with it all that the session holds."""
    app: Any = original.create_app()  # type: ignore[no-untyped-call]
    client = app.test_client()
    with pytest.warns(UserWarning, match="too large"):
        response = client.post("/say", data={"message": secrets.token_urlsafe(4000)})
    assert response.status_code == 302


@pytest.mark.checks("FL-6")
async def test_port_refuses() -> None:
    """The port tells its user what is wrong."""
    client = port.create_app().test_client()
    response = await client.post("/say", form={"message": secrets.token_urlsafe(4000)})
    assert response.status_code == 400
    assert "too long" in await response.get_data(as_text=True)
    assert "Set-Cookie" not in response.headers


@pytest.mark.checks("FL-9")
async def test_head(app: Quart) -> None:
    """HEAD shows nothing to anybody, and takes nothing away."""
    client = app.test_client()
    await client.get("/say/a")
    response = await client.head("/show")
    assert "Set-Cookie" not in response.headers
    assert response.headers["Vary"] == "Cookie"
    assert await text(client) == "[a]"


@pytest.mark.checks("FL-10")
async def test_streamed(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    """A stream that asks too late shows nothing, says so in the log, and loses nothing."""

    @app.get("/streamed")
    async def streamed() -> ResponseReturnValue:
        return Response(await stream_template_string(PAGE + "."))

    @app.get("/asked")
    async def asked() -> ResponseReturnValue:
        get_flashed_messages()
        return Response(await stream_template_string(PAGE + "."))

    client = app.test_client()
    await client.get("/say/a")
    assert await text(client, "/streamed") == "."
    assert "call get_flashed_messages() in the view" in caplog.text
    assert await text(client, "/asked") == "[a]."
    assert await text(client, "/asked") == "."


@pytest.mark.checks("FL-10")
async def test_flashed_in_a_stream(app: Quart) -> None:
    """Flashing in a stream, whose head is gone, is an error."""
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

    assert await text(app.test_client(), "/streamed") == "done"
    assert "flash before the view returns" in caught[0]


@pytest.mark.checks("FL-11")
async def test_vary(app: Quart) -> None:
    """Whatever reads or flashes depends on cookies, and says so to caches; the rest does not."""

    @app.get("/plain")
    async def plain() -> str:
        return ""

    client = app.test_client()
    assert (await client.get("/say/a")).headers["Vary"] == "Cookie"
    assert (await client.get("/show")).headers["Vary"] == "Cookie"
    assert "Vary" not in (await client.get("/plain")).headers


@pytest.mark.checks("FL-11")
async def test_attributes(app_class: type[Quart]) -> None:
    """The cookies have the attributes of the session's, and go as they came."""
    app = make(
        app_class,
        SESSION_COOKIE_PATH="/show",
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_SAMESITE="Lax",
        FLASHING_COOKIE_NAME="note",
    )
    client = app.test_client()
    set_cookie = (await client.get("/say/a")).headers["Set-Cookie"]
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
    """A message that was signed with a former key is shown."""
    old = await make(app_class, SECRET_KEY="old").test_client().get("/say/a")
    cookie = old.headers["Set-Cookie"].partition(";")[0]
    for config, page in (
        ({"SECRET_KEY": "new", "SECRET_KEY_FALLBACKS": ["older", "old"]}, "[a]"),
        ({"SECRET_KEY": "new"}, ""),
    ):
        client = make(app_class, **config).test_client()
        response = await client.get("/show", headers={"Cookie": cookie})
        assert await response.get_data(as_text=True) == page
        # What we can't read belongs to another application of this host.
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
        pytest.param(lambda name, value: (name, "\u2603"), id="no ASCII"),
    ],
)
async def test_forged(app: Quart, change: Any) -> None:
    """What a client made up is no message, and no error."""
    said = await app.test_client().get("/say/a")
    name, _, value = said.headers["Set-Cookie"].partition(";")[0].partition("=")
    forged = "=".join(change(name, value)).encode().decode("latin1")
    for path in ("/show", "/say/b"):
        response = await app.test_client().get(path, headers={"Cookie": forged})
        assert response.status_code == 200
    response = await app.test_client().get("/show", headers={"Cookie": forged})
    assert await response.get_data(as_text=True) == ""


@pytest.mark.checks("FL-11")
async def test_expired(app: Quart) -> None:
    """A message older than PERMANENT_SESSION_LIFETIME is not shown, and its cookie is removed."""
    client = app.test_client()
    await client.get("/say/a")
    app.config["PERMANENT_SESSION_LIFETIME"] = -10
    response = await client.get("/show")
    assert await response.get_data(as_text=True) == ""
    assert "Max-Age=0" in response.headers["Set-Cookie"]


@pytest.mark.checks("FL-12")
async def test_quart_flash(app: Quart) -> None:
    """What an extension flashes with Quart's own function is shown too, once."""

    @app.get("/extension")
    async def extension() -> str:
        await quart.flash("of an extension")
        return ""

    client = app.test_client()
    await client.get("/extension")
    await client.get("/say/own")
    assert await text(client) == "[of an extension][own]"
    assert await text(client) == ""


@pytest.mark.checks("FL-12")
async def test_session_cleared(app: Quart) -> None:
    """Logging out clears the session, and not what is to be said about it."""

    @app.get("/logout")
    async def logout() -> str:
        await flash("Good bye")
        session.clear()
        return ""

    client = app.test_client()
    await client.get("/logout")
    assert await text(client) == "[Good bye]"


@pytest.mark.checks("FL-12")
async def test_blueprint_and_hooks(app: Quart) -> None:
    """Blueprints flash, and so do functions that run after the request and at an error."""
    blueprint = Blueprint("blue", __name__, url_prefix="/blue")

    @blueprint.get("/say")
    async def say() -> str:
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
    await client.get("/blue/say")
    assert await text(client) == "[view][blueprint][application]"
    await client.get("/broken")
    assert await text(client) == "[before the error][in the handler][application]"


@pytest.mark.checks("FL-12")
async def test_hook_before_the_extension(app_class: type[Quart]) -> None:
    """A function that was registered before the extension flashes, too."""
    app = app_class(__name__)
    app.secret_key = "a key"

    @app.after_request
    async def after(response: Response) -> Response:
        await flash("hook")
        return response

    Flashing(app)
    app.add_url_rule("/", "index", lambda: "")
    assert "flash-" in (await app.test_client().get("/")).headers["Set-Cookie"]


@pytest.mark.checks("FL-7")
async def test_same_moment(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two messages of the same nanosecond, on two servers, have two cookies; on one, an order."""
    monkeypatch.setattr("time.time_ns", lambda: 1_800_000_000_000_000_000)
    names = {cookies.encode(app, "message", "a").name for _ in range(2)}
    assert len(names) == 2
    first = max(names)
    assert cookies.encode(app, "message", "a", after=first).name > first


@pytest.mark.checks("FL-12")
async def test_mounted(app: Quart) -> None:
    """Under a mount prefix messages travel as they do at the root."""
    client = app.test_client()
    await client.get("/mount/say/a", root_path="/mount")
    response = await client.get("/mount/show", root_path="/mount")
    assert await response.get_data(as_text=True) == "[a]"


@pytest.mark.checks("FL-12")
async def test_refusals(app_class: type[Quart]) -> None:
    """Where no message can be, the error says why."""
    app = make(app_class)
    with pytest.raises(RuntimeError, match="register it once"):
        Flashing(app)
    async with app.app_context():
        with pytest.raises(RuntimeError, match="flash belongs to a request"):
            await flash("a")
        with pytest.raises(RuntimeError, match="get_flashed_messages belongs to a request"):
            get_flashed_messages()
    async with app_class(__name__).test_request_context("/"):
        with pytest.raises(RuntimeError, match=r"flash needs Flashing\(app\)"):
            await flash("a")
    async with app.test_request_context("/"):
        with pytest.raises(TypeError, match="not JSON serializable"):
            await flash(object())  # type: ignore[arg-type]


@pytest.mark.checks("FL-12")
async def test_one_extension_for_two_applications(app_class: type[Quart]) -> None:
    def say() -> str:
        flash("hello")
        return ""

    flashing = Flashing()
    one, two = app_class("one"), app_class("two")
    for app in (one, two):
        app.secret_key = app.name
        flashing.init_app(app)
        app.add_url_rule("/say", "say", say)
        app.add_url_rule("/show", "show", get_flashed_messages)
    client, stranger = one.test_client(), two.test_client()
    said = await client.get("/say")
    cookie = said.headers["Set-Cookie"].partition(";")[0]
    answer = await stranger.get("/show", headers={"Cookie": cookie})
    assert await answer.get_json() == []
    assert await (await client.get("/show")).get_json() == ["hello"]
