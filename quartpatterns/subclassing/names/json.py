"""The names of ``flask.json``. The functions use the JSON provider of the application."""

from __future__ import annotations

from typing import IO, Any

import quart.json
from quart.json import jsonify as jsonify
from quart.json import provider as provider
from quart.json import tag as tag

__all__ = ["dump", "dumps", "jsonify", "load", "loads"]


def dumps(obj: Any, **kwargs: Any) -> str:
    """Return *obj* as JSON.

    Arguments:
        obj: The object.
        kwargs: Arguments of the provider's ``dumps``.
    """
    return quart.json.dumps(obj, **kwargs)


def dump(obj: Any, fp: IO[str], **kwargs: Any) -> None:
    """Write *obj* as JSON to a file.

    Arguments:
        obj: The object.
        fp: A text file.
        kwargs: Arguments of the provider's ``dump``.
    """
    quart.json.dump(obj, fp, **kwargs)


def loads(s: str | bytes, **kwargs: Any) -> Any:
    """Return what JSON contains.

    Arguments:
        s: The JSON text.
        kwargs: Arguments of the provider's ``loads``.
    """
    return quart.json.loads(s, **kwargs)


def load(fp: IO[Any], **kwargs: Any) -> Any:
    """Return what a file with JSON contains.

    Arguments:
        fp: A text file, or a binary file with UTF-8.
        kwargs: Arguments of the provider's ``load``.
    """
    return quart.json.load(fp, **kwargs)
