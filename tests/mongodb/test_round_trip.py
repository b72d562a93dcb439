"""What beanie stores with its own defaults is stored here, and can be read back."""

from __future__ import annotations

import enum
import ipaddress
import pathlib
import re
import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import beanie
import pytest
from bson import Decimal128
from pydantic import (
    AfterValidator,
    AnyUrl,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    SecretStr,
    computed_field,
    field_serializer,
    field_validator,
)
from pymongo import AsyncMongoClient
from quart import Quart
from typing_extensions import TypedDict

from quartpatterns.mongodb import Document, DocumentInvalid, MongoDB
from tests.mongodb.shop import connection

Base = type[beanie.Document]


class Color(enum.Enum):
    RED = "red"


class Size(BaseModel):
    width: int = Field(alias="w")
    price: Decimal | None = None


class Prices(RootModel[list[Decimal]]):
    pass


class Row(TypedDict):
    price: Decimal


def rounding(base: Base) -> beanie.Document:
    class Case(base):  # type: ignore[misc,valid-type]
        price: float

        @field_serializer("price")
        def rounded(self, value: float) -> float:
            return round(value)

    return Case(price=1.75)


def revision(base: Base) -> beanie.Document:
    class Case(base):  # type: ignore[misc,valid-type]
        name: str

        class Settings:
            use_revision = True

    return Case(name="x")


def alias(base: Base) -> beanie.Document:
    class Case(base):  # type: ignore[misc,valid-type]
        size: Size
        sizes: list[Size] = []

    return Case(size=Size(w=1), sizes=[Size(w=2)])


def hashing(base: Base) -> beanie.Document:
    class Case(base):  # type: ignore[misc,valid-type]
        password: Annotated[str, AfterValidator(lambda value: value.removeprefix("plain:") + "!")]

        @field_validator("password", mode="before")
        @classmethod
        def once(cls, value: str) -> str:
            return value if value.endswith("!!") else value + "!"

    return Case(password="plain:x")


def computed(base: Base) -> beanie.Document:
    class Case(base):  # type: ignore[misc,valid-type]
        model_config = ConfigDict(extra="forbid")
        width: int

        @computed_field  # type: ignore[prop-decorator]
        @property
        def area(self) -> int:
            return self.width * self.width

    return Case(width=3)


def excluded(base: Base) -> beanie.Document:
    class Case(base):  # type: ignore[misc,valid-type]
        name: str
        secret: SecretStr = SecretStr("s")
        hidden: int = Field(7, exclude=True)

    return Case(name="x", hidden=8)


def subclass(base: Base) -> beanie.Document:
    class Wide(Size):
        depth: int = 5

    class Case(base):  # type: ignore[misc,valid-type]
        wide: Size

    return Case(wide=Wide(w=1, depth=6))


def extra(base: Base) -> beanie.Document:
    class Case(base):  # type: ignore[misc,valid-type]
        model_config = ConfigDict(extra="allow")
        name: str

    return Case(name="x", other=[1])


def scalars(base: Base) -> beanie.Document:
    class Case(base):  # type: ignore[misc,valid-type]
        color: Color = Color.RED
        day: date = date(2020, 1, 2)
        moment: datetime = datetime(2020, 1, 2, 3, 4, 5)
        span: timedelta = timedelta(seconds=1.5)
        ident: uuid.UUID = uuid.UUID(int=7)
        data: bytes = b"\0\xff"
        address: ipaddress.IPv4Address = ipaddress.IPv4Address("127.0.0.1")
        path: pathlib.PurePosixPath = pathlib.PurePosixPath("/a/b")
        url: AnyUrl = AnyUrl("https://example.org/")
        numbers: set[int] = {1, 2}
        pair: tuple[int, str] = (1, "a")
        nothing: str | None = None

    return Case()


def decimals(base: Base) -> beanie.Document:
    class Case(base):  # type: ignore[misc,valid-type]
        model_config = ConfigDict(arbitrary_types_allowed=True)
        price: Decimal = Decimal("1.50")
        maybe: Decimal | None = Decimal(2)
        many: list[Decimal] = [Decimal("0.1")]
        by_name: dict[str, Decimal] = {"a": Decimal(3)}
        deep: dict[str, list[Size]] = {"a": [Size(w=1, price=Decimal("9.99"))]}
        root: Prices = Prices([Decimal(4)])
        row: Row = {"price": Decimal(5)}
        short: Annotated[Decimal, Field(max_digits=5, alias="s")] = Decimal("7.5")
        pattern: re.Pattern[str] = re.compile("^a+", re.IGNORECASE)
        bson: Decimal128 = Decimal128("6.0")
        either: Any = None

    return Case()


NOT_READ = {"revision_id", "hidden", "password", "wide"}
"""Fields that change when they are stored and read, in beanie as well."""

CASES = [
    *(rounding, revision, alias, hashing, computed, excluded, subclass, extra, scalars, decimals)
]


async def stored_by_beanie(url: str, make: Callable[[Base], beanie.Document]) -> dict[str, Any]:
    """Return what beanie stores for a document."""

    class Late(beanie.Document):
        """A document class that can be used before it has a collection."""

        def __init__(self, *args: Any, **fields: Any) -> None:
            super(beanie.Document, self).__init__(*args, **fields)

    document = make(Late)
    cls = type(document)
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(url, uuidRepresentation="standard")
    async with client:
        database = client.get_default_database()
        await beanie.init_beanie(database, document_models=[cls])
        await document.insert()
        found = await database[cls.get_collection_name()].find_one()
    assert found is not None
    return found


@pytest.mark.parametrize("make", CASES)
async def test_stored_as_by_beanie(
    app_class: type[Quart], mongodb_url: str, make: Callable[[Base], beanie.Document]
) -> None:
    """Both store the same, save() changes nothing, and the document is read back."""
    expected = await stored_by_beanie(mongodb_url, make)
    mongo = MongoDB()
    document = make(Document)
    cls: Any = type(document)
    mongo.register(cls)
    app = app_class(__name__)
    app.config["MONGODB_URL"] = mongodb_url
    mongo.init_app(app)
    changing = ("_id", "revision_id")
    async with app.app_context():
        await mongo.db.drop_collection("case")
        await document.insert()
        for _ in range(2):
            raw = await mongo.db["case"].find_one({})
            assert raw is not None
            assert raw.keys() == expected.keys()
            assert {k: v for k, v in raw.items() if k not in changing} == {
                k: v for k, v in expected.items() if k not in changing
            }
            await document.save()
        found = await mongo.get_or_404(cls, document.id)
        for name in cls.model_fields.keys() - NOT_READ:
            assert getattr(found, name) == getattr(document, name), name
            assert type(getattr(found, name)) is type(getattr(document, name)), name
        (lazy,) = await cls.find_all(lazy_parse=True).to_list()
        for name in cls.model_fields.keys() - NOT_READ - {"bson"}:  # which lazy_model can't read
            assert getattr(lazy, name) == getattr(document, name), name
    await connection(app).close()


async def test_save_after_a_change(app_class: type[Quart], mongodb_url: str) -> None:
    """save() stores the change, with a revision, a serializer and a validator that hashes."""
    mongo = MongoDB()

    @mongo.register
    class Account(Document):
        password: Annotated[str, AfterValidator(lambda value: f"hash({value})")]
        price: float = 0
        size: Size | None = None

        class Settings:
            use_revision = True

        @field_serializer("price")
        def rounded(self, value: float) -> float:
            return round(value)

    app = app_class(__name__)
    app.config["MONGODB_URL"] = mongodb_url
    mongo.init_app(app)
    async with app.app_context():
        account = await Account(password="p", size=Size(w=1)).insert()
        account.price = 1.75
        await account.save()
        raw = await mongo.db.account.find_one_or_404({"_id": account.id})
        assert (raw["password"], raw["price"]) == ("hash(p)", 1.75)
        assert raw["size"] == {"w": 1, "price": None}
        await account.delete()
    await connection(app).close()


async def test_validate_on_save(app_class: type[Quart], mongodb_url: str) -> None:
    """With ``validate_on_save = True`` values are validated as they are, not serialized."""
    mongo = MongoDB()

    class Wide(Size):
        depth: int = 5

    @mongo.register
    class Checked(Document):
        model_config = ConfigDict(extra="forbid")
        price: float
        size: Size
        sizes: list[Size] = []
        by_name: dict[str, Prices] = {}
        hidden: int = Field(7, exclude=True)

        class Settings:
            validate_on_save = True
            use_revision = True

        @field_serializer("price")
        def rounded(self, value: float) -> float:
            return round(value)

        @computed_field  # type: ignore[prop-decorator]
        @property
        def double(self) -> float:
            return self.price * 2

    app = app_class(__name__)
    app.config["MONGODB_URL"] = mongodb_url
    mongo.init_app(app)
    async with app.app_context():
        document = Checked(price=1.75, size=Wide(w=1, depth=6), hidden=8)
        await document.insert()
        document.sizes = [Size(w=2)]
        document.by_name = {"a": Prices([Decimal(1)])}
        await document.save()
        assert type(document.size) is Wide
        raw = await mongo.db.checked.find_one_or_404(document.id)
        assert raw["price"] == 1.75
        assert raw["size"] == {"w": 1, "price": None, "depth": 6}
        assert raw["sizes"] == [{"w": 2, "price": None}]
        size: Any = document.sizes[0]
        size.width = "wide"
        with pytest.raises(DocumentInvalid) as caught:
            await document.save()
        assert list(caught.value.fields) == ["sizes.0.width"]
        size.width = "3"
        prices: Any = document.by_name["a"].root
        prices[0] = "x"
        with pytest.raises(DocumentInvalid) as caught:
            await document.save()
        assert list(caught.value.fields) == ["by_name.a.0"]
        await document.delete()
    await connection(app).close()
