"""A store on a class with the methods of cachelib, such as one of cachelib's own."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from secrets import token_hex
from threading import Lock
from typing import Any

from quart import Quart

from quartpatterns._shared.settings import SettingError
from quartpatterns._shared.threads import to_thread
from quartpatterns.caching.circuit_breaker import CircuitBreaker
from quartpatterns.caching.records import Record, RecordSerializer
from quartpatterns.caching.settings import NO_LIMIT, Settings
from quartpatterns.caching.stores import Store

__all__ = ["ClassStore", "make_backend"]

VERSION = "#version:"
_METHODS = ("get", "set", "add", "delete", "clear")


def make_backend(app: Quart, config: Mapping[str, Any], settings: Settings) -> Any:
    """Make the object that ``CACHE_TYPE`` stands for, with the arguments of Flask-Caching.

    A class of cachelib gets ``CACHE_ARGS`` and ``CACHE_OPTIONS``. Any other class or function gets
    the application, its configuration, ``CACHE_ARGS`` and ``CACHE_OPTIONS``; of a class that has a
    method ``factory``, this method gets them.

    Raises:
        SettingError: It can't be made, or lacks a method.
    """
    timeout = 0 if settings.default_timeout >= NO_LIMIT else settings.default_timeout
    options = {
        "default_timeout": math.ceil(timeout),
        "ignore_delete_many_errors": settings.ignore_errors,
        **settings.options,
    }
    make: Any = settings.factory
    if isinstance(make, type):
        make = getattr(make, "factory", make)
    arguments = list(settings.arguments)
    try:
        if "cachelib" in settings.factory_path:
            backend = make(*arguments, **_known(make, options, settings.options))
        else:
            backend = make(app, {**config}, arguments, options)
    except TypeError as error:
        raise SettingError(
            "CACHE_TYPE", f"CACHE_TYPE can't be made: {error}. See CACHE_ARGS and CACHE_OPTIONS."
        ) from error
    missing = [name for name in _METHODS if not callable(getattr(backend, name, None))]
    if missing:
        raise SettingError(
            "CACHE_TYPE",
            f"CACHE_TYPE must make an object with the methods {', '.join(_METHODS)}, as those of"
            f" cachelib; {backend!r} lacks {', '.join(missing)}.",
        )
    return backend


def _known(
    make: Callable[..., Any], options: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the options without the defaults that the class does not take."""
    parameters = inspect.signature(make).parameters
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return dict(options)
    return {key: value for key, value in options.items() if key in parameters or key in given}


class ClassStore(Store):
    """Stores records as bytes in an object with the methods of cachelib.

    A synchronous method runs in a thread, one call at a time. An asynchronous one is awaited.
    There are no locks between processes: several workers may compute the same result.

    Arguments:
        backend: The object.
        settings: The settings.
        serializer: Serializes records.
    """

    def __init__(self, backend: Any, settings: Settings, serializer: RecordSerializer) -> None:
        self.backend = backend
        self._prefix = settings.prefix
        self._serializer = serializer
        # The classes of cachelib are not made for several threads.
        self._lock = Lock()
        self._breaker = CircuitBreaker(type(backend).__name__, settings, (Exception,))

    def now(self) -> float:
        return time.time()

    async def get(
        self, key: str, versions: Collection[str] = ()
    ) -> tuple[Record | None, tuple[str | None, ...]]:
        name = self._prefix + key
        data = await self._call("get", name)
        tokens = [await self._token(version) for version in versions]
        return self._record(name, data), tuple(tokens)

    async def get_many(self, keys: Sequence[str]) -> list[Record | None]:
        names = [self._prefix + key for key in keys]
        return [self._record(name, await self._call("get", name)) for name in names]

    async def get_or_create_tokens(self, versions: Mapping[str, float]) -> tuple[str, ...]:
        for name, ttl in versions.items():
            if await self._token(name) is None:
                await self._call("add", self._version(name), token_hex(8).encode(), _timeout(ttl))
        return tuple([await self._token(name) or "" for name in versions])

    async def set(
        self, key: str, record: Record, ttl: float, versions: Mapping[str, float] | None = None
    ) -> bool:
        name = self._prefix + key
        data = self._serializer.dumps(name, record)
        for version, seconds in (versions or {}).items():
            if (token := await self._token(version)) is not None:
                await self._call("set", self._version(version), token.encode(), _timeout(seconds))
        # cachelib documents a bool, but some backends return nothing.
        return await self._call("set", name, data, _timeout(ttl)) is not False

    async def add(self, key: str, record: Record, ttl: float) -> bool:
        name = self._prefix + key
        data = self._serializer.dumps(name, record)
        return bool(await self._call("add", name, data, _timeout(ttl)))

    async def has(self, key: str) -> bool:
        names = (self._prefix + key, self._version(key))
        return any([await self._call("get", name) is not None for name in names])

    async def delete(self, *keys: str) -> tuple[bool, ...]:
        deleted: list[bool] = []
        for key in keys:
            names = (self._prefix + key, self._version(key))
            found = [await self._call("get", name) is not None for name in names]
            for name, exists in zip(names, found, strict=True):
                if exists:
                    await self._call("delete", name)
            deleted.append(any(found))
        return tuple(deleted)

    async def clear(self) -> None:
        await self._call("clear")

    async def _call(self, method: str, *args: Any) -> Any:
        function = getattr(self.backend, method)

        def locked() -> Any:
            with self._lock:
                return function(*args)

        async def call() -> Any:
            if inspect.iscoroutinefunction(function):
                return await function(*args)
            result = await to_thread(locked)
            return await result if inspect.isawaitable(result) else result

        return await self._breaker.call(call)

    async def _token(self, name: str) -> str | None:
        data = await self._call("get", self._version(name))
        return data.decode("latin-1") if isinstance(data, bytes) else None

    def _record(self, name: str, data: Any) -> Record | None:
        return None if data is None else self._serializer.loads(name, data)

    def _version(self, name: str) -> str:
        return self._prefix + VERSION + name


def _timeout(ttl: float) -> int:
    """Return whole seconds, as cachelib has them; 0 is no limit."""
    return 0 if ttl >= NO_LIMIT else math.ceil(ttl)
