"""Templates: an environment whose code awaits only what has to be awaited.

Quart uses Jinja's asynchronous mode. Its filters are those of
:mod:`~quartpatterns.subclassing.template_filters`.
"""

# The methods of a code generator have Jinja's names.
# ruff: noqa: N802

# Jinja leaves some annotations out.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from functools import cached_property, partial, wraps
from io import StringIO
from itertools import repeat
from typing import Any, TextIO

import jinja2
from jinja2 import Template, Undefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import AsyncLoopContext, LoopContext
from jinja2.utils import LRUCache
from quart import Quart, current_app
from quart.templating import Environment

from quartpatterns.subclassing.debugging import ExplainingLoader
from quartpatterns.subclassing.template_filters import FILTERS, is_asynchronous, is_awaitable

__all__ = [
    "FaithfulEnvironment",
    "InlineCodeGenerator",
    "Templates",
    "get_template_attribute",
]

# What Jinja's code generator writes around an expression that can return an awaitable.
AWAIT_BEGIN = "(await auto_await("
AWAIT_END = "))"
# How it begins a loop.
ASYNC_FOR = "async for "

NextItem = Callable[[], Awaitable[Any]]


def start_loop(iterable: Any) -> tuple[Iterator[Any], NextItem | None]:
    """Return an iterator for a loop, and a function if its items have to be awaited.

    If there is a function, the iterator is endless, and the function's results are the items.
    """
    if is_asynchronous(iterable):
        return repeat(None), aiter(iterable).__anext__
    return iter(iterable), None


def start_loop_context(
    iterable: Any, undefined: type[Undefined], *recursion: Any
) -> tuple[Iterator[Any], NextItem | None]:
    """Return what :func:`start_loop` returns, for a loop that uses the variable ``loop``."""
    if is_asynchronous(iterable):
        return repeat(None), AsyncLoopContext(iterable, undefined, *recursion).__anext__
    return LoopContext(iterable, undefined, *recursion), None


class InlineCodeGenerator(CodeGenerator):
    """Writes code that awaits a value only if its type can be awaited.

    Jinja creates and awaits a coroutine for each attribute, item, call, filter and test of a
    template, which takes more time than most of them. It also awaits each item of a loop.
    """

    # The first line of a loop while it is written, and the stream outside of it.
    _first_line: StringIO | None = None
    _outer_stream: TextIO

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:
        """Write the module, which imports what the inlined tests need."""
        super().visit_Template(node, frame)
        package = "quartpatterns.subclassing"
        self.writeline(f"from {package}.template_filters import PLAIN_TYPES")
        self.writeline(f"from {package}.templates import start_loop, start_loop_context")

    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:
        """Write the access to an attribute."""
        self._write_inline(super().visit_Getattr, node, frame)

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:
        """Write the access to an item."""
        self._write_inline(super().visit_Getitem, node, frame)

    def visit_Filter(self, node: nodes.Filter, frame: Frame) -> None:
        """Write the application of a filter."""
        self._write_inline(super().visit_Filter, node, frame)

    def visit_Test(self, node: nodes.Test, frame: Frame) -> None:
        """Write a test."""
        self._write_inline(super().visit_Test, node, frame)

    def visit_Call(self, node: nodes.Call, frame: Frame, forward_caller: bool = False) -> None:
        """Write a call."""
        visit = partial(super().visit_Call, forward_caller=forward_caller)
        self._write_inline(visit, node, frame)

    def _write_inline(self, visit: Callable[..., None], node: nodes.Expr, frame: Frame) -> None:
        """Write what *visit* writes, with a test of the type before a coroutine is created."""
        self.write("")  # The line and its indentation belong to what comes before.
        stream, self.stream = self.stream, StringIO()
        try:
            visit(node, frame)
            code = self.stream.getvalue()
        finally:
            self.stream = stream
        if code.startswith(AWAIT_BEGIN) and code.endswith(AWAIT_END):
            value = self.temporary_identifier()
            expression = code[len(AWAIT_BEGIN) : -len(AWAIT_END)]
            test = f"type(({value} := {expression})) in PLAIN_TYPES"
            code = f"({value} if {test} else await auto_await({value}))"
        self.write(code)

    def writeline(self, x: str, node: nodes.Node | None = None, extra: int = 0) -> None:
        """Write a line. The first line of a loop is collected until its body begins."""
        if x != ASYNC_FOR:
            super().writeline(x, node, extra)
            return
        super().writeline("", node, extra)
        self._outer_stream, self._first_line = self.stream, StringIO()
        self.stream = self._first_line

    def indent(self) -> None:
        """Begin a block: the body of a loop, if its first line was collected."""
        if self._first_line is None:
            super().indent()
            return
        line = self._first_line.getvalue()
        self.stream, self._first_line = self._outer_stream, None
        target, _, iterable = line.removesuffix(":").partition(" in ")
        if iterable.startswith("AsyncLoopContext("):
            start = f"start_loop_context({iterable.removeprefix('AsyncLoopContext(')}"
        else:
            start = f"start_loop({iterable.removeprefix('auto_aiter')})"
        items, next_item, item = (self.temporary_identifier() for _ in range(3))
        self.write(f"{items}, {next_item} = {start}")
        self.writeline(f"for {item} in {items}:")
        super().indent()
        self.writeline(f"if {next_item} is not None:")
        super().indent()
        self.writeline(f"try: {item} = await {next_item}()")
        self.writeline("except StopAsyncIteration: break")
        self.outdent()
        self.writeline(f"{target} = {item}")


class FaithfulEnvironment(Environment):
    """Quart's Jinja environment with filters that work as in Flask, and faster code.

    .. versionadded:: 0.1
    """

    code_generator_class = InlineCodeGenerator

    def __init__(self, app: Quart, **options: Any) -> None:
        super().__init__(app, **options)
        self.filters.update(FILTERS)
        self._strings: Any = LRUCache(128)

    def from_string(
        self,
        source: str | nodes.Template,
        globals: MutableMapping[str, Any] | None = None,
        template_class: type[Template] | None = None,
    ) -> Template:
        """Return a template of *source*. The last 128 are cached, because compiling takes long.

        Arguments:
            source: The text of the template.
            globals: Variables of this template; with these it is not cached.
            template_class: The class of the template; with this it is not cached.
        """
        if globals is not None or template_class is not None or not isinstance(source, str):
            return super().from_string(source, globals, template_class)
        # What the compiled code depends on can be changed after the first template.
        syntax = (self.trim_blocks, self.lstrip_blocks, self.keep_trailing_newline)
        classes = (self.autoescape, self.undefined, self.finalize, self.is_async)
        known = (len(self.filters), len(self.tests), len(self.extensions))
        key = (source, self.code_generator_class, *syntax, *classes, *known)
        template: Template | None = self._strings.get(key)
        if template is None:
            template = self._strings[key] = super().from_string(source)
        return template

    @cached_property
    def synchronous(self) -> jinja2.Environment:
        """The same environment in Jinja's synchronous mode."""
        return _synchronous(self)


def _synchronous(environment: jinja2.Environment) -> jinja2.Environment:
    finalize = environment.finalize or _itself

    @wraps(finalize)
    def checked(*args: Any) -> Any:
        value = args[-1]
        if is_awaitable(value):
            if inspect.iscoroutine(value):
                value.close()
            raise TypeError(
                "a value has to be awaited, which is not possible in a synchronous macro: pass the"
                " awaited value as an argument"
            )
        return finalize(*args)

    return environment.overlay(enable_async=False, finalize=checked)


def _itself(value: Any) -> Any:
    return value


def get_template_attribute(template_name: str, attribute: str) -> Any:
    """Return a macro or a variable of a template, as :func:`flask.get_template_attribute` does.

    The macro is called without ``await``. Quart's function is a ``RuntimeError``.

    .. versionadded:: 0.1

    Arguments:
        template_name: The name of the template.
        attribute: The name of the macro or variable.

    Raises:
        AttributeError: The template has no such macro or variable.
        TypeError: When the macro is called: it prints something that has to be awaited.
    """
    environment = current_app.jinja_env
    if isinstance(environment, FaithfulEnvironment):
        synchronous = environment.synchronous
    else:
        synchronous = _synchronous(environment)
    return getattr(synchronous.get_template(template_name).module, attribute)


class Templates(Quart):
    """Templates are reloaded in debug mode, and their loading is explained, as in Flask."""

    jinja_environment = FaithfulEnvironment

    def create_jinja_environment(self) -> Environment:  # type: ignore[override]
        """Create the environment, which reloads templates in debug mode unless told otherwise."""
        environment = super().create_jinja_environment()
        if "auto_reload" not in self.jinja_options:
            reload = self.config["TEMPLATES_AUTO_RELOAD"]
            environment.auto_reload = self.debug if reload is None else reload
        return environment

    def create_global_jinja_loader(self) -> ExplainingLoader:
        """Return the loader of the application's and the blueprints' templates."""
        return ExplainingLoader(self)
