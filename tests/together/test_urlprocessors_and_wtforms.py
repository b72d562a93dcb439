"""Error messages of forms are in the language of the URL."""

from __future__ import annotations

from typing import Any

import pytest
from blockbuster import BlockBuster
from quart import Blueprint, Quart, jsonify, request
from quart.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException
from wtforms import FormField, StringField
from wtforms.validators import DataRequired

from quartpatterns.caching import Cache
from quartpatterns.urlprocessors import LanguageURLs
from quartpatterns.wtforms import CSRFProtect, QuartForm

MESSAGES = {
    "en": "This field is required.",
    "de": "Dieses Feld wird ben\u00f6tigt.",
    "fr": "Ce champ est requis.",
    "cs": "Toto pole je povinn\u00e9.",
    "zh-Hant": "\u6b64\u6b04\u4f4d\u662f\u5fc5\u9700\u7684\u3002",
    "eo": "This field is required.",  # WTForms has no Esperanto
}


class InnerForm(QuartForm):
    """A form in the form."""

    text = StringField(validators=[DataRequired()])


class SearchForm(QuartForm):
    """A form that GET may send."""

    class Meta:
        csrf = False

    q = StringField(validators=[DataRequired()])
    inner = FormField(InnerForm)


async def message() -> str:
    """Validate the form; return its only message."""
    form = await SearchForm.create(args=True)
    assert not await form.validate()
    assert form.inner.form.text.errors == form.q.errors
    return str(form.q.errors[0])


async def as_json() -> ResponseReturnValue:
    """A view that sends it."""
    return jsonify(await message())


def create_app(app_class: type[Quart], *, on: str = "app", **config: Any) -> Quart:
    """An application whose languages are those of all pages or of a blueprint."""
    app = app_class(__name__)
    app.config.from_mapping({"SECRET_KEY": "test", "WTF_LOCALES": ["en", "de", "fr"], **config})
    CSRFProtect(app).exempt(as_json)
    site = Blueprint("site", __name__, url_prefix="/<lang_code>")
    LanguageURLs(app if on == "app" else site, languages=[*MESSAGES], default="en")
    site.add_url_rule("/search", "search", as_json, methods=["GET", "POST"])
    app.register_blueprint(site)
    app.add_url_rule("/search", "plain", as_json, methods=["GET", "POST"])

    @app.errorhandler(404)
    @app.errorhandler(405)
    async def error(error: HTTPException) -> ResponseReturnValue:
        # A search form on the error page.
        return jsonify(await message()), error.code or 500

    return app


async def get(app: Quart, path: str, accept: str = "fr", method: str = "GET") -> Any:
    """Request a page; return its message with the Vary header."""
    client: Any = app.test_client()
    response = await client.open(path, method=method, headers={"Accept-Language": accept})
    return await response.get_json(), response.headers.get("Vary")


@pytest.mark.parametrize("on", ["app", "blueprint"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_language_of_the_url(app_class: type[Quart], on: str, method: str) -> None:
    """It wins over ``Accept-Language``, on which the response then does not depend."""
    app = create_app(app_class, on=on)
    for language, expected in MESSAGES.items():
        assert await get(app, f"/{language}/search", method=method) == (expected, None)
    found, vary = await get(app, "/search", "de", method)
    assert (found, vary) == (MESSAGES["de"], "Accept-Language" if method == "GET" else None)


@pytest.mark.parametrize("on", ["app", "blueprint"])
async def test_error_pages(app_class: type[Quart], on: str) -> None:
    """A page without a route is in the language of the pages with the same beginning."""
    app = create_app(app_class, on=on)
    assert await get(app, "/de/unknown") == (MESSAGES["de"], None)
    assert await get(app, "/cs/unknown/page") == (MESSAGES["cs"], None)
    assert await get(app, "/de/search", method="DELETE") == (MESSAGES["de"], None)
    for path in ("/xx/search", "/unknown", "/dearest/unknown", "/x/de/"):
        assert await get(app, path) == (MESSAGES["fr"], "Accept-Language")


async def test_one_application_context(app_class: type[Quart]) -> None:
    """A request does not get the language of another one in the same context of a test."""
    app = create_app(app_class)
    async with app.app_context():
        assert (await get(app, "/de/search"))[0] == MESSAGES["de"]
        assert (await get(app, "/cs/search"))[0] == MESSAGES["cs"]


@pytest.mark.parametrize("package", ["quart_babel", "flask_babel"])
async def test_locale_selector(
    app_class: type[Quart], package: str, no_blocking: BlockBuster
) -> None:
    """The URL comes first, then the selector of the application."""
    # Babel looks for the file of a locale whenever it parses its name, and reads it once.
    for function in no_blocking.functions.values():
        function.can_block_in("babel/localedata.py", {"exists", "load"})
        function.can_block_in("babel/core.py", {"get_global"})  # once
    babel = pytest.importorskip(package)
    app = create_app(app_class)
    babel.Babel(app, locale_selector=lambda: request.args.get("locale", "fr"))
    assert (await get(app, "/de/search?locale=en"))[0] == MESSAGES["de"]
    assert (await get(app, "/search?locale=de", "en"))[0] == MESSAGES["de"]
    assert (await get(app, "/search", "en"))[0] == MESSAGES["fr"]
    assert (await get(app, "/de/unknown?locale=en", "en"))[0] == MESSAGES["de"]


async def test_settings(app_class: type[Quart]) -> None:
    """``WTF_I18N_ENABLED`` turns translations off, and a form may have a language of its own."""
    app = create_app(app_class, WTF_I18N_ENABLED=False)
    assert await get(app, "/de/search") == (MESSAGES["en"], None)
    app = create_app(app_class)

    @app.get("/<lang_code>/french")
    async def french() -> ResponseReturnValue:
        form = await SearchForm.create(args=True, meta={"locales": ["fr"]})
        await form.validate()
        return jsonify(form.q.errors[0])

    assert (await get(app, "/de/french"))[0] == MESSAGES["fr"]


async def test_cached_pages(app_class: type[Quart]) -> None:
    """A cached page is never sent to a visitor of another language."""
    app = create_app(app_class, CACHE_TYPE="SimpleCache")
    cache = Cache(app)
    calls: list[str] = []

    async def search() -> ResponseReturnValue:
        calls.append(request.path)
        return jsonify(await message())

    app.add_url_rule("/a", "a", cache.cached()(search))
    app.add_url_rule("/b", "b", cache.cached(vary=["Accept-Language"])(search))
    app.add_url_rule("/<lang_code>/c", "c", cache.cached()(search))
    app.add_url_rule("/<lang_code>/d", "d", cache.cached(key_prefix="one key")(search))
    for _ in range(2):
        for language in ("de", "en", "fr"):
            expected = MESSAGES[language], "Accept-Language"
            assert await get(app, "/a", language) == expected
            assert await get(app, "/b", language) == expected
            for path in ("c", "d"):
                assert await get(app, f"/{language}/{path}") == (MESSAGES[language], None)
    assert calls.count("/a") == 6
    assert calls.count("/b") == 3
    assert calls.count("/de/c") == calls.count("/de/d") == 1
