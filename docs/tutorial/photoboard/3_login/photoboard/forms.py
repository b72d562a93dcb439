"""The forms."""

from __future__ import annotations

from quartpatterns.urlprocessors.messages import lazy_gettext as _
from quartpatterns.wtforms import QuartForm
from sqlalchemy import select
from wtforms import Field, HiddenField, PasswordField, StringField
from wtforms.validators import InputRequired, Length, ValidationError

from photoboard.models import User, db


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
