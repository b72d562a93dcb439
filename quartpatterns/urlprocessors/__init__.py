"""The language in every URL, taken out of the views and put into every link.

::

    from quart import Quart, g, url_for
    from quartpatterns.urlprocessors import LanguageURLs

    app = Quart(__name__)
    languages = LanguageURLs(app, languages=["en", "de"], default="en")

    @app.get("/<lang_code>/about")
    async def about():
        return f"{g.lang_code}: {url_for('about')}, {url_for('about', lang_code='de')}"
"""

from .languages import LanguageURLs
from .links import Alternate
from .negotiation import lookup

__all__ = ["Alternate", "LanguageURLs", "lookup"]
