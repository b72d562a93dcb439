"""A JSON API of database models: secrets stay in, privileges stay out, errors name the remedy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import ValidationError
from quart import Quart
from quart_schema import QuartSchema, validate_request, validate_response
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    deferred,
    mapped_column,
    relationship,
    selectinload,
)

from quartpatterns.sqlalchemy import Model, SQLAlchemy
from quartpatterns.sqlalchemy.schemas import (
    ChangeSchema,
    InSchema,
    NotLoadedError,
    OutSchema,
    schema_of,
)


class Base(Model, DeclarativeBase):
    pass


class Photo(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(20))
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("user.id"))
    owner: Mapped[User] = relationship(back_populates="photos")


class User(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(10))
    note: Mapped[str | None]
    size: Mapped[int] = mapped_column(default=3)
    is_admin: Mapped[bool] = mapped_column(default=False)
    password_hash: Mapped[str]
    photos: Mapped[list[Photo]] = relationship(back_populates="owner")

    @hybrid_property
    def shout(self) -> str:
        return self.name.upper()

    @property
    def initial(self) -> str:
        return self.name[0]


class UserBrief(OutSchema[User], fields=["id"]):
    name: str


class PhotoOut(OutSchema[Photo], fields=["id", "title"]):
    owner: UserBrief


class UserOut(OutSchema[User], fields=["id", "note"]):
    name: str
    shout: str
    initial: str
    photos: list[TitleOnly]  # declared below


class TitleOnly(OutSchema[Photo]):
    title: str


UserOut.model_rebuild()


class UserIn(InSchema[User], fields=["note", "size"]):
    name: str
    password: str


class UserChange(ChangeSchema[User], fields=["note", "size"]):
    name: str | None


db = SQLAlchemy(model_class=Base)


@pytest.fixture
async def app(app_class: type[Quart], tmp_path: Path) -> AsyncIterator[Quart]:
    app = app_class(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path / 'users.db'}"
    db.init_app(app)
    QuartSchema(app)

    @app.post("/users")
    @validate_request(UserIn)
    @validate_response(UserOut, 201)
    async def create(data: UserIn) -> Any:
        values = data.model_dump(exclude={"password"}, exclude_unset=True)
        user = User(**values, password_hash=f"hash of {data.password}", photos=[])
        user.photos.append(Photo(title="first"))
        db.session.add(user)
        await db.session.commit()
        return UserOut.model_validate(user), 201

    @app.patch("/users/<int:id>")
    @validate_request(UserChange)
    @validate_response(UserBrief)
    async def change(id: int, data: UserChange) -> Any:
        user = await db.get_or_404(User, id)
        for name, value in data.model_dump(exclude_unset=True).items():
            setattr(user, name, value)
        await db.session.commit()
        return UserBrief.model_validate(user)

    @app.get("/users/<int:id>")
    @validate_response(UserOut)
    async def show(id: int) -> Any:
        return UserOut.model_validate(await db.get_or_404(User, id))

    @app.get("/photos")
    @validate_response(list[PhotoOut])
    async def photos() -> Any:
        found = await db.session.scalars(sa.select(Photo).options(selectinload(Photo.owner)))
        return [PhotoOut.model_validate(photo) for photo in found]

    async with app.app_context():
        await db.create_all()
    yield app
    await app.extensions["sqlalchemy"].close()


SENT = {"name": "Ada", "password": "secret"}


async def test_api(app: Quart) -> None:
    """A user is created, listed and changed; the hash and the privilege stay in."""
    client = app.test_client()
    answer = await client.post("/users", json=SENT)
    assert answer.status_code == 201
    assert await answer.get_json() == {
        "id": 1, "note": None, "name": "Ada", "shout": "ADA", "initial": "A",
        "photos": [{"title": "first"}],
    }  # fmt: skip
    answer = await client.get("/photos")
    assert await answer.get_json() == [
        {"id": 1, "title": "first", "owner": {"id": 1, "name": "Ada"}}
    ]
    answer = await client.patch("/users/1", json={"note": "x"})
    assert await answer.get_json() == {"id": 1, "name": "Ada"}
    async with app.app_context():
        user = await db.get_or_404(User, 1)
        assert (user.note, user.size, user.is_admin) == ("x", 3, False)
        assert user.password_hash == "hash of secret"


@pytest.mark.parametrize(
    ("method", "sent"),
    [
        pytest.param("POST", {**SENT, "is_admin": True}, id="a privilege"),
        pytest.param("POST", {**SENT, "id": 7}, id="a key"),
        pytest.param("POST", {**SENT, "password_hash": "x"}, id="a hash"),
        pytest.param("POST", {**SENT, "name": "n" * 11}, id="too long"),
        pytest.param("PATCH", {"name": None}, id="NULL"),
        pytest.param("PATCH", {"name": "n" * 11}, id="too long in a change"),
        pytest.param("PATCH", {"size": None}, id="NULL in a generated field"),
        pytest.param("PATCH", {"is_admin": True}, id="a privilege in a change"),
    ],
)
async def test_refused(app: Quart, method: str, sent: dict[str, Any]) -> None:
    client: Any = app.test_client()
    await client.post("/users", json=SENT)
    answer = await client.open("/users" + "/1" * (method == "PATCH"), method=method, json=sent)
    assert answer.status_code == 400


async def test_document(app: Quart) -> None:
    """The OpenAPI document has the fields, their limits, and no other column."""
    text = await (await app.test_client().get("/openapi.json")).get_data(as_text=True)
    assert "password_hash" not in text
    assert "is_admin" not in text
    assert '"maxLength":10' in text.replace(" ", "")


async def test_not_loaded(app: Quart) -> None:
    """An attribute that is not loaded is an error that says how to load it."""
    await app.test_client().post("/users", json=SENT)
    async with app.app_context():
        user = await db.get_or_404(User, 1)
        with pytest.raises(NotLoadedError, match=r"photos of User.*selectinload\(User.photos\)"):
            UserOut.model_validate(user)
        await db.session.refresh(user, ["photos"])
        assert UserOut.model_validate(user).photos[0].title == "first"


class Secrets(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    apiKey: Mapped[str]  # noqa: N815
    reset_token: Mapped[str]
    pwd: Mapped[str]
    marked: Mapped[str] = mapped_column(info={"secret": True})
    renamed: Mapped[str] = mapped_column("user_password")
    large: Mapped[str] = deferred(mapped_column(sa.Text))
    file_hash: Mapped[str] = mapped_column(info={"secret": False})
    passenger: Mapped[str]
    is_admin: Mapped[bool]
    other_id: Mapped[int] = mapped_column(sa.ForeignKey("user.id"))


SECRET = ["apiKey", "reset_token", "pwd", "marked", "renamed", "large"]
PUBLIC = ["id", "title", "file_hash", "passenger", "is_admin", "other_id"]


def test_all() -> None:
    """All columns are never meant without a word, and '*' does not cover secrets."""
    for kind in ("in", "out", "change"):
        with pytest.raises(ValueError, match=r"write include=\[...\] with some of 'id', 'title'"):
            schema_of(Secrets, kind)
    with pytest.raises(ValueError, match="does not cover these columns of Secrets") as error:
        schema_of(Secrets, "out", include="*")
    assert f"exclude={SECRET!r}" in str(error.value)
    assert list(schema_of(Secrets, "out", include="*", exclude=SECRET).model_fields) == PUBLIC
    assert list(schema_of(Secrets, "out", exclude=SECRET).model_fields) == PUBLIC
    assert list(schema_of(Secrets, "out", include=["pwd"]).model_fields) == ["pwd"]
    with pytest.raises(ValueError, match=r"is_admin \(a privilege\), other_id \(a foreign key\)"):
        schema_of(Secrets, "in", exclude=SECRET)
    fields = schema_of(Secrets, "change", exclude=[*SECRET, "is_admin", "other_id"]).model_fields
    assert list(fields) == ["title", "file_hash", "passenger"]


def test_classes() -> None:
    """Mistakes in the declaration are errors when the class is made."""
    with pytest.raises(ValueError, match="'\\*' does not cover these columns of Secrets: apiKey"):

        class All(OutSchema[Secrets], fields="*"):
            pass

    with pytest.raises(ValueError, match="User has no column colour"):

        class Unknown(OutSchema[User], fields=["colour"]):
            pass

    with pytest.raises(ValueError, match="User has no attribute 'nmae'"):

        class Misspelt(OutSchema[User]):
            nmae: str

    with pytest.raises(ValueError, match="Empty has no fields"):

        class Empty(OutSchema[User]):
            pass

    with pytest.raises(ValueError, match=r"in a list, \['name'\]"):

        class Text(OutSchema[User], fields="name"):
            pass

    with pytest.raises(TypeError, match=r"write OutSchema\[TheModel\]"):

        class NoModel(OutSchema):  # type: ignore[type-arg]
            pass

    class Derived(UserBrief, fields=["note"]):
        size: int

    user = User(id=1, name="Ada", note=None, size=2)
    assert Derived.model_validate(user).model_dump() == {
        "id": 1, "name": "Ada", "note": None, "size": 2,
    }  # fmt: skip


def test_change() -> None:
    assert UserChange.model_validate({}).model_dump(exclude_unset=True) == {}
    with pytest.raises(ValidationError, match="name must not be null"):
        UserChange.model_validate({"name": None})
