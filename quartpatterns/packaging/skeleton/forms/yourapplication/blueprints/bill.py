"""A form that shares a bill."""

from __future__ import annotations

# {% if flashing %}
from quart import Blueprint, redirect, render_template, url_for
# {% else %}
from quart import Blueprint, render_template
# {% endif %}
from quart.typing import ResponseReturnValue
# {% if flashing %}
from quartpatterns.flashing import flash
# {% endif %}
# {% if i18n %}
from quartpatterns.urlprocessors.messages import lazy_gettext as _
# {% endif %}
from quartpatterns.wtforms import QuartForm
from wtforms import DecimalField, IntegerField
from wtforms.validators import InputRequired, NumberRange

blueprint = Blueprint("bill", __name__, url_prefix="@{pages}/bill")


class BillForm(QuartForm):
    """A bill and the number of people who share it."""

    amount = DecimalField(@{p("Amount")}, [InputRequired(), NumberRange(0, 1_000_000)])
    people = IntegerField(@{p("People")}, [InputRequired(), NumberRange(1, 1000)])


@blueprint.route("/", methods=["GET", "POST"])
async def index() -> ResponseReturnValue:
    """Render the form. If it is valid, say what each person pays."""
    form = await BillForm.create()
# {% if not flashing %}
    result = ""
# {% endif %}
    if await form.validate_on_submit() and form.amount.data is not None and form.people.data:
        share = round(form.amount.data / form.people.data, 2)
# {% if flashing %}
        await flash(@{p("Each person pays %(share)s.", share="share")})
        return redirect(url_for("bill.index"), 303)
    return await render_template("bill.html", form=form)
# {% else %}
        result = @{p("Each person pays %(share)s.", share="share")}
    return await render_template("bill.html", form=form, result=result)
# {% endif %}
