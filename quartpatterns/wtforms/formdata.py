"""What a request submits, in the form in which fields ask for it."""

# WTForms' and Quart's annotations leave type arguments out.
# pyright: reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Protocol

from quart import Request
from werkzeug.datastructures import CombinedMultiDict, FileStorage, MultiDict
from werkzeug.exceptions import BadRequest

__all__ = ["SUBMIT_METHODS", "FormData", "submitted"]

SUBMIT_METHODS = frozenset({"DELETE", "PATCH", "POST", "PUT"})

LONG = re.compile(r"\d{19}")


class _Lists(Protocol):
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def __contains__(self, key: Any, /) -> bool: ...
    def getlist(self, key: str, /) -> list[Any]: ...


class FormData:
    """The fields of a form; a field of text sees no file, and a file field nothing else.

    A client decides what it sends under a name. Where a validator of text is given an uploaded
    file, it fails with a ``TypeError``.

    Arguments:
        source: A MultiDict of texts and files.
        files: Show the files in place of the texts.
    """

    def __init__(self, source: _Lists, *, files: bool = False) -> None:
        self._source = source
        self._wanted = files

    @property
    def files(self) -> FormData:
        """The same with the files."""
        return FormData(self._source, files=True)

    def __iter__(self) -> Iterator[str]:
        return filter(_is_safe, self._source)

    def __len__(self) -> int:
        return len(self._source)

    def __contains__(self, name: object) -> bool:
        return name in self._source

    def getlist(self, name: str) -> list[Any]:
        """All values of the field called *name*, in their order."""
        values = self._source.getlist(name)
        return [value for value in values if isinstance(value, FileStorage) is self._wanted]


def _is_safe(name: str) -> bool:
    """Whether a list of fields can read its index out of *name*; it fails for these."""
    odd = not name.isascii() and any(one.isdigit() and not one.isdecimal() for one in name)
    return not odd and LONG.search(name) is None


async def submitted(request: Request) -> FormData | None:
    """What *request* submits: a form with its files, or an object as JSON.

    ``None`` where it submits nothing, as its method is another or its body no form.

    Raises:
        BadRequest: The JSON is broken, or no object of texts, numbers, booleans and lists of them.
    """
    if request.method not in SUBMIT_METHODS:
        return None
    if request.is_json:
        return FormData(MultiDict(_pairs(await _json(request))))
    form, files = await request.form, await request.files
    if form or files or "form" in request.mimetype:
        return FormData(CombinedMultiDict((files, form)))
    return None


async def _json(request: Request) -> Any:
    # Not get_json(), which fails for what is not UTF-8, and answers None for another media type.
    data = await request.get_data(cache=True, as_text=False, parse_form_data=False)
    try:
        return request.json_module.loads(data)
    except (RecursionError, ValueError) as error:
        raise BadRequest("The form can't be read: its JSON is broken.") from error


def _pairs(found: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(found, dict):
        raise BadRequest("The form can't be read: its JSON is no object.")
    for name, value in found.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                yield _text(name, name), _text(name, one)


def _text(name: str, value: Any) -> str:
    """*value* as a form would send it."""
    if isinstance(value, str):
        # JSON can name half of a character, which no page can be written with.
        return value.encode(errors="replace").decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise BadRequest(
        f"The form can't be read: the value of {name!r} is no text, number, boolean, or list of"
        " them."
    )
