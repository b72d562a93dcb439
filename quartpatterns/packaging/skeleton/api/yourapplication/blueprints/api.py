"""The JSON API. /api/docs documents it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints
from quart import Blueprint
from quart_schema import validate_querystring, validate_request, validate_response
from quartpatterns.sqlalchemy.schemas import InSchema, OutSchema
# {% if login %}
from quartpatterns.viewdecorators import login_required
# {% endif %}
from sqlalchemy import select

from yourapplication.models import Note, db
# {% if forms and not login %}
from yourapplication.protection import csrf
# {% endif %}

blueprint = Blueprint("api", __name__, url_prefix="/api")
# {% if forms and not login %}
csrf.exempt(blueprint)  # There is no login that another site could use.
# {% endif %}
# The text of a note: one line.
Line = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=Note.MAX_LENGTH, pattern=r"^[^\r\n]*$"
    ),
]


class NoteIn(InSchema[Note]):
    """A new note."""

    text: Line


class NoteOut(OutSchema[Note]):
    """A note."""

    id: int
    text: str


class PageQuery(BaseModel):
    """Which page of the notes."""

    page: Annotated[int, Field(ge=1)] = 1


class NotesOut(BaseModel):
    """A page of notes, and the number of the next page."""

    notes: list[NoteOut]
    next: int | None


@blueprint.get("/notes")
@validate_querystring(PageQuery)
@validate_response(NotesOut)
async def list_notes(query_args: PageQuery) -> Any:
    """The notes, the newest first."""
    page = await db.paginate(select(Note).order_by(Note.id.desc()), page=query_args.page)
    return NotesOut(notes=[NoteOut.model_validate(note) for note in page], next=page.next_num)


@blueprint.get("/notes/<int:id>")
@validate_response(NoteOut)
async def show_note(id: int) -> Any:
    """A note."""
    return NoteOut.model_validate(await db.get_or_404(Note, id))


@blueprint.post("/notes")
# {% if login %}
@login_required
# {% endif %}
@validate_request(NoteIn)
@validate_response(NoteOut, 201)
async def add_note(data: NoteIn) -> Any:
# {% if login %}
    """Add a note. It needs the session cookie and the header X-CSRFToken."""
# {% else %}
    """Add a note."""
# {% endif %}
    note = Note(text=data.text)
    db.session.add(note)
    await db.session.commit()
    return NoteOut.model_validate(note), 201
