"""Each name of Flask-Caching is supported or refused; none is ignored."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import re
from pathlib import Path
from typing import Any, cast

import flask_caching
import flask_caching.backends
import pytest
from quart import Quart
from redis import Redis

import quartpatterns.caching
from quartpatterns.caching import Cache, CachedResponse
from quartpatterns.caching.example.extension_names import EXTENSION
from quartpatterns.caching.settings import DEFAULTS, SETTINGS
from quartpatterns.compare.extension_names import markdown

STATES = {name.name: name.state for name in EXTENSION.names}
# Names of other packages, type variables, and constants that nobody sets.
NOT_ITS_OWN = {"Any", "P", "P2", "R", "T", "T_co", "T_contra", "VERSION_TIMEOUT", "logger"}
NOT_ITS_OWN |= {"SUPPORTED_HASH_FUNCTIONS"}


def own_names() -> set[str]:
    """Return the public names of the installed extension."""
    found: set[str] = set()
    for module in (flask_caching, flask_caching.backends):
        for name, value in vars(module).items():
            origin = getattr(value, "__module__", "") or ""
            is_own = origin.startswith("flask_caching") or name.startswith("cache_")
            if is_own and not name.startswith("_") and name not in NOT_ITS_OWN:
                found.add(name)
    cache = flask_caching.Cache()
    found |= {f"Cache.{name}" for name in dir(cache) if not name.startswith("_")}
    for method in ("cached", "memoize"):
        parameters = inspect.signature(getattr(cache, method)).parameters
        found |= {f"{method}({name}=)" for name in parameters}
    source = "".join(file.read_text() for file in Path(flask_caching.__file__).parent.rglob("*.py"))
    found |= set(re.findall(r"\bCACHE_[A-Z_]+\b", source))
    return found


def test_complete() -> None:
    """The table has each name once, and no name of the installed extension is missing."""
    assert len(STATES) == len(EXTENSION.names)
    assert own_names() - set(STATES) == set()


def test_readme() -> None:
    readme = Path(quartpatterns.caching.__file__).with_name("README.md").read_text()
    assert markdown(EXTENSION) in readme


def test_supported() -> None:
    """Names that are not refused exist; each setting is in DEFAULTS."""
    cache = Cache(Quart(__name__))

    @cache.memoize()
    async def add(a: int) -> int:
        return a

    places = {"cached": cache.cached, "memoize": cache.memoize}
    places["make_template_fragment_key"] = quartpatterns.caching.make_template_fragment_key
    for name, state in STATES.items():
        if state == "refused":
            continue
        if name.startswith("CACHE_"):
            assert name in DEFAULTS
        elif name.startswith("."):
            assert hasattr(add, name[1:])
        elif name.startswith("Cache."):
            assert hasattr(cache, name.removeprefix("Cache."))
        elif match := re.fullmatch(r"(\w+)\((\w+)=\)", name):
            assert match[2] in inspect.signature(cast("Any", places[match[1]])).parameters
        else:
            assert hasattr(quartpatterns.caching, name)


def test_same_order() -> None:
    """Arguments can be passed by position as in Flask-Caching."""
    for method in ("cached", "memoize", "__init__"):
        theirs = list(inspect.signature(getattr(flask_caching.Cache, method)).parameters)
        ours = inspect.signature(getattr(Cache, method)).parameters
        by_position = [n for n, one in ours.items() if one.kind is not one.KEYWORD_ONLY]
        assert by_position == theirs


@pytest.mark.parametrize("name", [name for name, state in STATES.items() if state == "refused"])
def test_refused(name: str) -> None:
    """Using it is an error that says what to write."""
    if name.startswith("CACHE_"):
        with pytest.raises(ValueError, match=re.escape(SETTINGS.instead[name])):
            Cache(Quart(__name__), config={name: "x"})
    else:
        with pytest.raises(TypeError, match=f"{name} of Flask-Caching is not supported: "):
            getattr(quartpatterns.caching, name)()


def test_overridden_methods() -> None:
    """The decorators would not call them."""

    class Recording(Cache):
        async def get(self, key: str) -> Any:
            return await super().get(key)

    with pytest.raises(TypeError, match="Recording overrides get, which the decorators do not"):
        Recording()


def test_attributes() -> None:
    app = Quart(__name__)
    config = {"CACHE_DEFAULT_TIMEOUT": 7}
    cache = Cache(app, True, config)
    assert (cache.app, cache.config, cache.with_jinja2_ext) == (app, config, True)
    assert (cache.cache.default_timeout, cache.cache.key_prefix) == (7, f"cache:{__name__}:")
    with pytest.raises(TypeError, match="pass settings as config="):
        Cache(app, {"CACHE_TYPE": "NullCache"})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`config` must be a mapping"):
        Cache(config=7)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["SimpleCache", "NullCache"])
def test_class_as_type(name: str) -> None:
    for given in (getattr(quartpatterns.caching, name), getattr(flask_caching.backends, name)):
        cache = Cache(Quart(__name__), config={"CACHE_TYPE": given})
        assert type(cache.app_cache().store).__name__ == name.replace("Cache", "Store").replace(
            "Simple", "Memory"
        )


async def test_number_under_a_key(app: Quart, cache: Cache) -> None:
    backend = cache.cache
    assert [await backend.inc("n"), await backend.inc("n", 4), await backend.dec("n")] == [1, 5, 4]
    assert await backend.get("n") == 4


async def test_is_stale(app: Quart, cache: Cache) -> None:
    """A stored result that is_stale refuses is computed again; it gets arguments if it wants."""
    seen: list[Any] = []

    def stale(value: Any, *args: Any) -> bool:
        seen.append((value, args))
        return bool(value < 2)

    numbers = iter(range(9))

    @cache.memoize(is_stale=stale)
    async def number(a: str) -> int:
        return next(numbers)

    assert [await number("x") for _ in range(5)] == [0, 1, 2, 2, 2]
    assert seen == [(0, ("x",)), (1, ("x",)), (2, ("x",)), (2, ("x",))]

    async def always(response: Any) -> bool:
        return bool(response.status_code == 200)

    @app.get("/")
    @cache.cached(is_stale=always)
    async def view() -> str:
        return str(next(numbers))

    client = app.test_client()
    bodies = [await (await client.get("/")).get_data(as_text=True) for _ in range(2)]
    assert bodies == ["3", "4"]


async def test_cached_response(app: Quart, cache: Cache) -> None:
    """A response has a timeout of its own, and keeps its status and headers."""
    calls: list[int] = []

    @app.get("/<int:seconds>")
    @cache.cached(timeout=60)
    async def view(seconds: int) -> Any:
        response: Any = await app.make_response(("body", 201, {"X-A": "b"}))
        calls.append(seconds)
        return CachedResponse(response, timeout=seconds / 100)

    @app.get("/uncached")
    @cache.cached(unless=lambda: True)
    async def uncached() -> Any:
        response: Any = await app.make_response("body")
        return CachedResponse(response, timeout=1)

    client = app.test_client()
    for path in ("/3000", "/3000", "/0", "/0", "/5"):
        response = await client.get(path)
        assert (response.status_code, response.headers["X-A"]) == (201, "b")
        assert await response.get_data(as_text=True) == "body"
    await asyncio.sleep(0.1)
    await client.get("/5")
    assert calls == [3000, 0, 5, 5]
    assert (await client.get("/uncached")).status_code == 200
    with pytest.raises(TypeError, match="CachedResponse takes a response"):
        CachedResponse("body", 3)  # type: ignore[arg-type]


async def test_hash_method(app: Quart, cache: Cache) -> None:
    """The key of a query is that of Flask-Caching."""
    theirs = flask_caching.Cache(config={"CACHE_TYPE": "SimpleCache"})
    for method in (None, hashlib.md5, hashlib.sha512):

        @theirs.cached(query_string=True, hash_method=method)
        def original() -> None: ...

        @cache.cached(query_string=True, hash_method=method)
        async def port() -> None: ...

        key = port.make_cache_key(path="/a", query_args="b=2&a=1")
        assert key == original.make_cache_key(path="/a", query_args="b=2&a=1")


async def test_post(app: Quart, cache: Cache) -> None:
    """Responses to POST are stored if the key contains the body."""
    from quart import request

    async def key() -> str:
        return f"search {await request.get_data(as_text=True)!r}"

    calls: list[Any] = []

    @app.post("/")
    @cache.cached(methods=["POST"], make_cache_key=key)
    async def view() -> str:
        calls.append(await request.get_data(as_text=True))
        return str(calls[-1])

    client = app.test_client()
    for body in ("a", "b", "a"):
        response = await client.post("/", data=body)
        assert await response.get_data(as_text=True) == body
    assert calls == ["a", "b"]
    with pytest.raises(TypeError, match="needs make_cache_key"):
        cache.cached(methods=["POST"])


async def test_function_in_a_request(app: Quart, cache: Cache) -> None:
    """The value of a function that a view calls is a value, not a response."""
    calls: list[int] = []

    @cache.cached()
    async def data() -> dict[str, Any]:
        calls.append(1)
        return {"tuple": (1, 2), "none": None}

    @app.get("/<path>")
    async def view(path: str) -> str:
        return repr(await data())

    client = app.test_client()
    for path in ("a", "a", "b"):
        response = await client.get(f"/{path}")
        assert await response.get_data(as_text=True) == "{'tuple': (1, 2), 'none': None}"
    assert len(calls) == 2


async def test_closures(cache: Cache, app: Quart) -> None:
    """Functions that the same ``def`` makes are told apart by the variables that they use."""

    class Client:
        def __init__(self, number: int) -> None:
            self.number = number

    def make(factor: Any) -> Any:
        @cache.memoize()
        async def times(number: int) -> Any:
            return f"{number} {factor.number if isinstance(factor, Client) else factor}"

        return times

    async with app.app_context():
        pairs = [(2, 3), ([1], [1, 2]), (len, max), (Client(4), Client(5)), ("a", 1)]
        for factors in [*pairs, (lambda: 1, lambda: 2)]:
            made = [make(factor) for factor in factors]
            results = [await function(10) for function in made]
            assert len(set(results)) == 2, factors
            assert [await function(10) for function in made] == results
            await cache.delete_memoized(made[0])
            assert [await function(10) for function in made] == results
        keys = {function.make_cache_key(function.uncached, 1) for function in (make(2), make(2))}
        assert len(keys) == 1


@pytest.mark.parametrize(
    ("config", "url"),
    [
        ({"CACHE_REDIS_HOST": "::1"}, "redis://[::1]:6379/0"),
        ({"CACHE_REDIS_HOST": "[::1]", "CACHE_REDIS_DB": 3}, "redis://[::1]:6379/3"),
        ({"CACHE_REDIS_URL": "redis://h", "CACHE_REDIS_DB": 1}, "redis://h/1"),
        (
            {"CACHE_REDIS_URL": "redis://h/2?db=4&protocol=3", "CACHE_REDIS_DB": 1},
            "redis://h/1?protocol=3",
        ),
        ({"CACHE_REDIS_URL": "redis://h/2"}, "redis://h/2"),
    ],
)
def test_redis_url(config: dict[str, Any], url: str) -> None:
    cache = Cache(Quart(__name__), config={"CACHE_TYPE": "RedisCache", **config})
    assert cache.app_cache().settings.redis_url == url


async def test_redis_client(redis_url: str) -> None:
    """CACHE_REDIS_HOST may be a client of either kind."""
    from redis.asyncio import Redis as AsyncRedis

    for client in (Redis.from_url(redis_url), AsyncRedis.from_url(redis_url)):
        config = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_HOST": client, "CACHE_KEY_PREFIX": "rc:"}
        cache = Cache(Quart(__name__), config={**config, "CACHE_STORE_TIMEOUT": 20.0})
        assert await cache.set("a", 1) and await cache.get("a") == 1
        assert await cache.clear()
        await cache.app_cache().store.close()
        if isinstance(client, AsyncRedis):
            assert await client.ping()  # It belongs to the application.
            await client.aclose()
        else:
            client.close()
    for wrong in (None, "", 7):
        with pytest.raises(ValueError, match="CACHE_REDIS_HOST must be a host name"):
            Cache(Quart(__name__), config={"CACHE_TYPE": "RedisCache", "CACHE_REDIS_HOST": wrong})
    with pytest.raises(ValueError, match="redis-py does not have"):
        config = {"CACHE_TYPE": "RedisCache", "CACHE_OPTIONS": {"nothing": 1}}
        Cache(Quart(__name__), config=config)


async def test_options_of_memory() -> None:
    cache = Cache(Quart(__name__), config={"CACHE_OPTIONS": {"threshold": 3, "default_timeout": 9}})
    settings = cache.app_cache().settings
    assert (settings.threshold, settings.default_timeout) == (3, 9)


@pytest.mark.parametrize("how", ["path", "class", "factory"])
async def test_cachelib(how: str, tmp_path: Path) -> None:
    """A class of cachelib stores values, responses and versions."""
    import cachelib

    def factory(app: Quart, config: Any, args: list[Any], options: dict[str, Any]) -> Any:
        return cachelib.FileSystemCache(args[0], threshold=options["threshold"])

    types = {"path": "cachelib.FileSystemCache", "class": cachelib.FileSystemCache}
    config = {
        "CACHE_TYPE": types.get(how, factory),
        "CACHE_ARGS": [str(tmp_path)],
        "CACHE_OPTIONS": {"threshold": 90},
        "CACHE_STORE_TIMEOUT": 20.0,
    }
    app = Quart(__name__)
    cache = await asyncio.to_thread(Cache, app, config=config)
    assert type(cache.cache) is cachelib.FileSystemCache
    assert await cache.set("a", {"b": (1, None)}) and await cache.get("a") == {"b": (1, None)}
    assert await cache.add("a", 2) is False and await cache.has("a")
    numbers = iter(range(9))

    @cache.memoize()
    async def number(a: int) -> int:
        return next(numbers)

    assert [await number(1), await number(1), await number(2)] == [0, 0, 1]
    await cache.delete_memoized(number)
    assert await number(1) == 2
    assert await cache.delete("a") and not await cache.delete("a")
    assert await cache.clear() and await number(1) == 3


async def test_serializer(tmp_path: Path) -> None:
    """An object or class serializes values; without a SECRET_KEY a shared store refuses them."""
    from cachelib.serializers import JSONSerializer, SimpleSerializer

    for given in (JSONSerializer, SimpleSerializer()):
        app = Quart(__name__)
        app.secret_key = "key"
        config: dict[str, Any] = {"CACHE_SERIALIZER": given, "CACHE_TYPE": "FileSystemCache"}
        config |= {"CACHE_DIR": str(tmp_path), "CACHE_STORE_TIMEOUT": 20.0}
        cache = Cache(app, config=config)
        assert await cache.set("a", [1]) and await cache.get("a") == [1]
        assert isinstance(cache.serializer, given if isinstance(given, type) else type(given))
        app.secret_key = None
        with pytest.raises(RuntimeError, match="SECRET_KEY"):
            await cache.set("a", [1])
        await cache.app_cache().store.close()


def test_null_warning() -> None:
    with pytest.warns(UserWarning, match="caching is effectively disabled"):
        Cache(Quart(__name__), config={"CACHE_TYPE": "NullCache", "CACHE_NO_NULL_WARNING": False})
