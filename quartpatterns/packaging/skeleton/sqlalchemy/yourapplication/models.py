"""The database models."""

from __future__ import annotations

from quartpatterns.sqlalchemy import Model, SQLAlchemy
# {% if login %}
from quartpatterns.viewdecorators import UserMixin
# {% endif %}
from sqlalchemy import MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# Constraints need names, so that migrations can drop them.
NAMES = {
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
}


class Base(Model, DeclarativeBase):
    """The base class of all models."""

    metadata = MetaData(naming_convention=NAMES)


db = SQLAlchemy(model_class=Base)


class Note(Base):
    """A line of text."""

    MAX_LENGTH = 200

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(MAX_LENGTH))
# {% if login %}


class User(UserMixin, Base):
    """A person who can log in."""

    MAX_LENGTH = 30

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(MAX_LENGTH), unique=True)
    password_hash: Mapped[str] = mapped_column(String(200))
# {% endif %}
