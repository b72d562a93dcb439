"""The JSON API. /openapi.json describes it."""

from __future__ import annotations

from pydantic import BaseModel
from quart import Blueprint
from quart_schema import validate_request, validate_response
from quartpatterns.sqlalchemy.schemas import schema_of
from quartpatterns.viewdecorators import current_user, login_required
from sqlalchemy import select

from photoboard.feed import publish
from photoboard.models import Album, Comment, Photo, db

api = Blueprint("api", __name__, url_prefix="/api")

AlbumOut = schema_of(Album, "out", include=["id", "title", "owner_id"])
PhotoOut = schema_of(Photo, "out", include=["id", "title", "album_id", "created"])
CommentIn = schema_of(Comment, "in", include=["text"])
CommentOut = schema_of(Comment, "out")


class Albums(BaseModel):
    albums: list[AlbumOut]
    next: int | None


@api.get("/albums")
@validate_response(Albums)
async def list_albums() -> Albums:
    """The albums, the newest first, in pages: ?page=2."""
    page = await db.paginate(select(Album).order_by(Album.id.desc()))
    return Albums(albums=[AlbumOut.model_validate(one) for one in page], next=page.next_num)


@api.get("/photos/<int:id>")
@validate_response(PhotoOut)
async def show_photo(id: int) -> BaseModel:
    """A photo."""
    return PhotoOut.model_validate(await db.get_or_404(Photo, id))


@api.post("/photos/<int:id>/comments")
@validate_request(CommentIn)
@validate_response(CommentOut, 201)
@login_required
async def add_comment(id: int, data: BaseModel) -> tuple[BaseModel, int]:
    """Write a comment. The request needs the session cookie and the header X-CSRFToken."""
    photo = await db.get_or_404(Photo, id)
    comment = Comment(photo_id=id, author_id=current_user.id, **data.model_dump())
    db.session.add(comment)
    await db.session.commit()
    await publish("comment", id, photo.title, current_user.name)
    return CommentOut.model_validate(comment), 201
