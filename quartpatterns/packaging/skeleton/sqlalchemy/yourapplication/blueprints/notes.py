"""Notes: a list with pages, and a form to add one."""

from __future__ import annotations

from quart import Blueprint, abort, redirect, render_template, request, url_for
from quart.typing import ResponseReturnValue
# {% if i18n %}
from quartpatterns.urlprocessors.messages import gettext as _
# {% endif %}
from sqlalchemy import select

from yourapplication.models import Note, db

blueprint = Blueprint("notes", __name__, url_prefix="@{pages}/notes")


@blueprint.get("/")
async def index() -> str:
    """Render a page of notes, the newest first."""
    page = await db.paginate(select(Note).order_by(Note.id.desc()))
    return await render_template("notes.html", page=page, max_length=Note.MAX_LENGTH)


@blueprint.post("/")
async def add() -> ResponseReturnValue:
    """Add a note."""
    text = (await request.form).get("text", "").strip()
    if not 1 <= len(text) <= Note.MAX_LENGTH or not text.isprintable():
        abort(400, @{p("A note must be one line of 1 to %(max)s characters.", max="Note.MAX_LENGTH")})
    db.session.add(Note(text=text))
    await db.session.commit()
    return redirect(url_for("notes.index"), 303)
