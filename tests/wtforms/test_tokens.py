"""Tokens are compatible with Flask-WTF; invalid ones are refused with a remedy."""

from __future__ import annotations

import base64
import json
import logging
import time
from typing import Any

import flask
import flask_wtf.csrf  # type: ignore[import-untyped]
import pytest
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from quart import Quart, Response, g, render_template_string, session, stream_template_string
from quart.typing import TestClientProtocol as Client
from werkzeug.datastructures import MultiDict
from wtforms import StringField, ValidationError

from quartpatterns.wtforms import (
    CSRFProtect,
    QuartForm,
    TokenError,
    csrf_meta_tag,
    generate_csrf,
    validate_csrf,
)

KEY = "a key for both"


def make(cls: type[Quart] = Quart, **config: Any) -> Quart:
    """Create an application with a view that returns a token and one that needs it."""
    app = cls(__name__)
    app.config.from_mapping({"SECRET_KEY": KEY, **config})
    CSRFProtect(app)

    @app.get("/token")
    async def token() -> str:
        return generate_csrf()

    @app.post("/")
    async def index() -> str:
        return "posted"

    return app


def make_flask(**config: Any) -> flask.Flask:
    """Create the same application with Flask-WTF."""
    app = flask.Flask(__name__)
    app.config.from_mapping({"SECRET_KEY": KEY, **config})
    flask_wtf.csrf.CSRFProtect(app)
    app.get("/token")(lambda: flask_wtf.csrf.generate_csrf())

    @app.post("/")
    def index() -> str:
        return "posted"

    return app


@pytest.fixture
def app(app_class: type[Quart]) -> Quart:
    return make(app_class)


async def text(client: Client, path: str = "/token") -> str:
    body = await (await client.get(path)).get_data(as_text=True)
    assert isinstance(body, str)
    return body


async def post(client: Client, token: str | None, **how: Any) -> tuple[int, str]:
    """Send a form with *token*; return the status and body of the response."""
    form = {} if token is None else {"csrf_token": token}
    response = await client.post("/", form=form, **how)
    body = await response.get_data(as_text=True)
    assert isinstance(body, str)
    return response.status_code, body


@pytest.mark.checks("WT-15")
@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("own_key", [None, "another key"])
async def test_from_flask(app_class: type[Quart], header: bool, own_key: str | None) -> None:
    """A token and session of Flask-WTF are valid here."""
    config = {"WTF_CSRF_SECRET_KEY": own_key} if own_key else {}
    theirs = make_flask(**config).test_client()
    token = theirs.get("/token").text
    cookie = theirs.get_cookie("session")
    assert cookie is not None
    client = make(app_class, **config).test_client(use_cookies=False)
    headers = {"Cookie": f"session={cookie.value}"}
    if header:
        headers["X-CSRFToken"] = token
    assert await post(client, None if header else token, headers=headers) == (200, "posted")
    # A token that is created here belongs to the same session.
    again = await client.get("/token", headers=headers)
    assert "Set-Cookie" not in again.headers
    data = {"csrf_token": await again.get_data(as_text=True)}
    assert theirs.post("/", data=data).text == "posted"


@pytest.mark.checks("WT-15")
async def test_to_flask(app: Quart) -> None:
    """A token and session that are created here are valid in Flask-WTF."""
    response = await app.test_client().get("/token")
    token = await response.get_data(as_text=True)
    cookie = response.headers["Set-Cookie"].partition(";")[0]
    theirs = make_flask().test_client(use_cookies=False)
    headers = {"Cookie": cookie, "X-CSRFToken": token}
    assert theirs.post("/", headers=headers).text == "posted"
    answer = theirs.post("/", data={"csrf_token": token}, headers={"Cookie": cookie})
    assert answer.text == "posted"
    assert theirs.post("/", headers={**headers, "X-CSRFToken": token[:-1]}).status_code == 400


@pytest.mark.checks("WT-8")
async def test_one_token_per_request(app: Quart) -> None:
    """Templates, forms and views have the same token within a request."""

    class Form(QuartForm):
        name = StringField()

    @app.get("/page")
    async def page() -> str:
        form = await Form.create()
        token: Any = form["csrf_token"]
        assert token.current_token == generate_csrf()
        return await render_template_string(
            "{{ csrf_token() }} {{ csrf_token() }} {{ csrf_meta_tag() }}"
        )

    client = app.test_client()
    one, two, tag = (await text(client, "/page")).split(" ", 2)
    assert one == two
    assert tag == f'<meta name="csrf-token" content="{one}">'
    assert await post(client, one) == (200, "posted")


@pytest.mark.checks("WT-8")
async def test_meta_tag(app: Quart) -> None:
    async with app.test_request_context("/"):
        tag = csrf_meta_tag('"<')
        assert tag == f'<meta name="&#34;&lt;" content="{generate_csrf()}">'


@pytest.mark.checks("WT-9")
@pytest.mark.parametrize(
    "token",
    [
        "x",
        ".",
        "..",
        "x.y.z",
        "\x00",
        "\u00e9\u2713",
        "A" * 100_000,
        base64.urlsafe_b64encode(b"\xff" * 40).decode() + ".aaaa.bbbb",
    ],
)
async def test_forged(app: Quart, token: str) -> None:
    client = app.test_client()
    await text(client)
    status, body = await post(client, token)
    assert (status, "<p>The CSRF token is invalid.</p>" in body) == (400, True)


@pytest.mark.checks("WT-9")
@pytest.mark.parametrize("debug", [False, True])
async def test_missing(app: Quart, debug: bool, caplog: pytest.LogCaptureFixture) -> None:
    """The response has the message of Flask-WTF. The log, and in debug mode it too, the remedy."""
    caplog.set_level(logging.INFO, "quartpatterns.wtforms.csrf")
    app.debug = debug
    client = app.test_client()
    response = await client.post("/", form={"a": "b"})
    body = await response.get_data(as_text=True)
    assert response.status_code == 400
    assert "<p>The CSRF session token is missing." in body
    assert ("{{ form.hidden_tag() }} or {{ csrf_token() }}" in body) is debug
    await text(client)
    status, body = await post(client, None)
    assert status == 400
    assert ("<p>The CSRF token is missing.</p>" in body) is not debug
    assert ("or send the token in the header X-CSRFToken" in body) is debug
    session, token = (record.getMessage() for record in caplog.records)
    assert session.startswith(
        "The CSRF session token is missing. No page of this session has rendered a token: put"
        " {{ form.hidden_tag() }} or {{ csrf_token() }} into the form"
    )
    assert token.startswith("The CSRF token is missing. Put {{ form.hidden_tag() }}, or")
    assert token.endswith("or send the token in the header X-CSRFToken.")


@pytest.mark.checks("WT-9")
async def test_missing_token_depends_on_no_cookie(app: Quart) -> None:
    """A form without a token is refused whatever the session has, as in Flask-WTF."""
    client = app.test_client()
    await text(client)
    response = await client.post("/", form={"a": "b"})
    assert (response.status_code, response.headers.get("Vary")) == (400, None)


@pytest.mark.checks("WT-9")
async def test_of_another_session(app: Quart) -> None:
    client, other = app.test_client(), app.test_client()
    await text(client)
    status, body = await post(client, await text(other))
    assert (status, "<p>The CSRF tokens do not match.</p>" in body) == (400, True)


def aged(token: str, seconds: int) -> str:
    """Return *token* as if it had been created *seconds* ago."""

    class Signer(TimestampSigner):
        def get_timestamp(self) -> int:
            return int(time.time()) - seconds

    serializer = URLSafeTimedSerializer(KEY, salt="wtf-csrf-token", signer=Signer)
    payload = json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
    token = serializer.dumps(payload)
    assert isinstance(token, str)
    return token


@pytest.mark.checks("WT-9")
async def test_expired(app: Quart) -> None:
    """A token is valid for an hour, for another time, or without a limit."""
    client = app.test_client()
    token = aged(await text(client), 7200)
    status, body = await post(client, token)
    assert (status, "<p>The CSRF token has expired.</p>" in body) == (400, True)
    for limit in (7300, None):
        app.config["WTF_CSRF_TIME_LIMIT"] = limit
        assert await post(client, token) == (200, "posted")


@pytest.mark.checks("WT-9")
async def test_exact_time_limit(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token is valid for exactly as many seconds as the limit."""
    async with app.test_request_context("/"):
        token = generate_csrf()
        created = URLSafeTimedSerializer(KEY, salt="wtf-csrf-token").loads(
            token, return_timestamp=True
        )[1]
        monkeypatch.setattr(time, "time", lambda: created.timestamp() + 60)
        validate_csrf(token, time_limit=60)
        with pytest.raises(TokenError, match="expired"):
            validate_csrf(token, time_limit=59)


@pytest.mark.checks("WT-9")
async def test_clock_ahead(app: Quart) -> None:
    """A token of a server whose clock is a few seconds ahead is valid."""
    client = app.test_client()
    token = aged(await text(client), -5)
    assert await post(client, token) == (200, "posted")


@pytest.mark.checks("WT-15")
async def test_rotated_keys(app: Quart) -> None:
    """After the secret key changes, tokens of the fallback keys are valid, as sessions are."""
    client = app.test_client()
    token = await text(client)
    app.secret_key = "a new key"
    assert (await post(client, token))[0] == 400
    app.config["SECRET_KEY_FALLBACKS"] = [KEY]
    assert await post(client, token) == (200, "posted")


async def test_no_key(app_class: type[Quart]) -> None:
    app = make(app_class, SECRET_KEY=None)
    async with app.test_request_context("/"):
        with pytest.raises(RuntimeError, match="set SECRET_KEY"):
            generate_csrf()
        with pytest.raises(RuntimeError, match="set SECRET_KEY"):
            validate_csrf("x")


async def test_no_request(app: Quart) -> None:
    async with app.app_context():
        with pytest.raises(RuntimeError, match="belongs to a session"):
            generate_csrf()


@pytest.mark.checks("WT-8", "WT-9")
async def test_arguments(app: Quart) -> None:
    """Keys, names and limits can be arguments, as in Flask-WTF."""
    async with app.test_request_context("/"):
        token = generate_csrf("own key", "own name")
        validate_csrf(token, "own key", 60, "own name")
        assert "own name" in session
        assert generate_csrf() != token
        for reason, key, limit in (("invalid", "other", 60), ("expired", "own key", -1)):
            with pytest.raises(TokenError) as caught:
                validate_csrf(token, key, limit, "own name")
            assert caught.value.reason == reason
            assert isinstance(caught.value, ValidationError)


async def test_foreign_value_in_the_session(app: Quart) -> None:
    """Another value under the same name in the session is replaced."""
    async with app.test_request_context("/"):
        session["csrf_token"] = {"not": "a token"}
        with pytest.raises(TokenError, match="session token is missing"):
            validate_csrf("x")
        validate_csrf(generate_csrf())


@pytest.mark.checks("WT-8")
async def test_shared_context(app: Quart) -> None:
    """Requests within one application context share neither tokens nor results."""
    async with app.app_context():
        one, two = app.test_client(), app.test_client()
        token = await text(one)
        assert await post(one, token) == (200, "posted")
        assert (await post(one, None))[0] == 400
        assert (await text(two)).partition(".")[0] != token.partition(".")[0]


@pytest.mark.checks("WT-8")
async def test_streamed(app: Quart) -> None:
    """The first token can't be created in a stream, after the session cookie was sent."""

    @app.get("/late")
    async def late() -> Any:
        return await stream_template_string("x{{ csrf_token() }}")

    @app.get("/early")
    async def early() -> Any:
        generate_csrf()
        return await stream_template_string("{{ csrf_token() }}")

    client = app.test_client()
    with pytest.raises(RuntimeError, match="call generate_csrf\\(\\) in the view"):
        await text(client, "/late")
    assert await post(client, await text(client, "/early")) == (200, "posted")


@pytest.mark.checks("WT-9")
async def test_form_without_protection(app_class: type[Quart]) -> None:
    """Without CSRFProtect a form checks its token itself."""

    class Form(QuartForm):
        name = StringField()

    app = app_class(__name__)
    app.secret_key = KEY

    @app.route("/", methods=["GET", "POST"])
    async def index() -> Any:
        form = await Form.create()
        if await form.validate_on_submit():
            return "posted"
        token: Any = form["csrf_token"]
        return Response(token.current_token, headers={"X-Errors": str(form.errors)})

    client = app.test_client()
    token = await text(client, "/")
    response = await client.post("/", form={"name": "Ada"})
    errors = "{'csrf_token': ['The CSRF token is missing.']}"
    assert response.headers["X-Errors"] == errors
    assert await post(client, token) == (200, "posted")


async def test_g(app: Quart) -> None:
    """As with Flask-WTF, the token and the result of the check are on ``g``."""
    seen: list[Any] = []

    @app.route("/seen", methods=["GET", "POST"])
    async def view() -> str:
        token = generate_csrf()
        seen.append((g.csrf_token == token, g.get("csrf_valid")))
        generate_csrf(token_key="other")
        assert g.other != token
        return token

    async with app.app_context():  # the requests of a test may share a context
        client = app.test_client()
        token = await (await client.get("/seen")).get_data(as_text=True)
        await client.post("/seen", headers={"X-CSRFToken": token})
        await client.get("/seen")
    assert seen == [(True, None), (True, True), (True, None)]


AGAIN = "repeat the request."


@pytest.mark.parametrize(
    ("kind", "message", "remedy"),
    [
        ("none", "The CSRF token is missing. Put {{ form.hidden_tag() }}", "header X-CSRFToken."),
        ("forged", "The CSRF token is invalid. Load the page again", AGAIN),
        ("other", "The CSRF tokens do not match. The page belongs to another session: load", AGAIN),
        ("old", "The CSRF token has expired. Load the page again", AGAIN),
    ],
)
async def test_log(
    app_class: type[Quart],
    caplog: pytest.LogCaptureFixture,
    kind: str,
    message: str,
    remedy: str,
) -> None:
    """A failure is logged once, as INFO, in a request and in a form, with the remedy."""
    caplog.set_level(logging.INFO)
    protected = make(app_class)
    other = await text(protected.test_client())

    def form(token: str) -> dict[str, str]:
        """Return a form that is not valid in the session of *token*."""
        sent = {"forged": "x", "other": other, "old": aged(token, 7200)}
        return {"csrf_token": sent[kind]} if kind in sent else {}

    client = protected.test_client()
    token = await text(client)
    assert (await client.post("/", form=form(token))).status_code == 400
    unprotected = app_class(__name__)
    unprotected.secret_key = KEY
    async with unprotected.test_request_context("/", method="POST"):
        token = generate_csrf()
        assert not await (await QuartForm.create(MultiDict(form(token)))).validate()
    records = [one for one in caplog.records if one.name == "quartpatterns.wtforms.csrf"]
    assert [one.levelname for one in records] == ["INFO", "INFO"]
    for record in records:
        assert record.getMessage().startswith(message)
        assert record.getMessage().endswith(remedy)
