"""Messages are in the locale of quart-babel or Flask-Babel if the application uses one of them."""

from __future__ import annotations

from typing import Any

import pytest
from blockbuster import BlockBuster
from quart import Quart, jsonify, request
from quart.typing import ResponseReturnValue
from wtforms import StringField
from wtforms.validators import DataRequired, Length

from quartpatterns.wtforms import FlaskForm
from quartpatterns.wtforms.i18n import Translations, translations
from quartpatterns.wtforms.translations import _cache  # pyright: ignore[reportPrivateUsage]

pytestmark = pytest.mark.checks("WT-13")

ENGLISH = "This field is required."
GERMAN = "Dieses Feld wird ben\u00f6tigt."
CHINESE = {"zh": "\u8be5\u5b57\u6bb5\u662f\u5fc5\u586b\u5b57\u6bb5\u3002"}
CHINESE["zh_Hans_CN"] = CHINESE["zh"]
CHINESE["zh_Hant_TW"] = "\u6b64\u6b04\u4f4d\u662f\u5fc5\u9700\u7684\u3002"


class Form(FlaskForm):
    class Meta:
        csrf = False

    name = StringField(validators=[DataRequired(), Length(min=8)])


@pytest.fixture(params=["quart_babel", "flask_babel"])
def babel(request: pytest.FixtureRequest, no_blocking: BlockBuster) -> Any:
    # Babel looks for the file of a locale whenever it parses its name, and reads it once.
    for function in no_blocking.functions.values():
        function.can_block_in("babel/localedata.py", {"exists", "load"})
        function.can_block_in("babel/core.py", {"get_global"})  # once
    return pytest.importorskip(request.param)


def make(app_class: type[Quart], babel: Any, selector: Any = None, **config: Any) -> Quart:
    app = app_class(__name__)
    app.config.from_mapping(config)
    babel.Babel(app, locale_selector=selector)

    @app.post("/")
    async def index() -> ResponseReturnValue:
        form = await Form.create()
        await form.validate()
        string = translations.gettext(ENGLISH)
        few = translations.ngettext("%(min)d", "%(min)d", 2)
        return jsonify(errors=form.name.errors, translated=string, few=few)

    return app


async def message(app: Quart, **headers: str) -> str:
    found = await (await app.test_client().post("/", headers=headers)).get_json()
    assert found["few"] == "%(min)d"
    assert found["errors"] == [found["translated"]]
    return str(found["translated"])


async def test_selected(app_class: type[Quart], babel: Any) -> None:
    """The locale selector of the application is asked in each request."""

    def select() -> str | None:
        return request.headers.get("X-Language")

    app = make(app_class, babel, select, BABEL_DEFAULT_LOCALE="de")
    assert await message(app, **{"X-Language": "de"}) == GERMAN
    assert await message(app, **{"X-Language": "de_AT"}) == GERMAN
    assert await message(app, **{"X-Language": "en_US"}) == ENGLISH
    assert await message(app, **{"X-Language": "xh"}) == ENGLISH
    for locale, expected in CHINESE.items():
        assert await message(app, **{"X-Language": locale}) == expected
    assert await message(app) == GERMAN


async def test_locales_of_clients(app_class: type[Quart], babel: Any) -> None:
    """What a client sends is neither part of a path nor kept in memory."""
    app = make(app_class, babel, lambda: request.headers["X-Language"], BABEL_DEFAULT_LOCALE="de")
    before = set(_cache)
    assert await message(app, **{"X-Language": "fr@/../de"}) == "Ce champ est requis."
    if babel.__name__ == "flask_babel":  # quart-babel itself refuses unknown locales
        for locale in ("de/../fr", "../de", "xx", "a" * 500, "de-fr-it"):
            assert await message(app, **{"X-Language": locale}) == GERMAN
    assert set(_cache) - before <= {("de",), ("fr",)}


async def test_without_selector(app_class: type[Quart], babel: Any) -> None:
    app = make(app_class, babel, BABEL_DEFAULT_LOCALE="de")
    assert await message(app, **{"Accept-Language": "fr"}) == GERMAN


async def test_priority(app_class: type[Quart], babel: Any) -> None:
    """``WTF_I18N_ENABLED`` turns translations off; ``Meta.locales`` comes first."""
    app = make(app_class, babel, lambda: "de", WTF_I18N_ENABLED=False)
    assert await message(app) == ENGLISH
    app = make(app_class, babel, lambda: "de", WTF_LOCALES=["fr", "en"])
    assert await message(app, **{"Accept-Language": "fr"}) == GERMAN
    async with app.test_request_context("/", method="POST"):
        form = await Form.create(meta={"locales": ["fr"]})
        await form.validate()
        assert form.name.errors == ["Ce champ est requis."]


async def test_outside_of_a_request(app_class: type[Quart], babel: Any) -> None:
    async with make(app_class, babel, lambda: "de").app_context():
        assert translations.gettext(ENGLISH) == ENGLISH
        form = Form(None)
        await form.validate()
        assert form.name.errors == [ENGLISH]


def test_translations_without_an_application() -> None:
    found = Translations()
    assert found.gettext(ENGLISH) == ENGLISH
    assert [found.ngettext("one", "many", n) for n in (1, 2)] == ["one", "many"]
