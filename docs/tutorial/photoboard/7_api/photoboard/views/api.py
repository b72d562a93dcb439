"""The JSON API. /openapi.json describes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel
from quart import Blueprint
from quart_schema import validate_request, validate_response
from quartpatterns.sqlalchemy.schemas import InSchema, OutSchema
from quartpatterns.viewdecorators import current_user, login_required
from sqlalchemy import select

from photoboard.feed import publish
from photoboard.models import Album, Comment, Photo, db

api = Blueprint("api", __name__, url_prefix="/api")


class AlbumOut(OutSchema[Album]):
    """An album."""

    id: int
    title: str
    owner_id: int


class AlbumsOut(BaseModel):
    """A page of albums, and the number of the next page."""

    albums: list[AlbumOut]
    next: int | None


class PhotoOut(OutSchema[Photo]):
    """A photo."""

    id: int
    title: str
    album_id: int
    created: datetime


class CommentIn(InSchema[Comment]):
    """A new comment. The text has the maximum length of its column."""

    text: str


class CommentOut(OutSchema[Comment]):
    """A comment."""

    id: int
    author_id: int
    text: str
    created: datetime


@api.get("/albums")
@validate_response(AlbumsOut)
async def list_albums() -> Any:
    """The albums, the newest first, in pages: ?page=2."""
    page = await db.paginate(select(Album).order_by(Album.id.desc()))
    albums = [AlbumOut.model_validate(album) for album in page]
    return AlbumsOut(albums=albums, next=page.next_num)


@api.get("/photos/<int:id>")
@validate_response(PhotoOut)
async def show_photo(id: int) -> Any:
    """A photo."""
    return PhotoOut.model_validate(await db.get_or_404(Photo, id))


@api.post("/photos/<int:id>/comments")
@login_required
@validate_request(CommentIn)
@validate_response(CommentOut, 201)
async def add_comment(id: int, data: CommentIn) -> Any:
    """Write a comment. It needs the session cookie and the header X-CSRFToken."""
    photo = await db.get_or_404(Photo, id)
    comment = Comment(photo_id=id, author_id=current_user.id, text=data.text)
    db.session.add(comment)
    await db.session.commit()
    await publish("comment", id, photo.title, current_user.name)
    return CommentOut.model_validate(comment), 201
