"""Document classes that belong to no database: each application uses its own."""

from __future__ import annotations

import re
from collections.abc import Coroutine, Iterable
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import beanie
from beanie.exceptions import CollectionWasNotInitialized
from beanie.odm.actions import EventTypes, wrap_with_actions
from beanie.odm.settings.document import DocumentSettings
from beanie.odm.utils.init import Initializer
from beanie.odm.utils.parsing import merge_models
from pydantic import model_validator
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import CollectionInvalid, OperationFailure

from quartpatterns.mongodb.connection import current_database
from quartpatterns.mongodb.instead import DOCUMENT_INSTEAD
from quartpatterns.mongodb.values import read_bson, revalidate

__all__ = ["Document", "create_indexes", "initialize_classes"]

# The part of a database that beanie uses to initialize a class.
_DATABASE_STUB = SimpleNamespace(client=SimpleNamespace(append_metadata=None))

# A duplicate in a unique index; an index that exists with other options, or another name.
_INDEX_CODES = (11000, 85, 86)


class _DocumentClass(type(beanie.Document)):  # type: ignore[misc]
    """The class of document classes, which refuses names of Flask-MongoEngine."""

    def __getattr__(cls, name: str) -> Any:
        """Return what pydantic returns, or raise an error that says what to write instead."""
        if (remedy := DOCUMENT_INSTEAD.get(name)) is not None:
            raise AttributeError(f"{cls.__name__}.{name} is not supported: {remedy}")
        parent: Any = super()
        return parent.__getattr__(name)


class Document(beanie.Document, metaclass=_DocumentClass):
    """The base class of documents, which uses the database of the current application.

    It is derived from beanie's class of this name, which stores the database in the class, for the
    whole process. This class looks up the database for each operation instead. Several applications
    and event loops can therefore share a document class.

    What it stores is what beanie stores. It reads two types that beanie stores but cannot read:
    ``decimal.Decimal`` and ``re.Pattern``. One default is that of MongoEngine: the collection of
    ``class BlogPost`` is ``blog_post``. ``class Settings`` in the document changes it:
    ``name = "posts"``. With ``validate_on_save = True`` there, ``save()`` validates attributes
    that were assigned. ``db_alias = "reports"`` there chooses one of several databases.

    .. versionadded:: 0.1
    """

    # pydantic accepts it because of this line, and __init_subclass__() refuses it.
    meta: ClassVar[Any]
    # Whether beanie has initialized this class. From then on `Movie.title` is a query operand.
    _initialized: ClassVar[bool] = False
    # The alias of the database of this class, or None for the default one.
    _db_alias: ClassVar[str | None] = None

    def __init__(self, *args: Any, **fields: Any) -> None:
        # Skip beanie's own, which needs the collection, and so a context.
        super(beanie.Document, self).__init__(*args, **fields)

    def __init_subclass__(cls, **options: Any) -> None:
        if isinstance(vars(cls).get("meta"), dict) and "meta" not in cls.__annotations__:
            raise TypeError(f"{cls.__name__}.meta is not supported: {DOCUMENT_INSTEAD['meta']}")
        for base in cls.__mro__[1:]:
            if vars(base).get("_initialized"):
                raise TypeError(
                    f"{cls.__name__} is declared too late: {base.__name__} is in use already, and"
                    " beanie has replaced its field defaults. Import the module of"
                    f" {cls.__name__} before the application is served"
                )
        super().__init_subclass__(**options)

    @classmethod
    def get_settings(cls) -> DocumentSettings:
        """Return the settings of the class, or the defaults if it is not initialized."""
        try:
            return super().get_settings()
        except CollectionWasNotInitialized:
            return DocumentSettings()

    @classmethod
    def get_pymongo_collection(cls) -> AsyncCollection[Any]:
        """Return the collection in the database of the current application.

        Raises:
            RuntimeError: There is no context, or the class is not registered.
        """
        connection = current_database(cls.__name__)
        if cls not in connection.documents:
            raise RuntimeError(
                f"{cls.__name__} is not registered with the MongoDB object of this application:"
                f" call mongo.register({cls.__name__})"
            )
        database = connection.with_alias(cls._db_alias) if cls._db_alias else connection
        return database.client(cls.__name__).collection(cls.get_collection_name())

    # It replaces beanie's validator, because each validator takes time.
    @model_validator(mode="before")
    @classmethod
    def fill_back_refs(cls, values: Any) -> Any:
        """Convert values of the database that pydantic does not know, and add back references."""
        parent: Any = super()
        return parent.fill_back_refs(read_bson(cls, values))

    @classmethod
    def lazy_parse(cls, data: dict[str, Any], fields: set[str] | None = None) -> Any:
        """Return a document whose fields are validated when they are read."""
        parent: Any = super()
        return parent.lazy_parse(read_bson(cls, data), fields)

    @wrap_with_actions(event_type=EventTypes.VALIDATE_ON_SAVE)
    async def validate_self(self, *args: Any, **options: Any) -> None:
        """Validate the attributes, as ``save()`` does.

        Raises:
            DocumentInvalid: A value is not valid for its field.
        """
        if self.get_settings().validate_on_save:
            merge_models(self, revalidate(self))


def initialize_classes(documents: Iterable[type[Document]]) -> None:
    """Have beanie read the classes, once in a process. It needs no database.

    Raises:
        ValueError: A class has settings that several applications cannot share.
    """
    for document in documents:
        if not vars(document).get("_initialized"):
            initializer = _initializer(document)
            _run_without_loop(initializer.init_document(document))
            for cls in initializer.inited_classes:
                cls._initialized = True  # type: ignore[attr-defined]


async def create_indexes(documents: Iterable[type[Document]]) -> None:
    """Create the indexes and time-series collections that do not exist.

    Raises:
        RuntimeError: An index or a document in the database conflicts with a new index.
    """
    for document in documents:
        series = document.get_settings().timeseries
        try:
            if series is not None:
                collection = document.get_pymongo_collection()
                await _create_collection(collection.database, series.build_query(collection.name))
            await cast("Any", _initializer(document)).init_indexes(document)
        except OperationFailure as error:
            if error.code not in _INDEX_CODES:
                raise
            raise RuntimeError(
                f"an index of {document.__name__} can't be created: drop the old index, or remove"
                f" the duplicate documents. MongoDB says: {error}"
            ) from error


async def _create_collection(
    database: AsyncDatabase[dict[str, Any]], options: dict[str, Any]
) -> None:
    try:
        await database.create_collection(**options)
    except CollectionInvalid:
        pass  # It exists, perhaps because another worker has just created it.


class _ClassInitializer(Initializer):
    """The part of beanie's initialization that concerns the class and not the database."""

    def init_settings(self, cls: Any) -> None:
        super().init_settings(cls)
        settings = cls.get_settings()
        for name in ("use_cache", "union_doc"):
            if getattr(settings, name):
                raise ValueError(
                    f"{cls.__name__}: Settings.{name} is not supported, because it stores data of"
                    " one database in the class"
                )
        if settings.name is None:
            settings.name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        cls._db_alias = getattr(getattr(cls, "Settings", None), "db_alias", None)

    async def init_document(self, cls: Any) -> Any:
        # beanie skips its own base class; once initialized, no class can be derived from it.
        return None if cls is Document else await super().init_document(cls)

    async def init_document_collection(self, cls: Any) -> None:
        """Do nothing: the collection is looked up when it is used."""


def _initializer(document: type[Document]) -> _ClassInitializer:
    initializer = _ClassInitializer(
        database=cast("AsyncDatabase[Any]", _DATABASE_STUB),
        document_models=[document],
        skip_indexes=True,
    )
    # To initialize a base class again would forget the classes derived from it.
    initializer.inited_classes = [c for c in document.__mro__ if vars(c).get("_initialized")]
    return initializer


def _run_without_loop(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Run a coroutine that awaits nothing, because it has no database."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("beanie used a database to initialize a class: please report this")
