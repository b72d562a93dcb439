"""What is cached in one language is not shown in another."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import pytest
from quart import Quart, g, render_template_string, url_for

from quartpatterns.caching import Cache
from quartpatterns.urlprocessors import LanguageURLs
from quartpatterns.urlprocessors.messages import MessageCatalogs
from quartpatterns.urlprocessors.messages import gettext as _

CATALOG = """
msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"

msgid "Hello"
msgstr "Hallo"
"""
FRAGMENTS = {
    "link": "{% cache 60, 'link' %}{{ url_for('page') }}{% endcache %}",
    "code": "{% cache 60, 'code' %}{{ g.lang_code }}{% endcache %}",
    "text": "{% cache 60, 'text' %}{{ _('Hello') }}{% endcache %}",
    "key": "{% cache 60, 'key', g.lang_code %}{{ count() }}{{ _('Hello') }}{% endcache %}",
    "language": (
        "{% cache 60, 'language', current_language() %}{{ count() }}{{ url_for('page') }}"
        "{% endcache %}"
    ),
    "neutral": "{% cache 60, 'neutral' %}{{ count() }}logo{% endcache %}",
}


def create_app(app_class: type[Quart], folder: Path, *, cache_first: bool) -> Quart:
    """Return an application with a cache, languages in URLs, and texts."""
    messages = folder / "de" / "LC_MESSAGES"
    messages.mkdir(parents=True)
    (messages / "messages.po").write_text(CATALOG)
    app = app_class(__name__)
    cache, languages = Cache(), LanguageURLs(languages=["en", "de"])
    if cache_first:
        cache.init_app(app)
        languages.init_app(app)
    else:
        languages.init_app(app)
        cache.init_app(app)
    MessageCatalogs(app, languages=languages.languages, folders=str(folder))
    calls: Counter[str] = Counter()
    app.extensions["calls"] = calls

    @cache.memoize(60)
    async def menu() -> str:
        calls["menu"] += 1
        return url_for("page")

    @cache.memoize(60)
    async def menu_in(language: str) -> str:
        calls["menu_in"] += 1
        return url_for("page")

    @cache.memoize(60)
    async def rate() -> int:
        calls["rate"] += 1
        return 7

    @cache.cached(60, key_prefix="title")
    async def title() -> str:
        calls["title"] += 1
        return _("Hello")

    @app.get("/<lang_code>/functions")
    async def functions() -> list[str]:
        return [await menu(), await menu_in(g.lang_code), str(await rate()), await title()]

    @app.get("/<lang_code>/page")
    @cache.cached(60, key_prefix="page")
    async def page() -> str:
        calls["page"] += 1
        return _("Hello")

    @app.get("/<lang_code>/fragment/<name>")
    async def fragment(name: str) -> str:
        def count() -> str:
            calls[name] += 1
            return ""

        return await render_template_string(FRAGMENTS[name], count=count)

    return app


@pytest.fixture(params=[True, False], ids=["cache first", "languages first"])
def app(app_class: type[Quart], tmp_path: Path, request: pytest.FixtureRequest) -> Quart:
    """The application, whose extensions are set up in both orders."""
    return create_app(app_class, tmp_path, cache_first=request.param)


async def get(app: Quart, path: str) -> str:
    response = await app.test_client().get(path)
    assert response.status_code == 200
    return str(await response.get_data(as_text=True))


async def test_fragments(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    """A fragment without the language in its key is not shared, and the log says why."""
    for language, word in (("de", "Hallo"), ("en", "Hello"), ("de", "Hallo")):
        start = f"/{language}/fragment"
        assert await get(app, f"{start}/link") == f"/{language}/page"
        assert await get(app, f"{start}/code") == language
        assert await get(app, f"{start}/text") == word
        assert await get(app, f"{start}/key") == word
        assert await get(app, f"{start}/language") == f"/{language}/page"
        assert await get(app, f"{start}/neutral") == "logo"
    assert app.extensions["calls"] == {"key": 2, "language": 2, "neutral": 1}
    warned = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert len(warned) == 3
    assert all("because it reads: the language" in text for text in warned)
    assert "g.lang_code" in warned[0]


async def test_functions(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    """A function whose result depends on the language needs it as an argument."""
    for language, word in (("de", "Hallo"), ("en", "Hello"), ("de", "Hallo")):
        page = f"/{language}/page"
        response = await app.test_client().get(f"/{language}/functions")
        assert await response.get_json() == [page, page, "7", word]
    assert app.extensions["calls"] == {"menu": 3, "menu_in": 2, "rate": 1, "title": 3}
    assert "Pass the language as an argument" in caplog.text


async def test_views(app: Quart) -> None:
    """A view has a response for each language, whatever its key is."""
    for language, word in (("de", "Hallo"), ("en", "Hello"), ("de", "Hallo")):
        assert await get(app, f"/{language}/page") == word
    assert app.extensions["calls"] == {"page": 2}
