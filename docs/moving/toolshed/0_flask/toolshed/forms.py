"""Forms."""

from flask_wtf import FlaskForm
from wtforms import EmailField, PasswordField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length, ValidationError

from toolshed.extensions import db
from toolshed.models import User


class RegistrationForm(FlaskForm):
    name = StringField("Name", [DataRequired(), Length(max=40)])
    email = EmailField("Email", [DataRequired(), Length(max=120)])
    password = PasswordField("Password", [DataRequired(), Length(min=8)])

    def validate_name(self, field):
        if db.session.scalar(db.select(User).filter_by(name=field.data)):
            raise ValidationError("This name is taken.")


class ToolForm(FlaskForm):
    name = StringField("Name", [DataRequired(), Length(max=60)])
    description = TextAreaField("Description", [Length(max=1000)])


class BorrowForm(FlaskForm):
    note = StringField("Note", [Length(max=200)])
