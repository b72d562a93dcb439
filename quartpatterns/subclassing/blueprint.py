"""Blueprints with what the application has: static files (9), URL defaults and commands (37)."""

from __future__ import annotations

from typing import Any, TypeVar

from flask.typing import URLDefaultCallable
from quart import Blueprint
from quart.wrappers import Response

from quartpatterns.subclassing.commands import FaithfulAppGroup
from quartpatterns.subclassing.files import send_static_file
from quartpatterns.subclassing.hooks import refuse_async

__all__ = ["FaithfulBlueprint"]

T_url_defaults = TypeVar("T_url_defaults", bound=URLDefaultCallable)


class FaithfulBlueprint(Blueprint):
    """A blueprint that tells at once what can't work.

    A :class:`~quartpatterns.subclassing.FaithfulQuart` serves Quart's own blueprints as faithfully;
    with those it finds coroutine functions when they are registered, not when they are written.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cli = FaithfulAppGroup(self.name)

    async def send_static_file(self, filename: str) -> Response:
        """Answer with a file of the blueprint's static folder.

        Raises:
            RuntimeError: There is no static folder.
        """
        return await send_static_file(self, filename)

    def url_defaults(self, f: T_url_defaults) -> T_url_defaults:
        """Register a function that fills in values of this blueprint's URLs.

        Raises:
            TypeError: It is a coroutine function.
        """
        return super().url_defaults(refuse_async(f))

    def app_url_defaults(self, f: T_url_defaults) -> T_url_defaults:
        """Register a function that fills in values of every URL.

        Raises:
            TypeError: It is a coroutine function.
        """
        return super().app_url_defaults(refuse_async(f))
