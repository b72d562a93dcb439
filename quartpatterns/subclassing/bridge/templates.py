"""What extensions do with templates: the tag ``assets``, and templates rendered without await."""

# webassets and Jinja have no annotations for this.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from werkzeug.utils import import_string

from quartpatterns.subclassing.bridge.waiting import on_event_loop
from quartpatterns.subclassing.templates import FaithfulEnvironment, FaithfulTemplate

__all__ = ["Begun", "BridgedEnvironment"]

ASSETS = "webassets.ext.jinja2"


class BridgedTemplate(FaithfulTemplate):
    """A template that extensions can render on the event loop, without ``await``."""

    def render(self, *args: Any, **kwargs: Any) -> str:
        """Render the template. On the event loop it must not have to wait for anything.

        Raises:
            RuntimeError: The template waits, for a query for example.
        """
        if not on_event_loop():
            return super().render(*args, **kwargs)
        begun = Begun(self.render_async(*args, **kwargs))
        if not begun.done:
            raise RuntimeError(
                "the template waits for something: await render_template(), or call the function"
                " that renders it in a thread with run_sync()"
            )
        text: str = begun.value
        return text


class Begun:
    """An awaitable that has run a coroutine until it waits, or to its end.

    Attributes:
        done: Whether the coroutine has ended.
        value: What it has returned.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.done = False
        self.value: Any = None
        self._steps = coroutine.__await__()
        self._waits_for: Any = None
        try:
            self._waits_for = next(self._steps)
        except StopIteration as end:
            self.done = True
            self.value = end.value

    def __await__(self) -> Generator[Any, Any, Any]:
        if not self.done:
            yield self._waits_for
            self.value = yield from self._steps
            self.done = True
        return self.value


class BridgedEnvironment(FaithfulEnvironment):
    """An environment whose tag ``assets`` awaits the block that it repeats for each URL."""

    template_class = BridgedTemplate

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
