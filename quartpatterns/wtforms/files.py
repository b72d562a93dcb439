"""File fields and their validators, with the names of Flask-WTF."""

# WTForms' and Quart's annotations leave out type arguments.
# pyright: reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import re
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from io import SEEK_END
from typing import Any, Protocol, runtime_checkable

import wtforms
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import UnsupportedMediaType
from wtforms.fields import Field
from wtforms.form import BaseForm
from wtforms.utils import unset_value
from wtforms.validators import DataRequired, StopValidation, ValidationError

LONG_NUMBER = re.compile(r"\d{19}")


class FormData:
    """Submitted data in which text fields see only texts, and file fields only files.

    A client can send a file under the name of a text field. Validators of texts would fail with a
    ``TypeError``.

    Arguments:
        source: A MultiDict of texts and files.
        files: Whether to show the files instead of the texts.
    """

    def __init__(self, source: Any, *, files: bool = False) -> None:
        self._source = source
        self._show_files = files

    @property
    def files(self) -> FormData:
        """The same data, showing the files."""
        return FormData(self._source, files=True)

    def __iter__(self) -> Iterator[str]:
        return filter(_has_valid_index, self._source)

    def __len__(self) -> int:
        return len(self._source)

    def __contains__(self, name: object) -> bool:
        return name in self._source

    def getlist(self, name: str) -> list[Any]:
        """Return all values of the field *name* in their order."""
        values = self._source.getlist(name)
        return [value for value in values if isinstance(value, FileStorage) is self._show_files]


def _has_valid_index(name: str) -> bool:
    """Return whether ``FieldList`` can convert the digits in *name* to an index.

    It fails for digits that are not decimal, such as a superscript two, and for very long numbers.
    """
    odd = not name.isascii() and any(char.isdigit() and not char.isdecimal() for char in name)
    return not odd and LONG_NUMBER.search(name) is None


@runtime_checkable
class UploadSetLike(Protocol):
    """An upload set such as those of :mod:`quartpatterns.fileuploads` or Flask-Reuploaded."""

    def file_allowed(self, storage: Any, basename: str) -> bool:
        """Return whether *storage*, whose name in lower case is *basename*, is allowed."""
        ...


@runtime_checkable
class ChecksFiles(Protocol):
    """An upload set that also examines the content of files."""

    async def check_file(self, storage: Any) -> None:
        """Raise an :exc:`UnsupportedMediaType` with the reason why *storage* is not allowed."""
        ...


class _FilesOnly(Field):
    """A field that sees only files, and only those that the user has chosen."""

    def process(
        self, formdata: Any, data: Any = unset_value, extra_filters: Sequence[Any] | None = None
    ) -> None:
        """Process the files of *formdata*."""
        files = formdata.files if isinstance(formdata, FormData) else formdata
        super().process(files, data, extra_filters)

    def _chosen(self, values: Iterable[Any]) -> list[FileStorage]:
        # A file whose name is empty is false: the user has chosen none.
        files = [value for value in values if isinstance(value, FileStorage) and value]
        if not files:
            self.raw_data = []
        return files


class FileField(_FilesOnly, wtforms.FileField):
    """A field for one file. Its ``data`` is Quart's ``FileStorage`` or ``None``.

    .. versionadded:: 0.1
    """

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Store the first file."""
        if files := self._chosen(valuelist):
            self.data = files[0]


class MultipleFileField(_FilesOnly, wtforms.MultipleFileField):
    """A field for several files. Its ``data`` is a list of ``FileStorage`` or ``None``.

    .. versionadded:: 0.1
    """

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Store all files."""
        if files := self._chosen(valuelist):
            self.data = files


def show_files(field: wtforms.FileField) -> None:
    """Let ``process`` of a file field of WTForms itself see files."""
    if not isinstance(field, _FilesOnly):
        process: Any = field.process

        def process_files(formdata: Any, *args: Any, **kwargs: Any) -> None:
            files = formdata.files if isinstance(formdata, FormData) else formdata
            process(files, *args, **kwargs)

        vars(field)["process"] = process_files


def sees_files(field: Field) -> bool:
    """Return whether *field* is a file field that gets files."""
    return isinstance(field, _FilesOnly) or "process" in vars(field)


def is_validated_here(field: Field) -> bool:
    """Return whether a form of this package is validating *field*, and awaits its validators."""
    return "validate" in vars(field)


class FileRequired(DataRequired):
    """A validator that requires a file. Without one, later validators of the field don't run.

    Arguments:
        message: The error message.

    .. versionadded:: 0.1
    """

    def __call__(self, form: BaseForm, field: Field) -> None:
        """Validate *field*."""
        if not _chosen(field):
            raise StopValidation(self.message or field.gettext("This field is required."))


class FileAllowed:
    """A validator that allows only some files. After an error, later validators don't run.

    Of a list of extensions it compares those with the file name that the client sent. An upload set
    of :mod:`quartpatterns.fileuploads` also compares the content with the extension, as its
    ``save`` does. Forms of WTForms itself can't await that, and only compare names.

    If several files were chosen, the message about a content names the file.

    Arguments:
        upload_set: The allowed extensions, or an upload set.
        message: The error message.

    .. versionadded:: 0.1
    """

    def __init__(
        self, upload_set: Iterable[str] | UploadSetLike, message: str | None = None
    ) -> None:
        self.upload_set = upload_set
        self.message = message
        if not isinstance(upload_set, UploadSetLike):
            self.upload_set = tuple(upload_set)

    def __call__(self, form: BaseForm, field: Field) -> Awaitable[None] | None:
        """Validate *field*. A form of this package awaits the result."""
        files = _chosen(field)
        message = "File does not have an approved extension"
        for file in files:
            name = (file.filename or "").lower()
            if isinstance(self.upload_set, UploadSetLike):
                if not self.upload_set.file_allowed(file, name):
                    raise StopValidation(self.message or f"{message}.")
            elif not name.endswith(tuple(f".{one.lower()}" for one in self.upload_set)):
                raise StopValidation(self.message or f"{message}: {', '.join(self.upload_set)}")
        if files and isinstance(self.upload_set, ChecksFiles) and is_validated_here(field):
            return self._check(self.upload_set, files)
        return None

    async def _check(self, upload_set: ChecksFiles, files: Sequence[FileStorage]) -> None:
        for file in files:
            try:
                await upload_set.check_file(file)
            except UnsupportedMediaType as error:
                message = error.description or error.name
                if len(files) > 1:
                    message = f"{file.filename}: {message}"
                raise StopValidation(self.message or message) from error


class FileSize:
    """A validator that limits the size of files.

    It runs after the whole file has been received. To limit how much is received, use
    ``MAX_CONTENT_LENGTH`` or ``request.max_content_length``.

    Arguments:
        max_size: The maximum size in bytes.
        min_size: The minimum size in bytes.
        message: The error message.

    .. versionadded:: 0.1
    """

    def __init__(self, max_size: int, min_size: int = 0, message: str | None = None) -> None:
        self.min_size = min_size
        self.max_size = max_size
        self.message = message

    def __call__(self, form: BaseForm, field: Field) -> None:
        """Validate *field*."""
        if all(self.min_size <= _size(file) <= self.max_size for file in _chosen(field)):
            return
        raise ValidationError(
            self.message
            or field.gettext("File must be between {min_size} and {max_size} bytes.").format(
                min_size=self.min_size, max_size=self.max_size
            )
        )


file_required = FileRequired
file_allowed = FileAllowed
file_size = FileSize


def _chosen(field: Field) -> list[FileStorage]:
    """Return the files of *field*, without values that are not files, such as defaults."""
    values = field.data if isinstance(field.data, list) else [field.data]
    return [value for value in values if isinstance(value, FileStorage) and value]


def _size(file: FileStorage) -> int:
    stream = file.stream
    if not stream.seekable():
        raise TypeError(f"FileSize needs a seekable stream, not a {type(stream).__name__}")
    position = stream.tell()
    size = stream.seek(0, SEEK_END)
    stream.seek(position)
    return size
