from datetime import date

from flask import Flask, render_template_string, request
from flask_babel import Babel, format_date


def get_locale():
    return request.accept_languages.best_match(["de", "en"])


def create_app():
    app = Flask(__name__)
    Babel(app, locale_selector=get_locale)

    @app.get("/date")
    def show_date():
        return format_date(date(2026, 1, 2), "full")

    @app.get("/page")
    def page():
        text = "{{ day|dateformat('long') }} {{ _('Hello') }}"
        return render_template_string(text, day=date(2026, 1, 2))

    return app
