"""Albums and their photos."""

from __future__ import annotations

from quart import Blueprint, Response, abort, redirect, render_template, url_for
from quart.typing import ResponseReturnValue
from quartpatterns.flashing import flash
from quartpatterns.streaming import csv_response
from quartpatterns.urlprocessors.messages import gettext as _
from quartpatterns.viewdecorators import current_user, login_required
from sqlalchemy import select

from photoboard.cache import cache
from photoboard.feed import publish
from photoboard.forms import AlbumForm, CommentForm, PhotoForm
from photoboard.models import Album, Comment, Photo, db
from photoboard.tasks import make_thumbnail
from photoboard.uploads import photos

albums = Blueprint("albums", __name__, url_prefix="/<lang_code>")


@albums.route("/albums/new", methods=["GET", "POST"])
@login_required
async def create() -> ResponseReturnValue:
    """Create an album."""
    form = await AlbumForm.create()
    if await form.validate_on_submit():
        album = Album(title=form.title.data, owner_id=current_user.id)
        db.session.add(album)
        await db.session.commit()
        await cache.delete_tags("albums")
        return redirect(url_for("albums.show", id=album.id), 303)
    return await render_template("form.html", form=form, title=_("New album"))


@albums.get("/albums/<int:id>")
@cache.cached(timeout=60, query_string=True, tags=["albums"])
async def show(id: int) -> ResponseReturnValue:
    """The photos of an album, the newest first."""
    return await album_page(await db.get_or_404(Album, id), await PhotoForm.create())


@albums.post("/albums/<int:id>")
@login_required
async def upload(id: int) -> ResponseReturnValue:
    """Add a photo."""
    album = await db.get_or_404(Album, id)
    if album.owner_id != current_user.id:
        abort(403)
    form = await PhotoForm.create()
    if await form.validate_on_submit():
        file = await photos.save(form.photo.data, folder=str(id))
        photo = Photo(album_id=id, title=form.title.data, file=file)
        db.session.add(photo)
        await db.session.commit()
        await cache.delete_tags("albums")
        await make_thumbnail.delay(photo.id)
        await flash(_("The photo is saved."))
        return redirect(url_for("albums.show", id=id), 303)
    return await album_page(album, form)


async def album_page(album: Album, form: PhotoForm) -> str:
    select_photos = (
        select(Photo).where(Photo.album_id == album.id).order_by(Photo.id.desc())
    )
    page = await db.paginate(select_photos, per_page=24)
    return await render_template("album.html", album=album, page=page, form=form)


@albums.get("/albums/<int:id>/photos.csv")
async def export(id: int) -> Response:
    """The photos of an album as a table, sent while it is read from the database."""
    await db.get_or_404(Album, id)
    table = select(Photo.id, Photo.title, Photo.created).where(Photo.album_id == id)
    return csv_response(
        db.rows(table.order_by(Photo.id)),
        filename=f"album-{id}.csv",
        escape_formulas=True,
    )


@albums.route("/photos/<int:id>", methods=["GET", "POST"])
async def photo(id: int) -> ResponseReturnValue:
    """A photo and its comments. Users may write one."""
    photo = await db.get_or_404(Photo, id)
    form = await CommentForm.create()
    if form.is_submitted() and not current_user:
        abort(401)
    if await form.validate_on_submit():
        db.session.add(
            Comment(photo_id=id, author_id=current_user.id, text=form.text.data)
        )
        await db.session.commit()
        await publish("comment", id, photo.title, current_user.name)
        return redirect(url_for("albums.photo", id=id), 303)
    select_comments = select(Comment).where(Comment.photo_id == id).order_by(Comment.id)
    comments = await db.session.scalars(select_comments.limit(200))
    return await render_template(
        "photo.html", photo=photo, comments=comments, form=form
    )
