"""File fields and their validators, by Flask-WTF's names."""

# WTForms' and Quart's annotations leave type arguments out.
# pyright: reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import SEEK_END
from typing import Any, Protocol, runtime_checkable

import wtforms
from werkzeug.datastructures import FileStorage
from wtforms.fields import Field
from wtforms.form import BaseForm
from wtforms.utils import unset_value
from wtforms.validators import DataRequired, StopValidation, ValidationError

from quartpatterns.wtforms.formdata import FormData

__all__ = [
    "FileAllowed",
    "FileField",
    "FileRequired",
    "FileSize",
    "MultipleFileField",
    "UploadSet",
    "file_allowed",
    "file_required",
    "file_size",
]


@runtime_checkable
class UploadSet(Protocol):
    """What knows which files it takes, such as an upload set of Flask-Reuploaded's kind."""

    def file_allowed(self, storage: Any, basename: str) -> bool:
        """Whether *storage*, whose lower-case name is *basename*, is taken."""
        ...


class _Uploads(Field):
    """A field that sees files, and only those that somebody has chosen."""

    def process(
        self, formdata: Any, data: Any = unset_value, extra_filters: Sequence[Any] | None = None
    ) -> None:
        """Take the files of *formdata*."""
        found = formdata.files if isinstance(formdata, FormData) else formdata
        super().process(found, data, extra_filters)

    def _take(self, values: Iterable[Any]) -> list[FileStorage]:
        # The name is empty where nobody has chosen a file.
        found = [value for value in values if isinstance(value, FileStorage) and value]
        if not found:
            self.raw_data = []
        return found


class FileField(_Uploads, wtforms.FileField):
    """A field for one file: its ``data`` is Quart's ``FileStorage``, or ``None``."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Keep the first file."""
        if found := self._take(valuelist):
            self.data = found[0]


class MultipleFileField(_Uploads, wtforms.MultipleFileField):
    """A field for several files: its ``data`` is a list of Quart's ``FileStorage``, or ``None``."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Keep all files."""
        if found := self._take(valuelist):
            self.data = found


class FileRequired(DataRequired):
    """Stops the validation of a field without a file.

    Arguments:
        message: What is said then.
    """

    def __call__(self, form: BaseForm, field: Field) -> None:
        """Validate *field*."""
        if not _chosen(field):
            raise StopValidation(self.message or field.gettext("This field is required."))


class FileAllowed:
    """Stops the validation of a field with a file whose name has another extension.

    It says nothing of what is in the file, which is the client's word as the name is.

    Arguments:
        upload_set: Extensions, or an upload set.
        message: What is said then.
    """

    def __init__(self, upload_set: Iterable[str] | UploadSet, message: str | None = None) -> None:
        self.upload_set = upload_set
        self.message = message
        if not isinstance(upload_set, UploadSet):
            self.upload_set = tuple(upload_set)

    def __call__(self, form: BaseForm, field: Field) -> None:
        """Validate *field*."""
        for file in _chosen(field):
            name = (file.filename or "").lower()
            if isinstance(self.upload_set, UploadSet):
                if not self.upload_set.file_allowed(file, name):
                    raise StopValidation(
                        self.message or "File does not have an approved extension."
                    )
            elif not name.endswith(tuple(f".{one.lower()}" for one in self.upload_set)):
                raise StopValidation(
                    self.message
                    or "File does not have an approved extension: " + ", ".join(self.upload_set)
                )


class FileSize:
    """Refuses files that are too large or too small.

    The file is here already when it is measured: what limits the transfer is
    ``MAX_CONTENT_LENGTH`` and ``request.max_content_length``.

    Arguments:
        max_size: The most that a file may have, in bytes.
        min_size: The least, in bytes.
        message: What is said then.
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
            self.message or f"File must be between {self.min_size} and {self.max_size} bytes."
        )


file_required = FileRequired
file_allowed = FileAllowed
file_size = FileSize


def _chosen(field: Field) -> list[FileStorage]:
    """The files of *field*; what is no file, such as a default, is none."""
    values = field.data if isinstance(field.data, list) else [field.data]
    return [value for value in values if isinstance(value, FileStorage) and value]


def _size(file: FileStorage) -> int:
    stream = file.stream
    if not stream.seekable():
        raise TypeError(f"FileSize needs a stream that can seek, which {type(stream)} can't")
    here = stream.tell()
    size = stream.seek(0, SEEK_END)
    stream.seek(here)
    return size
