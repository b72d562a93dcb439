"""The forms."""

from __future__ import annotations

from quartpatterns.urlprocessors.messages import lazy_gettext as _
from quartpatterns.viewdecorators import current_user
from quartpatterns.wtforms import FileAllowed, FileField, FileRequired, QuartForm
from sqlalchemy import select
from wtforms import Field, HiddenField, PasswordField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, ValidationError

from photoboard.models import Album, User, db
from photoboard.uploads import photos


class LoginForm(QuartForm):
    """A name and a password."""

    name = StringField(
        _("Name"),
        [InputRequired(), Length(max=30)],
        render_kw={"autocomplete": "username"},
    )
    password = PasswordField(
        _("Password"),
        [InputRequired(), Length(max=200)],
        render_kw={"autocomplete": "current-password"},
    )
    next = HiddenField()


class RegistrationForm(QuartForm):
    """A new user."""

    name = StringField(
        _("Name"),
        [InputRequired(), Length(2, 30)],
        render_kw={"autocomplete": "username"},
    )
    password = PasswordField(
        _("Password"),
        [InputRequired(), Length(8, 200)],
        render_kw={"autocomplete": "new-password"},
    )

    async def validate_name(self, field: Field) -> None:
        """Refuse a name that somebody has."""
        async with db.reading():
            same = select(User.id).where(User.name == field.data)
            taken = await db.session.scalar(same) is not None
        if taken:
            raise ValidationError(_("This name is taken."))


class AlbumForm(QuartForm):
    """A new album."""

    title = StringField(_("Title"), [InputRequired(), Length(max=60)])

    async def validate_title(self, field: Field) -> None:
        """Refuse a title that another album of this user has."""
        same = select(Album.id).where(
            Album.title == field.data, Album.owner_id == current_user.id
        )
        if await db.session.scalar(same):
            raise ValidationError(_("You have an album with this title."))


class PhotoForm(QuartForm):
    """A new photo."""

    title = StringField(_("Title"), [InputRequired(), Length(max=60)])
    photo = FileField(
        _("Photo"),
        [FileRequired(), FileAllowed(photos)],
        render_kw={"accept": "image/*"},
    )


class CommentForm(QuartForm):
    """A comment on a photo."""

    text = TextAreaField(_("Comment"), [InputRequired(), Length(max=500)])
