"""The database."""

from __future__ import annotations

from datetime import UTC, datetime

from quartpatterns.sqlalchemy import Model, SQLAlchemy
from quartpatterns.viewdecorators import UserMixin
from sqlalchemy import DateTime, ForeignKey, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

# Constraints need names, so that migrations can drop them.
NAMES = {
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
}


class Base(Model, DeclarativeBase):
    """The base class of all models."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {datetime: DateTime(timezone=True)}


db = SQLAlchemy(model_class=Base)


class User(UserMixin, Base):
    """A person who can log in."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30), unique=True)
    password_hash: Mapped[str] = mapped_column(String(200))


class Album(Base):
    """Photos of one person."""

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(60))
    owner_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    cover: Mapped[str | None] = mapped_column(String(200))
    owner: Mapped[User] = relationship(lazy="joined", innerjoin=True)


class Photo(Base):
    """A photo of an album."""

    id: Mapped[int] = mapped_column(primary_key=True)
    album_id: Mapped[int] = mapped_column(ForeignKey("album.id"), index=True)
    title: Mapped[str] = mapped_column(String(60))
    file: Mapped[str] = mapped_column(String(200))
    created: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    album: Mapped[Album] = relationship(lazy="joined", innerjoin=True)


class Comment(Base):
    """What a person has written about a photo."""

    id: Mapped[int] = mapped_column(primary_key=True)
    photo_id: Mapped[int] = mapped_column(ForeignKey("photo.id"), index=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    text: Mapped[str] = mapped_column(String(500))
    created: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    author: Mapped[User] = relationship(lazy="joined", innerjoin=True)
