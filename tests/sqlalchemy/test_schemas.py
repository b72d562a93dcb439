"""Models of the database as models of Quart-Schema: what a client may send, and what it gets."""

from __future__ import annotations

import datetime as dt
import enum
import subprocess
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import BaseModel, ValidationError
from quart import Quart
from quart_schema import QuartSchema, validate_request, validate_response
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry

from quartpatterns.sqlalchemy import Model, SQLAlchemy
from quartpatterns.sqlalchemy.schemas import OutSchema, schema_of


class Base(Model, DeclarativeBase):
    pass


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Shirt(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(10), unique=True)
    note: Mapped[str | None] = mapped_column(sa.Text)
    size: Mapped[Size] = mapped_column(default=Size.SMALL)
    price: Mapped[Decimal] = mapped_column(sa.Numeric(8, 2))
    made: Mapped[dt.datetime] = mapped_column(server_default=sa.func.now())
    secret: Mapped[str] = mapped_column(default="hidden")
    double: Mapped[int] = mapped_column(sa.Computed("id * 2"))
    label: Mapped[str] = sa.orm.column_property(name + "!")


db = SQLAlchemy(model_class=Base)
ShirtIn = schema_of(Shirt, "in", exclude=["secret"])
ShirtOut = schema_of(Shirt, "out", exclude=["secret"])
ShirtChange = schema_of(Shirt, "change", include=["note", "price"])


@pytest.fixture
async def app(app_class: type[Quart], url: str) -> AsyncIterator[Quart]:
    """An application that validates requests and responses."""
    app = app_class(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db.init_app(app)
    QuartSchema(app)

    @app.post("/shirts")
    @validate_request(ShirtIn)
    @validate_response(ShirtOut, 201)
    async def create(data: BaseModel) -> tuple[BaseModel, int]:
        shirt = Shirt(**data.model_dump(exclude_unset=True))
        db.session.add(shirt)
        await db.session.commit()
        await db.session.refresh(shirt)
        return ShirtOut.model_validate(shirt), 201

    @app.patch("/shirts/<int:id>")
    @validate_request(ShirtChange)
    @validate_response(ShirtOut)
    async def change(id: int, data: BaseModel) -> BaseModel:
        shirt = await db.get_or_404(Shirt, id)
        for name, value in data.model_dump(exclude_unset=True).items():
            setattr(shirt, name, value)
        await db.session.commit()
        await db.session.refresh(shirt)
        return ShirtOut.model_validate(shirt)

    async with app.app_context():
        await db.create_all()
    yield app
    await app.extensions["sqlalchemy"].close()


async def test_in_and_out(app: Quart) -> None:
    """A row is created from JSON, and the response has the values of the database."""
    client = app.test_client()
    sent = {"name": "plain", "price": "9.50", "size": "large"}
    answer = await client.post("/shirts", json=sent)
    assert answer.status_code == 201
    data = await answer.get_json()
    assert data.pop("made")
    assert data == {
        "id": 1, "name": "plain", "note": None, "size": "large", "price": "9.50", "double": 2,
    }  # fmt: skip
    answer = await client.patch("/shirts/1", json={"note": "soft"})
    changed = await answer.get_json()
    assert (changed["note"], changed["price"]) == ("soft", "9.50")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"name": "n" * 11, "price": 1}, id="too long"),
        pytest.param({"name": "n", "price": "cheap"}, id="no number"),
        pytest.param({"name": None, "price": 1}, id="NULL"),
        pytest.param({"name": "n", "price": 1, "size": "huge"}, id="no size"),
        pytest.param({"name": "n", "price": 1, "id": 7}, id="a key that is the database's"),
        pytest.param({"name": "n", "price": 1, "double": 7}, id="a computed column"),
        pytest.param({"name": "n", "price": 1, "secret": "s"}, id="what is left out"),
        pytest.param([], id="no object"),
    ],
)
async def test_refused(app: Quart, sent: Any) -> None:
    """Input that the table would refuse answers 400."""
    answer = await app.test_client().post("/shirts", json=sent)
    assert answer.status_code == 400
    async with app.app_context():
        assert await db.session.scalar(sa.select(sa.func.count(Shirt.id))) == 0


async def test_document(app: Quart) -> None:
    """The OpenAPI document has the models, with their limits."""
    document = await (await app.test_client().get("/openapi.json")).get_json()
    create = document["paths"]["/shirts"]["post"]
    sent = create["requestBody"]["content"]["application/json"]["schema"]
    assert sent["properties"]["name"]["maxLength"] == 10
    assert set(sent["required"]) == {"name", "price"}
    assert sent["title"] == "ShirtIn"
    answered = create["responses"]["201"]["content"]["application/json"]["schema"]
    assert "secret" not in answered["properties"]


def test_change() -> None:
    """All fields are optional, and missing ones are not set."""
    assert ShirtChange.model_validate({}).model_dump(exclude_unset=True) == {}
    with pytest.raises(ValidationError):
        ShirtChange.model_validate({"name": "x"})


def test_names() -> None:
    assert schema_of(Shirt, "out", include=["id"], name="Kit").__name__ == "Kit"
    keyed = schema_of(Shirt, "in", include=["id", "name"])
    assert set(keyed.model_fields) == {"id", "name"}
    with pytest.raises(ValueError, match="has no column colour"):
        schema_of(Shirt, "in", exclude=["colour"])


@pytest.mark.parametrize(
    "name",
    "passwordhash password2 userPassword pw pwhash clientsecret accesstoken fs_uniquifier auth_key"
    " apikey session_key reset_code backup_codes verification_code hashed_pw".split(),
)
def test_names_of_secrets(name: str) -> None:
    """All columns but the named ones are no schema if one of them looks secret."""
    table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))
    table.append_column(sa.Column(name, sa.String))
    model = type("Model", (), {})
    registry().map_imperatively(model, table)
    with pytest.raises(ValueError, match=rf"{name} \(secret\)"):
        schema_of(model, "out", include="*")


@pytest.mark.parametrize("name", ["secretary", "tokenized", "compass", "spin", "hashtag", "bypass"])
def test_names_of_no_secrets(name: str) -> None:
    table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))
    table.append_column(sa.Column(name, sa.String))
    model = type("Model", (), {})
    registry().map_imperatively(model, table)
    assert set(schema_of(model, "out", include="*").model_fields) == {"id", name}


def test_exclude_is_a_list() -> None:
    """A string would be a list of letters."""
    with pytest.raises(ValueError, match=r"in a list: \['secret'\]"):
        schema_of(Shirt, "out", exclude="secret")
    with pytest.raises(ValueError, match=r"in a list: \['secret'\]"):

        class Out(OutSchema[Shirt], fields="*", exclude="secret"):
            pass


def test_without_pydantic() -> None:
    """Without Pydantic the error of the module names the extra, and the package works."""
    program = """
import sys
sys.modules["pydantic"] = None
import quartpatterns.sqlalchemy
try:
    import quartpatterns.sqlalchemy.schemas
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pip install 'quartpatterns[ajax]'" in done.stdout, done.stderr
