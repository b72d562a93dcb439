"""The filters of Jinja, which work as in Flask unless their value is an asynchronous iterable.

In Jinja's asynchronous mode, ``map`` and ``select`` return asynchronous generators, and ``sort``,
``max``, ``in`` and functions of Python can't iterate over them.
"""

# Jinja leaves some annotations out.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import wraps
from itertools import chain
from types import BuiltinMethodType, FunctionType, GeneratorType, MethodType, NoneType
from typing import Any
from uuid import UUID

import jinja2.filters
from jinja2 import Undefined
from jinja2.async_utils import auto_await
from jinja2.runtime import Context
from markupsafe import Markup

__all__ = ["FILTERS", "PLAIN_TYPES", "MappedItems", "is_asynchronous", "is_awaitable"]

PLAIN_TYPES = frozenset(
    {
        *(NoneType, bool, bytes, complex, dict, float, frozenset, int, list, set, str, tuple),
        *(BuiltinMethodType, FunctionType, MethodType, type),
        *(Decimal, Markup, UUID, date, datetime, time, timedelta),
    }
)
"""Types whose objects can't be awaited. Their objects need no further test."""

JINJA_FILTERS: dict[str, Any] = {**jinja2.filters.FILTERS}

# Filters that have an asynchronous variant and read all items.
READS_ALL = ("groupby", "join", "list", "slice", "sum", "unique")
# Filters without an asynchronous variant that accept an iterator in Flask.
WITHOUT_VARIANT = ("batch", "max", "min", "reverse", "sort")

SKIPPED: Any = object()


def is_awaitable(item: object) -> bool:
    """Tell whether *item* has to be awaited. Most types need not be looked at closely."""
    kind = type(item)
    if kind in PLAIN_TYPES or not (hasattr(kind, "__await__") or kind is GeneratorType):
        return False
    return inspect.isawaitable(item)


def is_asynchronous(value: object) -> bool:
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
        if is_awaitable(item):
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
            if is_awaitable(item):
                self.pending = chain(taken, self.pending)
                return None
        return taken


def _map() -> Callable[..., Any]:
    """Return the filter ``map``."""
    jinja_filter = JINJA_FILTERS["map"]

    async def call_later(function: Callable[[Any], Any], item: Awaitable[Any]) -> Any:
        got = await item
        return got if got is SKIPPED else await auto_await(function(got))

    def call_all(context: Context, value: Any, args: Any, kwargs: Any) -> Iterator[Any]:
        if value:
            function = jinja2.filters.prepare_map(context, args, kwargs)
            for item in value.pending if type(value) is MappedItems else value:
                yield call_later(function, item) if is_awaitable(item) else function(item)

    @wraps(jinja_filter)
    def wrapper(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        if not context.environment.is_async:
            return jinja_filter(context, value, *args, **kwargs)
        if is_asynchronous(value) and type(value) is not MappedItems:
            return jinja_filter(context, value, *args, **kwargs)
        return MappedItems(call_all(context, value, args, kwargs))

    return wrapper


def _select(name: str, *, reject: bool, lookup_attr: bool) -> Callable[..., Any]:
    """Return the filter *name*, one of the four that select items."""
    jinja_filter = JINJA_FILTERS[name]
    synchronous = inspect.unwrap(jinja_filter)

    async def choose_later(passes: Callable[[Any], Any], item: Awaitable[Any]) -> Any:
        got = await item
        return got if got is not SKIPPED and passes(got) else SKIPPED

    def choose(context: Context, value: MappedItems, args: Any, kwargs: Any) -> Iterator[Any]:
        passes = jinja2.filters.prepare_select_or_reject(
            context, args, kwargs, (lambda found: not found) if reject else bool, lookup_attr
        )
        for item in value.pending:
            if is_awaitable(item):
                yield choose_later(passes, item)
            elif passes(item):
                yield item

    @wraps(jinja_filter)
    def wrapper(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        if type(value) is MappedItems:
            return MappedItems(choose(context, value, args, kwargs))
        used = jinja_filter if is_asynchronous(value) else synchronous
        return used(context, value, *args, **kwargs)

    return wrapper


def _prefer_synchronous(name: str) -> Callable[..., Any]:
    """Return the filter *name* that uses its asynchronous variant only where it has to."""
    jinja_filter = JINJA_FILTERS[name]
    synchronous = inspect.unwrap(jinja_filter)
    # The first argument is the context, the environment or the evaluation context.
    takes_first = hasattr(synchronous, "jinja_pass_arg")

    @wraps(jinja_filter)
    def wrapper(first: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        if is_asynchronous(value):
            reads_all = name in READS_ALL and type(value) is MappedItems
            all_items = value.take_all() if reads_all else None
            if all_items is None:
                return jinja_filter(first, value, *args, **kwargs)
            value = all_items
        if takes_first:
            return synchronous(first, value, *args, **kwargs)
        return synchronous(value, *args, **kwargs)

    return wrapper


def _collect_first(name: str) -> Callable[..., Any]:
    """Return the filter *name* that accepts an asynchronous iterable as well."""
    synchronous = JINJA_FILTERS[name]
    place = 1 if hasattr(synchronous, "jinja_pass_arg") else 0

    async def collect(args: list[Any], kwargs: dict[str, Any]) -> Any:
        args[place] = [item async for item in args[place]]
        return synchronous(*args, **kwargs)

    @wraps(synchronous)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        value = args[place]
        if not is_asynchronous(value):
            return synchronous(*args, **kwargs)
        all_items = value.take_all() if type(value) is MappedItems else None
        if all_items is None:
            return collect([*args], kwargs)
        return synchronous(*args[:place], all_items, *args[place + 1 :], **kwargs)

    return wrapper


FILTERS: dict[str, Callable[..., Any]] = {
    "map": _map(),
    "select": _select("select", reject=False, lookup_attr=False),
    "selectattr": _select("selectattr", reject=False, lookup_attr=True),
    "reject": _select("reject", reject=True, lookup_attr=False),
    "rejectattr": _select("rejectattr", reject=True, lookup_attr=True),
    **{name: _prefer_synchronous(name) for name in ("first", *READS_ALL)},
    **{name: _collect_first(name) for name in WITHOUT_VARIANT},
}
