"""Send a template while it is rendered."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import AsyncExitStack, aclosing
from inspect import isasyncgen
from typing import Any

from blinker import NamedSignal
from jinja2 import Template
from quart import Quart, before_render_template, current_app, template_rendered
from quart.globals import app_ctx

from quartpatterns.streaming.context import stream_with_context

__all__ = ["stream_template", "stream_template_string"]


async def stream_template(
    template_name_or_list: str | Template | list[str | Template],
    *,
    buffering: int = 5,
    **context: Any,
) -> AsyncGenerator[str, None]:
    """Render the template with this name as a stream that a view returns.

    Values of the context may be asynchronous: ``{% for row in rows %}`` iterates over an
    asynchronous generator, which is closed with the stream. Request, session and ``g`` are
    there to the end, and ``RESPONSE_TIMEOUT`` does not cut it; see :func:`stream_with_context`.

    Arguments:
        template_name_or_list: The name of the template. Of a list, the first that exists.
        buffering: How many pieces of the template are sent together, as with Jinja's
            ``enable_buffering()``. With 1 each goes at once, as in Flask's own function: what
            a page wants that shows events as they come.
        context: The variables of the template.

    Raises:
        jinja2.TemplateNotFound: There is no such template; nothing has been sent then.
        ValueError: *buffering* is less than 1.
    """
    template = current_app.jinja_env.get_or_select_template(template_name_or_list)
    return await _stream(template, context, buffering)


async def stream_template_string(
    source: str, *, buffering: int = 5, **context: Any
) -> AsyncGenerator[str, None]:
    """Render the template with this source as a stream that a view returns.

    Arguments:
        source: The source of the template.
        buffering: How many pieces are sent together; see :func:`stream_template`.
        context: The variables of the template.

    Raises:
        jinja2.TemplateSyntaxError: The source is not a template.
        ValueError: *buffering* is less than 1.
    """
    return await _stream(current_app.jinja_env.from_string(source), context, buffering)


async def _stream(
    template: Template, context: dict[str, Any], buffering: int
) -> AsyncGenerator[str, None]:
    if buffering < 1:
        raise ValueError(f"buffering is a number of template pieces, 1 or more, not {buffering}")
    app: Quart = app_ctx.app
    await app.update_template_context(context)  # pyright: ignore[reportUnknownMemberType] (Quart's)
    await _announce(before_render_template, app, template, context)
    return stream_with_context(_rendered(app, template, context, buffering))


async def _rendered(
    app: Quart, template: Template, context: dict[str, Any], buffering: int
) -> AsyncGenerator[str, None]:
    async with AsyncExitStack() as stack:
        for value in filter(isasyncgen, context.values()):
            stack.push_async_callback(value.aclose)
        pieces = await stack.enter_async_context(aclosing(template.generate_async(context)))
        async for several in _joined(pieces, buffering):
            yield several
    await _announce(template_rendered, app, template, context)


async def _announce(
    signal: NamedSignal, app: Quart, template: Template, context: dict[str, Any]
) -> None:
    to_async: Any = app.ensure_async  # Its overloads are narrower than what signals ask for.
    await signal.send_async(app, _sync_wrapper=to_async, template=template, context=context)


async def _joined(pieces: AsyncIterable[str], count: int) -> AsyncGenerator[str, None]:
    held: list[str] = []
    async for piece in pieces:
        if piece:
            held.append(piece)
        if len(held) == count:
            yield "".join(held)
            held.clear()
    if held:
        yield "".join(held)
