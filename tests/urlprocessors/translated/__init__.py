"""A small shop in English and German, as a package that can be installed."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from quart import Quart, g, jsonify, redirect, render_template, url_for
from quart.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound
from wtforms import IntegerField, StringField, SubmitField
from wtforms.validators import DataRequired, ValidationError

from quartpatterns.flashing import Flashing, flash
from quartpatterns.urlprocessors import LanguageURLs
from quartpatterns.urlprocessors.messages import (
    MessageCatalogs,
    current_formats,
    current_language,
    gettext,
    lazy_gettext,
    lazy_ngettext,
    ngettext,
    pgettext,
)
from quartpatterns.wtforms import CSRFProtect, QuartForm


class OrderForm(QuartForm):
    """A form with translated labels and messages."""

    name = StringField(lazy_gettext("Name"), [DataRequired()], description=lazy_gettext("In full"))
    count = IntegerField(
        lazy_gettext("Number of cakes"), [DataRequired(lazy_gettext("How many cakes?"))]
    )
    submit = SubmitField(lazy_gettext("Order"))

    async def validate_count(self, field: IntegerField) -> None:
        """There are twelve cakes."""
        if (field.data or 0) > 12:
            raise ValidationError(
                lazy_ngettext("Only one cake is left.", "%(num)d cakes are left.", 12)
            )


def create_app(app_class: type[Quart] = Quart, **options: Any) -> Quart:
    """Create the application."""
    app = app_class(__name__)
    app.config.from_mapping(SECRET_KEY="test")
    CSRFProtect(app)
    Flashing(app)
    languages = LanguageURLs(app, languages=["en", "de"], default="en")
    MessageCatalogs(
        app, **{"languages": languages.languages, "timezone": "Europe/Berlin"} | options
    )

    @app.get("/")
    async def start() -> str:
        return gettext("Welcome to the shop")

    @app.route("/<lang_code>/order", methods=["GET", "POST"])
    async def order() -> ResponseReturnValue:
        form = await OrderForm.create()
        if await form.validate_on_submit():
            await flash(lazy_gettext("Thank you, %(name)s", name=form.name.data))
            return redirect(url_for("index"))
        return await render_template("order.html", form=form)

    @app.post("/<lang_code>/errors")
    async def errors() -> ResponseReturnValue:
        form = await OrderForm.create()
        await form.validate()
        return jsonify(form.errors)

    @app.get("/<lang_code>/")
    async def index() -> str:
        return await render_template(
            "index.html",
            day=datetime(2026, 3, 4, 23, 30, tzinfo=UTC),
            price=Decimal("1234.50"),
            cakes=2,
            script="<script>",
        )

    @app.get("/<lang_code>/plain")
    async def plain() -> ResponseReturnValue:
        formats = current_formats()
        return jsonify(
            language=current_language(),
            welcome=gettext("Welcome, %(name)s", name=g.lang_code),
            percent=gettext("100% butter"),
            cakes=[ngettext("%(num)d cake", "%(num)d cakes", number) for number in (1, 2)],
            may=[pgettext("month", "May"), pgettext("verb", "May")],
            price=formats.currency(Decimal("1234.50"), "EUR"),
            time=formats.time(datetime(2026, 7, 4, 12, 0, tzinfo=UTC), "short"),
            missing=gettext("No translation"),
            fuzzy=gettext("Perhaps"),
        )

    @app.errorhandler(404)
    async def not_found(error: NotFound) -> ResponseReturnValue:
        return gettext("There is no such page."), 404

    return app
