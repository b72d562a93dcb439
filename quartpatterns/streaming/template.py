"""Streaming a template while it is rendered."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import AsyncExitStack, aclosing
from inspect import isasyncgen
from typing import Any

from blinker import NamedSignal
from jinja2 import Template
from quart import Quart, before_render_template, template_rendered
from quart.globals import app_ctx

from quartpatterns._shared.calling import signal_wrapper
from quartpatterns.streaming.context import stream_with_context
from quartpatterns.streaming.template_pieces import Joined, streaming_environment

__all__ = ["stream_template", "stream_template_string"]

HEAD_LIMIT = 65_536
"""The characters after which a page is taken to have no head."""

_HEAD_END = re.compile(r"</head\b|<body\b", re.IGNORECASE)


async def stream_template(
    template_name_or_list: str | Template | list[str | Template],
    *,
    buffering: int = 5,
    **context: Any,
) -> AsyncGenerator[str, None]:
    """Render a template by name as a stream that a view can return.

    Variables can be asynchronous: ``{% for row in rows %}`` iterates over an asynchronous
    generator, which is closed with the stream. The context is kept until the end, and
    ``RESPONSE_TIMEOUT`` does not limit the response; see :func:`stream_with_context`.

    A chunk ends with the head of the page, whatever *buffering* is, so that the browser loads
    styles and scripts while the rest is rendered.

    .. versionadded:: 0.1

    Arguments:
        template_name_or_list: The name of the template, a template, or a list of them, of which
            the first that exists is used.
        buffering: The number of pieces of the template, texts and values, that are sent together,
            as with Jinja's ``enable_buffering()``. What is between two tags is not divided, unless
            it has to wait for a function or a filter. Use 1 for events that are shown as they
            happen, and 100 for a long table.
        context: The variables of the template.

    Raises:
        jinja2.TemplateNotFound: There is no such template. Nothing has been sent then.
        ValueError: *buffering* is less than 1.
    """
    environment = streaming_environment(app_ctx.app)
    template = environment.get_or_select_template(template_name_or_list)
    return await _stream(template, context, buffering)


async def stream_template_string(
    source: str, *, buffering: int = 5, **context: Any
) -> AsyncGenerator[str, None]:
    """Render the source of a template as a stream that a view can return.

    .. versionadded:: 0.1

    Arguments:
        source: The source of the template.
        buffering: The number of pieces that are sent together; see :func:`stream_template`.
        context: The variables of the template.

    Raises:
        jinja2.TemplateSyntaxError: The source is not a valid template.
        ValueError: *buffering* is less than 1.
    """
    template = streaming_environment(app_ctx.app).from_string(source)
    return await _stream(template, context, buffering)


async def _stream(
    template: Template, context: dict[str, Any], buffering: int
) -> AsyncGenerator[str, None]:
    if buffering < 1:
        raise ValueError(
            f"buffering must be a number of template pieces, 1 or more, not {buffering}"
        )
    app: Quart = app_ctx.app
    await app.update_template_context(context)  # pyright: ignore[reportUnknownMemberType] (Quart's)
    await _send_signal(before_render_template, app, template, context)
    return stream_with_context(_render(app, template, context, buffering))


async def _render(
    app: Quart, template: Template, context: dict[str, Any], buffering: int
) -> AsyncGenerator[str, None]:
    async with AsyncExitStack() as stack:
        for value in filter(isasyncgen, context.values()):
            stack.push_async_callback(value.aclose)
        pieces = await stack.enter_async_context(aclosing(template.generate_async(context)))
        async for joined in _join(pieces, buffering):
            yield joined
    await _send_signal(template_rendered, app, template, context)


async def _send_signal(
    signal: NamedSignal, app: Quart, template: Template, context: dict[str, Any]
) -> None:
    wrapper = signal_wrapper(app)
    await signal.send_async(app, _sync_wrapper=wrapper, template=template, context=context)


async def _join(pieces: AsyncIterable[str], count: int) -> AsyncGenerator[str, None]:
    buffer: list[str] = []
    found = length = 0
    head = True
    async for piece in pieces:
        if not piece:
            continue
        buffer.append(piece)
        found += piece.pieces if type(piece) is Joined else 1
        if head:
            length += len(piece)
            if _HEAD_END.search(piece):
                head, found = False, count
            elif length > HEAD_LIMIT:
                head = False
        if found >= count:
            yield "".join(buffer)
            buffer.clear()
            found = 0
    if buffer:
        yield "".join(buffer)
