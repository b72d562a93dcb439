"""The language in every URL: it is read before the view is called, and added by ``url_for``.

.. code-block:: python

    from quart import Quart, g, url_for
    from quartpatterns.urlprocessors import LanguageURLs

    app = Quart(__name__)
    languages = LanguageURLs(app, languages=["en", "de"], default="en")

    @app.get("/<lang_code>/about")
    async def about():
        return f"{g.lang_code}: {url_for('about')}, {url_for('about', lang_code='de')}"
"""

from quartpatterns.urlprocessors.accept_language import lookup
from quartpatterns.urlprocessors.languages import Alternate, LanguageURLs

__all__ = ["Alternate", "LanguageURLs", "lookup"]
