"""Messages are in a language that both the visitor and the application have."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Quart, jsonify
from quart.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict
from wtforms import FormField, StringField
from wtforms.validators import DataRequired, Length

from quartpatterns.wtforms import QuartForm
from quartpatterns.wtforms.translations import translations

pytestmark = pytest.mark.checks("WT-13")

ENGLISH = "This field is required."
GERMAN = "Dieses Feld wird ben\u00f6tigt."
FRENCH = "Ce champ est requis."


class Inner(QuartForm):
    text = StringField(validators=[DataRequired()])


class Form(QuartForm):
    text = StringField(validators=[DataRequired()])
    inner = FormField(Inner)


def make(cls: type[Quart], **config: Any) -> Quart:
    app = cls(__name__)
    app.config.from_mapping({"WTF_CSRF_ENABLED": False, **config})

    @app.route("/", methods=["GET", "POST"])
    async def index() -> ResponseReturnValue:
        form = await Form.create(args=True)
        await form.validate()
        assert form.errors["inner"] == {"text": form.text.errors}
        return jsonify(form.text.errors)

    return app


async def message_of(app: Quart, accept: str | None) -> str:
    headers = {} if accept is None else {"Accept-Language": accept}
    response = await app.test_client().post("/", headers=headers)
    (message,) = await response.get_json()
    assert isinstance(message, str)
    return message


@pytest.mark.parametrize(
    ("accept", "message"),
    [
        (None, ENGLISH),
        ("", ENGLISH),
        ("de", GERMAN),
        ("DE-at", GERMAN),
        ("de-AT, en;q=0.5", GERMAN),
        ("fr;q=0.1, de;q=0.9", GERMAN),
        ("de;q=0, fr;q=0.1", FRENCH),
        ("de;q=0", ENGLISH),
        ("ja, fr", FRENCH),
        ("zh-TW", "\u6b64\u6b04\u4f4d\u662f\u5fc5\u9700\u7684\u3002"),
        ("zh-CN", "\u8be5\u5b57\u6bb5\u662f\u5fc5\u586b\u5b57\u6bb5\u3002"),
        ("ja", ENGLISH),
        ("*", ENGLISH),
        ("en-GB,en;q=0.9,de;q=0.8", ENGLISH),
        ("pt", "Campo obrigat\u00f3rio."),
        ("../../etc, \x01;q=x, " + "a-" * 1000, ENGLISH),
    ],
)
async def test_negotiated(app_class: type[Quart], accept: str | None, message: str) -> None:
    """The best language of the visitor that the application has, else its first."""
    app = make(app_class, WTF_LOCALES=["en", "de", "fr", "pt_BR", "zh_TW", "zh"])
    assert await message_of(app, accept) == message


async def test_without_negotiation(app_class: type[Quart]) -> None:
    """An application with one language has messages in this language."""
    assert await message_of(make(app_class), "de") == ENGLISH
    assert await message_of(make(app_class, WTF_LOCALES=["de"]), "fr") == GERMAN
    off = make(app_class, WTF_LOCALES=["de"], WTF_I18N_ENABLED=False)
    assert await message_of(off, "de") == ENGLISH
    assert await message_of(make(app_class, WTF_LOCALES=["xx"]), "de") == ENGLISH


async def test_locales_of_a_form(app_class: type[Quart]) -> None:
    """A form or a call may set the language, as in WTForms."""

    class German(QuartForm):
        class Meta:
            locales = ["de_DE", "de"]

        text = StringField(validators=[Length(min=2)])

    app = make(app_class, WTF_LOCALES=["en", "fr"])
    async with app.test_request_context("/", headers={"Accept-Language": "en"}):
        form = await German.create(MultiDict({"text": "a"}))
        assert not await form.validate()
        assert form.errors == {"text": ["Feld muss mindestens 2 Zeichen beinhalten."]}
        form = await German.create(MultiDict({"text": "a"}), meta={"locales": ["fr"]})
        assert not await form.validate()
        assert "au moins 2" in str(form.errors["text"])


async def test_vary(app_class: type[Quart]) -> None:
    """A response that a cache may store names the header that it depends on."""
    app = make(app_class, WTF_LOCALES=["en", "de"])
    response = await app.test_client().get("/?text=")
    assert "Accept-Language" in response.headers["Vary"]
    response = await make(app_class).test_client().get("/?text=")
    assert "Accept-Language" not in response.headers.get("Vary", "")


async def test_outside_of_a_request() -> None:
    form = Form(MultiDict())
    assert not await form.validate()
    assert form.text.errors == [ENGLISH]


def test_translations_are_cached() -> None:
    """Each translation is read from the disk once."""
    assert translations(("de",)) is translations(("de",))
