"""Forms."""

from quartpatterns.wtforms import FlaskForm
from sqlalchemy import select
from wtforms import EmailField, PasswordField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length, ValidationError

from toolshed.models import User

from .extensions import db


class RegistrationForm(FlaskForm):
    name = StringField("Name", [DataRequired(), Length(max=40)])
    email = EmailField("Email", [DataRequired(), Length(max=120)])
    password = PasswordField("Password", [DataRequired(), Length(min=8)])

    async def validate_name(self, field):
        if await db.session.scalar(select(User).filter_by(name=field.data)):
            raise ValidationError("This name is taken.")


class ToolForm(FlaskForm):
    name = StringField("Name", [DataRequired(), Length(max=60)])
    description = TextAreaField("Description", [Length(max=1000)])


class BorrowForm(FlaskForm):
    note = StringField("Note", [Length(max=200)])
