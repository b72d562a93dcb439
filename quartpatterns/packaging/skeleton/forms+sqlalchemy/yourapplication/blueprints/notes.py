"""Notes: a list with pages, and a form to add one."""

from __future__ import annotations

from quart import Blueprint, redirect, render_template, url_for
from quart.typing import ResponseReturnValue
# {% if flashing %}
from quartpatterns.flashing import flash
# {% endif %}
# {% if i18n %}
from quartpatterns.urlprocessors.messages import lazy_gettext as _
# {% endif %}
# {% if login %}
from quartpatterns.viewdecorators import login_required
# {% endif %}
from quartpatterns.wtforms import QuartForm
from sqlalchemy import select
from wtforms import Field, StringField
from wtforms.validators import DataRequired, Length, ValidationError

from yourapplication.models import Note, db

blueprint = Blueprint("notes", __name__, url_prefix="@{pages}/notes")


class NoteForm(QuartForm):
    """A new note."""

    text = StringField(@{p("Text")}, [DataRequired(), Length(max=Note.MAX_LENGTH)])

    async def validate_text(self, field: Field) -> None:
        """Refuse several lines. A validator may also await a query."""
        if not (field.data or "").isprintable():
            raise ValidationError(@{p("A note must be one line.")})


@blueprint.get("/")
async def index() -> str:
    """Render a page of notes, the newest first."""
    return await render_page(await NoteForm.create())


@blueprint.post("/")
# {% if login %}
@login_required
# {% endif %}
async def add() -> ResponseReturnValue:
    """Add a note."""
    form = await NoteForm.create()
    if not await form.validate_on_submit():
        return await render_page(form)
    db.session.add(Note(text=form.text.data))
    await db.session.commit()
# {% if flashing %}
    await flash(@{p("The note is saved.")})
# {% endif %}
    return redirect(url_for("notes.index"), 303)


async def render_page(form: NoteForm) -> str:
    page = await db.paginate(select(Note).order_by(Note.id.desc()))
    return await render_template("notes.html", page=page, form=form)
