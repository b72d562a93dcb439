"""The template tag ``assets`` of Flask-Assets in asynchronous templates."""

# webassets and Jinja have no annotations for this.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from jinja2 import Environment
from werkzeug.utils import import_string

__all__ = ["BridgedEnvironment"]

ASSETS = "webassets.ext.jinja2"


class BridgedEnvironment(Environment):
    """An environment whose tag ``assets`` awaits the block that it repeats for each URL."""

    def add_extension(self, extension: Any) -> None:
        """Add an extension, or a class that does the same in asynchronous templates."""
        if isinstance(extension, str):
            extension = import_string(extension)
        if extension.__module__ == ASSETS:
            extension = _asynchronous(extension)
        super().add_extension(extension)


def _asynchronous(extension: Any) -> Any:
    """Return a subclass of webassets' extension."""

    class AsyncAssetsExtension(extension):  # type: ignore[misc]
        async def _render_assets(
            self, *args: Any, caller: Callable[..., Awaitable[str]], **kwargs: Any
        ) -> str:
            calls: list[tuple[Any, ...]] = []

            def note(*values: Any) -> str:
                calls.append(values)
                return ""

            super()._render_assets(*args, caller=note, **kwargs)
            return "".join([await caller(*values) for values in calls])

    # Jinja calls the methods of an extension by this name, and compiles it into templates.
    AsyncAssetsExtension.identifier = extension.identifier
    return AsyncAssetsExtension
