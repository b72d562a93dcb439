"""Parts of a cached page that are rendered for each visitor: flashed messages, CSRF tokens.

While a cached view runs, ``{{ per_visitor("_messages.html") }}`` leaves a mark in the page. The
page is stored with its marks. Each response, also the first one, gets the template in their place,
rendered for its own request. The marks contain a random text, so that nobody can write one into
a comment or another text of the page.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from markupsafe import Markup
from quart import render_template

__all__ = ["Parts", "collecting_parts", "per_visitor", "without_parts"]


@dataclass(slots=True)
class Parts:
    """The parts of a page.

    Arguments:
        marker: The random text in its marks.
        templates: For each mark the name of the template, and its variables as JSON.
    """

    marker: str = field(default_factory=lambda: token_hex(16))
    templates: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def mark(self, number: int) -> str:
        """Return the mark of one part."""
        return f"<!--{self.marker} {number}-->"

    async def fill(self, body: bytes, *, render: bool = True) -> bytes:
        """Return the page for the current request.

        Arguments:
            body: The page with marks.
            render: Whether to render the parts; otherwise the marks are removed.

        Raises:
            RuntimeError: The view has changed a mark.
        """
        for number, (template, variables) in enumerate(self.templates):
            mark = self.mark(number).encode()
            text = ""
            if render and mark in body:
                text = await render_template(template, **json.loads(variables))
            body = body.replace(mark, text.encode())
        if self.marker.encode() in body.lower():
            raise RuntimeError(
                "the view has changed the text of a template that calls per_visitor(), for example"
                " by escaping or compressing it: return the rendered template as it is"
            )
        return body


# The parts of the page that is rendered now, if it is that of a cached view.
_parts: ContextVar[Parts | None] = ContextVar("quartpatterns.caching.parts", default=None)


@contextmanager
def collecting_parts() -> Generator[Parts]:
    """Leave marks in the templates that are rendered in this context."""
    parts = Parts()
    token = _parts.set(parts)
    try:
        yield parts
    finally:
        _parts.reset(token)


@contextmanager
def without_parts() -> Generator[None]:
    """Leave no marks: what is rendered in this context is stored on its own."""
    token = _parts.set(None)
    try:
        yield
    finally:
        _parts.reset(token)


async def per_visitor(template: str, **variables: Any) -> Markup:
    """Render a template for each visitor, also in a page that is cached.

    .. code-block:: html+jinja

        {{ per_visitor("_messages.html") }}

    The template has the variables that all templates have, such as ``g``, ``session`` and
    ``get_flashed_messages``, but not those of the page. Outside of a cached view it is rendered
    at once.

    Arguments:
        template: The name of the template.
        variables: Its variables: texts, numbers, lists and dictionaries. They are stored with the
            page, and must not depend on the visitor.

    Raises:
        TypeError: A variable has another type.

    .. versionadded:: 0.1
    """
    parts = _parts.get()
    if parts is None:
        return Markup(await render_template(template, **variables))
    try:
        stored = json.dumps(variables)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"per_visitor({template!r}) stores its variables with the page: pass texts, numbers,"
            f" lists and dictionaries ({error})"
        ) from error
    parts.templates.append((template, stored))
    return Markup(parts.mark(len(parts.templates) - 1))
