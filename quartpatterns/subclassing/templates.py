"""Templates: filters that do not wait are synchronous, and code that awaits only what it has to.

Jinja has an asynchronous mode, which Quart uses. In this mode, ``map`` and ``select`` return
asynchronous generators, and ``sort``, ``max``, ``in`` and functions of Python can't iterate over
them. Here the filters of Jinja work as in Flask, unless their value is an asynchronous iterable.
"""

# The methods of a code generator have Jinja's names.
# ruff: noqa: N802

# Jinja leaves some annotations out.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property, partial, wraps
from io import StringIO
from itertools import chain, repeat
from types import BuiltinMethodType, FunctionType, MethodType, NoneType
from typing import Any, TextIO
from uuid import UUID

import jinja2.filters
from jinja2 import Template, Undefined, nodes
from jinja2.async_utils import auto_await
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import AsyncLoopContext, Context, LoopContext
from jinja2.utils import LRUCache
from markupsafe import Markup
from quart import Quart, current_app
from quart.templating import Environment

from quartpatterns.subclassing.debugging import ExplainingLoader

__all__ = [
    "FILTERS",
    "PLAIN_TYPES",
    "FaithfulEnvironment",
    "InlineCodeGenerator",
    "MappedItems",
    "Templates",
    "get_template_attribute",
]

PLAIN_TYPES = frozenset(
    {
        *(NoneType, bool, bytes, complex, dict, float, frozenset, int, list, set, str, tuple),
        *(BuiltinMethodType, FunctionType, MethodType, type),
        *(Decimal, Markup, UUID, date, datetime, time, timedelta),
    }
)
"""Types whose objects can't be awaited. Their objects need no further test."""

JINJA_FILTERS: dict[str, Any] = {**jinja2.filters.FILTERS}

# What Jinja's code generator writes around an expression that can return an awaitable.
AWAIT_BEGIN = "(await auto_await("
AWAIT_END = "))"
# How it begins a loop.
ASYNC_FOR = "async for "

# Filters that have an asynchronous variant and read all items.
READS_ALL = ("groupby", "join", "list", "slice", "sum", "unique")
# Filters without an asynchronous variant that accept an iterator in Flask.
WITHOUT_VARIANT = ("batch", "max", "min", "reverse", "sort")

SKIPPED: Any = object()


def _is_awaitable(item: object) -> bool:
    return type(item) not in PLAIN_TYPES and inspect.isawaitable(item)


def _is_asynchronous(value: object) -> bool:
    """Tell whether *value* has to be read with ``async for``."""
    # An undefined value is an asynchronous iterable without items.
    return hasattr(value, "__aiter__") and not isinstance(value, Undefined)


class MappedItems:
    """The result of the filter ``map``: an iterator that is both synchronous and asynchronous.

    Templates and the asynchronous variants of filters await the items, which can be results of an
    asynchronous filter. Everything else iterates over it as over the generator that ``map``
    returns in Flask.
    """

    def __init__(self, items: Iterator[Any]) -> None:
        self.pending = items

    def __iter__(self) -> MappedItems:
        return self

    def __next__(self) -> Any:
        item = next(self.pending)
        if _is_awaitable(item):
            if inspect.iscoroutine(item):
                item.close()
            raise TypeError(
                "an item of the filter map() has to be awaited, which is not possible here:"
                " write |map(...)|list"
            )
        return item

    def __aiter__(self) -> MappedItems:
        return self

    async def __anext__(self) -> Any:
        for item in self.pending:
            got = item if type(item) in PLAIN_TYPES else await auto_await(item)
            if got is not SKIPPED:
                return got
        raise StopAsyncIteration

    def take_all(self) -> list[Any] | None:
        """Return all items, or ``None`` if one of them has to be awaited."""
        taken: list[Any] = []
        for item in self.pending:
            taken.append(item)
            if _is_awaitable(item):
                self.pending = chain(taken, self.pending)
                return None
        return taken


def _map() -> Callable[..., Any]:
    """Return the filter ``map``."""
    both = JINJA_FILTERS["map"]

    async def call_later(function: Callable[[Any], Any], item: Awaitable[Any]) -> Any:
        got = await item
        return got if got is SKIPPED else await auto_await(function(got))

    def call_all(context: Context, value: Any, args: Any, kwargs: Any) -> Iterator[Any]:
        if value:
            function = jinja2.filters.prepare_map(context, args, kwargs)
            for item in value.pending if type(value) is MappedItems else value:
                yield call_later(function, item) if _is_awaitable(item) else function(item)

    @wraps(both)
    def chosen(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        if not context.environment.is_async:
            return both(context, value, *args, **kwargs)
        if _is_asynchronous(value) and type(value) is not MappedItems:
            return both(context, value, *args, **kwargs)
        return MappedItems(call_all(context, value, args, kwargs))

    return chosen


def _select(name: str, *, reject: bool, lookup_attr: bool) -> Callable[..., Any]:
    """Return the filter *name*, one of the four that select items."""
    both = JINJA_FILTERS[name]
    synchronous = inspect.unwrap(both)

    async def choose_later(passes: Callable[[Any], Any], item: Awaitable[Any]) -> Any:
        got = await item
        return got if got is not SKIPPED and passes(got) else SKIPPED

    def choose(context: Context, value: MappedItems, args: Any, kwargs: Any) -> Iterator[Any]:
        passes = jinja2.filters.prepare_select_or_reject(
            context, args, kwargs, (lambda found: not found) if reject else bool, lookup_attr
        )
        for item in value.pending:
            if _is_awaitable(item):
                yield choose_later(passes, item)
            elif passes(item):
                yield item

    @wraps(both)
    def chosen(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        if type(value) is MappedItems:
            return MappedItems(choose(context, value, args, kwargs))
        used = both if _is_asynchronous(value) else synchronous
        return used(context, value, *args, **kwargs)

    return chosen


def _prefer_synchronous(name: str) -> Callable[..., Any]:
    """Return the filter *name* that uses its asynchronous variant only where it has to."""
    both = JINJA_FILTERS[name]
    synchronous = inspect.unwrap(both)
    # The first argument is the context, the environment or the evaluation context.
    takes_first = hasattr(synchronous, "jinja_pass_arg")

    @wraps(both)
    def chosen(first: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        if _is_asynchronous(value):
            reads_all = name in READS_ALL and type(value) is MappedItems
            all_items = value.take_all() if reads_all else None
            if all_items is None:
                return both(first, value, *args, **kwargs)
            value = all_items
        if takes_first:
            return synchronous(first, value, *args, **kwargs)
        return synchronous(value, *args, **kwargs)

    return chosen


def _collect_first(name: str) -> Callable[..., Any]:
    """Return the filter *name* that accepts an asynchronous iterable as well."""
    synchronous = JINJA_FILTERS[name]
    place = 1 if hasattr(synchronous, "jinja_pass_arg") else 0

    async def collect(args: list[Any], kwargs: dict[str, Any]) -> Any:
        args[place] = [item async for item in args[place]]
        return synchronous(*args, **kwargs)

    @wraps(synchronous)
    def chosen(*args: Any, **kwargs: Any) -> Any:
        value = args[place]
        if not _is_asynchronous(value):
            return synchronous(*args, **kwargs)
        all_items = value.take_all() if type(value) is MappedItems else None
        if all_items is None:
            return collect([*args], kwargs)
        return synchronous(*args[:place], all_items, *args[place + 1 :], **kwargs)

    return chosen


FILTERS: dict[str, Callable[..., Any]] = {
    "map": _map(),
    "select": _select("select", reject=False, lookup_attr=False),
    "selectattr": _select("selectattr", reject=False, lookup_attr=True),
    "reject": _select("reject", reject=True, lookup_attr=False),
    "rejectattr": _select("rejectattr", reject=True, lookup_attr=True),
    **{name: _prefer_synchronous(name) for name in ("first", *READS_ALL)},
    **{name: _collect_first(name) for name in WITHOUT_VARIANT},
}


NextItem = Callable[[], Awaitable[Any]]


def start_loop(iterable: Any) -> tuple[Iterator[Any], NextItem | None]:
    """Return an iterator for a loop, and a function if its items have to be awaited.

    If there is a function, the iterator is endless, and the function's results are the items.
    """
    if _is_asynchronous(iterable):
        return repeat(None), aiter(iterable).__anext__
    return iter(iterable), None


def start_loop_context(
    iterable: Any, undefined: type[Undefined], *recursion: Any
) -> tuple[Iterator[Any], NextItem | None]:
    """Return what :func:`start_loop` returns, for a loop that uses the variable ``loop``."""
    if _is_asynchronous(iterable):
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
        names = "PLAIN_TYPES, start_loop, start_loop_context"
        self.writeline(f"from quartpatterns.subclassing.templates import {names}")

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
        key = (source, *syntax, *classes, *known)
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
        if _is_awaitable(value):
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
