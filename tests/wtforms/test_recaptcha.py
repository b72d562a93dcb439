"""The validator asks the verification service, here an application on a local server."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
import threading
from collections.abc import AsyncIterator
from typing import Any

import flask
import flask_wtf  # type: ignore[import-untyped]
import httpx
import pytest
import wtforms
from quart import Quart, jsonify, render_template_string, request
from quart.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict
from wtforms import FormField, StringField

from quartpatterns._shared.settings import SettingError
from quartpatterns.wtforms import (
    CSRFProtect,
    FlaskForm,
    Recaptcha,
    RecaptchaField,
    RecaptchaUnavailableError,
)
from tests.serving import served

pytestmark = pytest.mark.checks("WT-17")

MISSING = "The response parameter is missing."
INVALID = "The response parameter is invalid or malformed."


class Form(FlaskForm):
    class Meta:
        csrf = False

    name = StringField()
    recaptcha = RecaptchaField()


def make(app_class: type[Quart], **config: Any) -> Quart:
    app = app_class(__name__)
    app.secret_key = "something unique and secret"
    keys = {"RECAPTCHA_PUBLIC_KEY": "public", "RECAPTCHA_PRIVATE_KEY": "private"}
    app.config.from_mapping(keys | config)

    @app.route("/", methods=["GET", "POST"])
    async def index() -> ResponseReturnValue:
        form = await Form.create()
        if await form.validate_on_submit():
            return "valid"
        return jsonify(form.errors["recaptcha"]), 422

    return app


@pytest.fixture
async def service() -> AsyncIterator[Quart]:
    """Return an application that plays the service; ``config["URL"]`` is its address."""
    app = Quart("service")
    app.config["ASKED"] = asked = []
    app.config["VERDICT"] = {"success": True}

    @app.post("/siteverify")
    async def siteverify() -> Any:
        asked.append((await request.form).to_dict())
        verdict = app.config["VERDICT"]
        return await verdict() if callable(verdict) else verdict

    async with served(app) as server:
        app.config["URL"] = f"http://127.0.0.1:{server.port}/siteverify"
        yield app


async def post(app: Quart, response: Any = "token", **how: Any) -> tuple[int, Any]:
    how = how or {"form": {"g-recaptcha-response": response}}
    found = await app.test_client().post("/", **how)
    return found.status_code, await (
        found.get_json() if found.is_json else found.get_data(as_text=True)
    )


@pytest.mark.parametrize("how", ["form", "json"])
async def test_valid(app_class: type[Quart], service: Quart, how: str) -> None:
    app = make(app_class, RECAPTCHA_VERIFY_SERVER=service.config["URL"])
    sent = {how: {"g-recaptcha-response": "tök&n", "name": "x"}}
    assert await post(app, **sent) == (200, "valid")
    (asked,) = service.config["ASKED"]
    assert asked.pop("remoteip")
    assert asked == {"secret": "private", "response": "tök&n"}


@pytest.mark.parametrize(
    ("verdict", "message"),
    [
        ({"success": False}, MISSING),
        ({"success": False, "error-codes": ["invalid-input-response"]}, INVALID),
        ({"success": False, "error-codes": ["other", "missing-input-secret"]}, "secret"),
        ({"success": False, "error-codes": ["timeout-or-duplicate"]}, MISSING),
        ({"success": False, "error-codes": "invalid-input-response"}, MISSING),
        ({"success": False, "error-codes": [{}, [], None]}, MISSING),
        ({"success": "true"}, MISSING),
        ({}, MISSING),
        (["success"], MISSING),
        ("not JSON", MISSING),
        (b"\xff\xfe\xfa", MISSING),
        pytest.param("[" * 100_000, MISSING, id="too deep"),
        (({"success": True}, 400), MISSING),
        (("out of order", 500), MISSING),
    ],
)
async def test_refused(app_class: type[Quart], service: Quart, verdict: Any, message: str) -> None:
    """Without a clear confirmation the form is not valid."""
    service.config["VERDICT"] = verdict
    app = make(app_class, RECAPTCHA_VERIFY_SERVER=service.config["URL"])
    status, errors = await post(app)
    assert (status, len(errors)) == (422, 1)
    assert message in errors[0]


async def test_damaged_response(app_class: type[Quart], service: Quart) -> None:
    """A response that is compressed although that was not asked for is a 503."""
    service.config["VERDICT"] = ("not gzip", {"Content-Encoding": "gzip"})
    app = make(app_class, RECAPTCHA_VERIFY_SERVER=service.config["URL"])
    assert (await post(app))[0] == 503


@pytest.mark.parametrize(
    "sent",
    [
        {"form": {"name": "x"}},
        {"form": {"g-recaptcha-response": ""}},
        {"json": {"name": "x"}},
        {"json": {"g-recaptcha-response": 5}},
        {"json": {"g-recaptcha-response": None}},
        {"data": b"g-recaptcha-response=x", "headers": {"Content-Type": "text/plain"}},
    ],
)
async def test_missing(app_class: type[Quart], service: Quart, sent: Any) -> None:
    """Without a response, the service is not asked."""
    app = make(app_class, RECAPTCHA_VERIFY_SERVER=service.config["URL"])
    assert await post(app, **sent) == (422, [MISSING])
    assert service.config["ASKED"] == []


async def test_not_asked(app_class: type[Quart]) -> None:
    """The service is not asked in tests, or if the reCAPTCHA is turned off."""
    app = make(app_class)
    app.testing = True
    assert (await post(app))[0] == 200
    app = make(app_class, RECAPTCHA_ENABLED=False)
    assert (await post(app))[0] == 200


async def test_service_is_down(app_class: type[Quart], caplog: pytest.LogCaptureFixture) -> None:
    """The response is a 503, or what the application makes of the error."""
    app = make(app_class, RECAPTCHA_VERIFY_SERVER="http://127.0.0.1:9/siteverify")
    with caplog.at_level(logging.WARNING):
        status, body = await post(app)
    assert (status, "can&#39;t be verified at the moment" in body) == (503, True)
    assert "127.0.0.1" not in body
    assert "can't verify a reCAPTCHA: ConnectError" in caplog.text
    app = make(app_class, RECAPTCHA_VERIFY_SERVER="http://127.0.0.1:9/siteverify")

    @app.errorhandler(RecaptchaUnavailableError)
    async def handle(error: RecaptchaUnavailableError) -> str:
        return "unavailable"

    assert await post(app) == (200, "unavailable")


@pytest.mark.parametrize("kind", ["silent", "slow"])
async def test_service_hangs(app_class: type[Quart], service: Quart, kind: str) -> None:
    """A verification takes no longer than ``RECAPTCHA_TIMEOUT``, even if bytes arrive."""
    end = asyncio.Event()

    async def silent() -> dict[str, bool]:
        await end.wait()
        return {"success": True}

    async def spaces() -> AsyncIterator[bytes]:
        while not end.is_set():
            yield b" "
            await asyncio.sleep(0.01)

    async def slow() -> Any:
        return spaces()

    service.config["VERDICT"] = {"silent": silent, "slow": slow}[kind]
    url = service.config["URL"]
    app = make(app_class, RECAPTCHA_VERIFY_SERVER=url, RECAPTCHA_TIMEOUT=0.2)
    try:
        assert (await post(app))[0] == 503
    finally:
        end.set()


async def test_size_of_the_answer(
    app_class: type[Quart], service: Quart, caplog: pytest.LogCaptureFixture
) -> None:
    """At most 64 KiB are read, so that a wrong server can't fill the memory."""

    sent = 0

    async def blocks() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'{"success": true, "padding": "'
        for _ in range(1000):
            await asyncio.sleep(0)
            sent += 1
            yield b" " * 65536
        yield b'"}'

    async def answer() -> Any:
        return blocks(), {"Content-Type": "application/json"}

    service.config["VERDICT"] = answer
    app = make(app_class, RECAPTCHA_VERIFY_SERVER=service.config["URL"])
    with caplog.at_level(logging.WARNING, "quartpatterns.wtforms.recaptcha"):
        assert await post(app) == (422, [MISSING])
    assert "more than 65536 bytes" in caplog.text
    assert sent < 1000  # The connection was closed.


async def test_requests_at_the_same_time(app_class: type[Quart], service: Quart) -> None:
    """While one waits for the service, others go on."""
    everyone = asyncio.Barrier(10)

    async def together() -> dict[str, bool]:
        await everyone.wait()
        return {"success": True}

    service.config["VERDICT"] = together
    app = make(app_class, RECAPTCHA_VERIFY_SERVER=service.config["URL"])
    assert await asyncio.gather(*(post(app) for _ in range(10))) == [(200, "valid")] * 10


async def test_certificates_are_read_once(
    app_class: type[Quart], service: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread reads them, because it takes long."""
    threads: list[threading.Thread] = []
    create = httpx.create_ssl_context

    def recorded() -> ssl.SSLContext:
        threads.append(threading.current_thread())
        return create()

    monkeypatch.setattr(httpx, "create_ssl_context", recorded)
    monkeypatch.setattr("quartpatterns.wtforms.recaptcha._tls", [])
    app = make(app_class, RECAPTCHA_VERIFY_SERVER=service.config["URL"])
    for _ in range(2):
        assert (await post(app))[0] == 200
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


async def test_key_is_missing(app_class: type[Quart]) -> None:
    app = make(app_class, RECAPTCHA_PRIVATE_KEY=None, RECAPTCHA_PUBLIC_KEY="")
    data = {"g-recaptcha-response": "x"}
    async with app.test_request_context("/", method="POST", form=data):
        form = await Form.create()
        with pytest.raises(RuntimeError, match="RECAPTCHA_PRIVATE_KEY must be set"):
            await form.validate()
        with pytest.raises(RuntimeError, match="RECAPTCHA_PUBLIC_KEY must be set"):
            form.recaptcha()


async def test_form_that_does_not_await(app_class: type[Quart], service: Quart) -> None:
    """A form of WTForms would accept everything, so it is an error; within a form it works."""

    class Plain(wtforms.Form):
        recaptcha = RecaptchaField()

    class Outer(FlaskForm):
        class Meta:
            csrf = False

        inner = FormField(Plain)

    app = make(app_class, RECAPTCHA_VERIFY_SERVER=service.config["URL"])
    data = {"g-recaptcha-response": "x"}
    async with app.test_request_context("/", method="POST", form=data):
        with pytest.raises(TypeError, match="Plain would never await its Recaptcha"):
            Plain(MultiDict()).validate()
        service.config["VERDICT"] = {"success": False}
        assert not await (await Outer.create()).validate()
        service.config["VERDICT"] = {"success": True}
        assert await (await Outer.create()).validate()


async def test_own_message(app_class: type[Quart], service: Quart) -> None:
    service.config["VERDICT"] = {"success": False}
    app = make(app_class, RECAPTCHA_VERIFY_SERVER=service.config["URL"])
    async with app.test_request_context("/", method="POST", form={"g-recaptcha-response": "x"}):
        form = await Form.create()
        form.recaptcha.validators = [Recaptcha("Are you a robot?")]
        assert not await form.validate()
        assert form.recaptcha.errors == ["Are you a robot?"]
        assert form.recaptcha.recaptcha_error == "incorrect-captcha-sol"


@pytest.mark.parametrize("nonce", [None, "n", '"><b>', lambda: "called"])
@pytest.mark.parametrize("attributes", [{}, {"class_": "own", "data_theme": "dark", "id": "x"}])
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"RECAPTCHA_ENABLED": False},
        {"RECAPTCHA_HTML": "<p>own</p>"},
        {"RECAPTCHA_SCRIPT": "https://captcha.example/api.js", "RECAPTCHA_DIV_CLASS": "h-captcha"},
        {"RECAPTCHA_PARAMETERS": {"hl": "zh&x"}, "RECAPTCHA_DATA_ATTRS": {"theme": "<light>"}},
    ],
)
async def test_widget(app_class: type[Quart], config: Any, attributes: Any, nonce: Any) -> None:
    """The HTML is that of Flask-WTF."""

    class Ours(FlaskForm):
        recaptcha = RecaptchaField(nonce=nonce)

    class Theirs(flask_wtf.FlaskForm):  # type: ignore[misc]
        recaptcha = flask_wtf.RecaptchaField(nonce=nonce)

    original = flask.Flask(__name__)
    original.secret_key = "something unique and secret"
    original.config.from_mapping({"RECAPTCHA_PUBLIC_KEY": "public", **config})
    with original.test_request_context():
        expected = Theirs().recaptcha(**attributes)
    app = make(app_class, **config)
    async with app.test_request_context("/"):
        page = "{{ form.recaptcha(**attributes) }}"
        form = await Ours.create()
        found = await render_template_string(page, form=form, attributes=attributes)
        # Ours and theirs sort the attributes in the same way.
        assert found == str(expected)


async def test_settings(app_class: type[Quart]) -> None:
    """An unknown or unsupported setting is an error, as is an invalid value."""
    for config, message in (
        ({"RECAPTCHA_OPTIONS": {"theme": "dark"}}, "set RECAPTCHA_DATA_ATTRS"),
        ({"RECAPTCHA_API_SERVER": "x"}, "set RECAPTCHA_SCRIPT"),
        ({"RECAPTCHA_DATA_ATTR": {}}, "did you mean RECAPTCHA_DATA_ATTRS"),
    ):
        async with make(app_class, **config).test_request_context("/"):
            with pytest.raises(SettingError, match=re.escape(message)):
                await Form.create()
    invalid: dict[str, Any] = {
        "RECAPTCHA_ENABLED": "no",
        "RECAPTCHA_DATA_ATTRS": "theme",
        "RECAPTCHA_PARAMETERS": ["hl"],
        "RECAPTCHA_SCRIPT": 5,
    }
    for key, value in invalid.items():
        async with make(app_class, **{key: value}).test_request_context("/"):
            with pytest.raises(SettingError, match="must be"):
                (await Form.create()).recaptcha()
    assert (await post(make(app_class, RECAPTCHA_VERIFY_SERVER="captcha.example")))[0] == 500
    with pytest.raises(SettingError, match="set RECAPTCHA_SCRIPT"):
        CSRFProtect(make(app_class, RECAPTCHA_API_SERVER="x"))
