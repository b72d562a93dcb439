"""Notes: listed in pages, added by a form."""

from __future__ import annotations

from quart import Blueprint, abort, redirect, render_template, request, url_for
from quart.typing import ResponseReturnValue
from sqlalchemy import select

from yourapplication.models import Note, db

notes = Blueprint("notes", __name__, url_prefix="/notes")


@notes.get("/")
async def index() -> str:
    """A page of notes, the newest first."""
    page = await db.paginate(select(Note).order_by(Note.id.desc()))
    return await render_template("notes.html", page=page, longest=Note.LONGEST)


@notes.post("/")
async def add() -> ResponseReturnValue:
    """One more note."""
    text = (await request.form).get("text", "").strip()
    if not 1 <= len(text) <= Note.LONGEST or not text.isprintable():
        abort(400, f"A note is a line of 1 to {Note.LONGEST} characters.")
    db.session.add(Note(text=text))
    await db.session.commit()
    return redirect(url_for("notes.index"), 303)
