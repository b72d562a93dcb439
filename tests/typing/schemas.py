"""The types of schemas that users declare: type checkers read this file."""

# Quart-Schema's decorators have unknown types if msgspec is not installed.
# pyright: reportUnknownVariableType=false, reportUntypedFunctionDecorator=false

from __future__ import annotations

from typing import Any, assert_type

from pydantic import BaseModel
from quart import Quart
from quart_schema import validate_request, validate_response
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from quartpatterns.sqlalchemy import Model, SQLAlchemy
from quartpatterns.sqlalchemy.schemas import ChangeSchema, InSchema, OutSchema, schema_of


class Base(Model, DeclarativeBase):
    pass


class User(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    password_hash: Mapped[str]


class UserOut(OutSchema[User], fields=["id"]):
    name: str


class UserIn(InSchema[User], fields="*", exclude=["password_hash"]):
    password: str


class UserChange(ChangeSchema[User]):
    name: str


db = SQLAlchemy(model_class=Base)


def application(app: Quart) -> None:
    @app.post("/users")
    @validate_request(UserIn)
    @validate_response(UserOut, 201)
    async def create(data: UserIn) -> Any:  # Quart's types do not allow models
        assert_type(data.password, str)
        user = User(**data.model_dump(exclude={"password"}), password_hash="")
        db.session.add(user)
        await db.session.commit()
        return UserOut.model_validate(user), 201

    @app.patch("/users/<int:id>")
    @validate_request(UserChange)
    @validate_response(UserOut)
    async def change(id: int, data: UserChange) -> Any:
        out = UserOut.model_validate(await db.get_or_404(User, id))
        assert_type(out, UserOut)
        assert_type(out.name, str)
        assert_type(out.id, Any)
        return out


def dynamic(names: list[str]) -> None:
    assert_type(schema_of(User, "out", include=names), type[BaseModel])
