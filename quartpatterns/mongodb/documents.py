"""Documents that are found in the database of the application which asks for them."""

from __future__ import annotations

import re
from collections.abc import Coroutine, Iterable
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import beanie
from beanie.odm.actions import EventTypes, wrap_with_actions
from beanie.odm.settings.document import DocumentSettings
from beanie.odm.utils.init import Initializer
from beanie.odm.utils.parsing import merge_models
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import CollectionInvalid, OperationFailure

from quartpatterns.mongodb.errors import validated
from quartpatterns.mongodb.registration import current

__all__ = ["Document", "create_indexes", "define"]

# What beanie asks of a database when it reads a class.
_NO_DATABASE = SimpleNamespace(client=SimpleNamespace(append_metadata=None))

# Duplicates in a unique index; an index that is there with other options, or another name.
_INDEX_CODES = (11000, 85, 86)


class Document(beanie.Document):
    """beanie's document, in the database of the current application.

    beanie ties a class to one database for the whole process. Here the class says only what its
    documents are and what its collection is called; which database that is in is asked anew
    each time, so that two applications, and any number of event loops, may share a class.

    Two defaults are MongoEngine's: the collection of ``class BlogPost`` is called ``blog_post``,
    and attributes that were assigned are validated by ``save()``. ``class Settings`` inside of
    the document changes both: ``name = "posts"`` and ``validate_on_save = False``.
    """

    # Whether beanie has read this class; from then on `Movie.title` is a part of a query.
    _defined: ClassVar[bool] = False
    _document_settings: ClassVar[DocumentSettings | None] = DocumentSettings()

    def __init__(self, *args: Any, **fields: Any) -> None:
        # beanie's would ask for the collection, and so for a context; a document alone needs none.
        super(beanie.Document, self).__init__(*args, **fields)

    def __init_subclass__(cls, **options: Any) -> None:
        for base in cls.__mro__[1:]:
            if vars(base).get("_defined"):
                raise TypeError(
                    f"{cls.__name__} is declared too late: {base.__name__} is in use already, and"
                    f" its fields would be taken for values. Import the module of {cls.__name__}"
                    " before the application is served"
                )
        super().__init_subclass__(**options)

    @classmethod
    def get_pymongo_collection(cls) -> AsyncCollection[Any]:
        """The collection, in the database of the current application.

        Raises:
            RuntimeError: There is no context, or the class is not registered.
        """
        registration = current(cls.__name__)
        if cls not in registration.documents:
            raise RuntimeError(
                f"{cls.__name__} is not registered with the MongoDB object of this application:"
                f" call mongo.register({cls.__name__})"
            )
        return registration.client(cls.__name__).collection(cls.get_collection_name())

    @wrap_with_actions(event_type=EventTypes.VALIDATE_ON_SAVE)
    async def validate_self(self, *args: Any, **options: Any) -> None:
        """Validate what was assigned since the document was made, as ``save()`` does.

        Raises:
            DocumentInvalid: A value is not of its field.
        """
        if self.get_settings().validate_on_save:
            # beanie's own has pydantic warn of what is about to be refused.
            merge_models(self, validated(type(self), self.model_dump(warnings=False)))


def define(documents: Iterable[type[Document]]) -> None:
    """Have beanie read the classes, once in the life of the process; it needs no database.

    Raises:
        ValueError: A class has settings that can't be kept apart by application.
    """
    for document in documents:
        if not vars(document).get("_defined"):
            reader = _reader(document)
            _run(reader.init_document(document))
            for cls in reader.inited_classes:
                cls._defined = True  # type: ignore[attr-defined]


async def create_indexes(
    documents: Iterable[type[Document]], database: AsyncDatabase[dict[str, Any]]
) -> None:
    """Create the indexes of *documents* that are not there, and collections of time series.

    Raises:
        RuntimeError: The database has an index, or documents, that stand against it.
    """
    for document in documents:
        series = document.get_settings().timeseries
        try:
            if series is not None:
                name = document.get_collection_name()
                await _create_time_series(database, series.build_query(name))
            await cast("Any", _reader(document)).init_indexes(document)
        except OperationFailure as error:
            if error.code not in _INDEX_CODES:
                raise
            raise RuntimeError(
                f"an index of {document.__name__} can't be created: drop the old index, or the"
                f" documents that are there twice. MongoDB says: {error}"
            ) from error


async def _create_time_series(
    database: AsyncDatabase[dict[str, Any]], options: dict[str, Any]
) -> None:
    try:
        await database.create_collection(**options)
    except CollectionInvalid:
        pass  # It is there, perhaps made by another worker just now.


class _Reader(Initializer):
    """beanie's initialisation of a class, as far as it is of the class alone."""

    def init_settings(self, cls: Any) -> None:
        super().init_settings(cls)
        settings = cls.get_settings()
        for name in ("use_cache", "union_doc"):
            if getattr(settings, name):
                raise ValueError(
                    f"{cls.__name__}: Settings.{name} can't be used, as it keeps on the class what"
                    " belongs to one database"
                )
        if settings.name is None:
            settings.name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        if "validate_on_save" not in settings.model_fields_set:
            settings.validate_on_save = True

    async def init_document(self, cls: Any) -> Any:
        # As beanie leaves out its own; otherwise no class could be derived from it any more.
        return None if cls is Document else await super().init_document(cls)

    async def init_document_collection(self, cls: Any) -> None:
        """Nothing: the collection is asked for when it is used."""


def _reader(document: type[Document]) -> _Reader:
    reader = _Reader(
        database=cast("AsyncDatabase[Any]", _NO_DATABASE),
        document_models=[document],
        skip_indexes=True,
    )
    # The oldest syntax that beanie knows for links, as servers of any age may be asked.
    reader._database_major_version = 4  # pyright: ignore[reportPrivateUsage]
    # What has been read before is not read again: that would forget the classes derived from it.
    reader.inited_classes = [cls for cls in document.__mro__ if vars(cls).get("_defined")]
    return reader


def _run(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Run to its end what is a coroutine only because it might have asked a database."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("beanie asked for a database while it read a class: report this, please")
