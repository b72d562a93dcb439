from datetime import date

from flask_babel import Babel, format_date
from quart import render_template_string, request
from quartpatterns.subclassing import FaithfulQuart, bridge_flask


def get_locale():
    return request.accept_languages.best_match(["de", "en"])


def create_app():
    app = bridge_flask(FaithfulQuart(__name__))
    Babel(app, locale_selector=get_locale)

    @app.get("/date")
    async def show_date():
        return format_date(date(2026, 1, 2), "full")

    @app.get("/page")
    async def page():
        text = "{{ day|dateformat('long') }} {{ _('Hello') }}"
        return await render_template_string(text, day=date(2026, 1, 2))

    return app
