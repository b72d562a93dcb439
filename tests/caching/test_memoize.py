"""Results of functions are cached by their arguments."""

from __future__ import annotations

import asyncio
import enum
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quart import Quart, g
from werkzeug.local import LocalProxy

from quartpatterns.caching import Cache, UncacheableError, cache_memoize_hit, cache_memoize_miss
from quartpatterns.caching.keys import code_digest, fingerprint
from tests.examples import examples


@pytest.mark.checks("CA-6")
async def test_arguments(cache: Cache) -> None:
    """Equal arguments are one call, by position or by name; other arguments are another."""
    calls: list[Any] = []

    @cache.memoize(timeout=60)
    async def add(a: Any, b: Any = 2, *rest: Any, c: Any = None, **more: Any) -> int:
        calls.append((a, b, rest, c, more))
        return len(calls)

    assert await add(1) == await add(1, 2) == await add(a=1) == await add(b=2, a=1) == 1
    assert await add(1, 2, c=None) == 1
    assert await add(2) == 2
    assert await add("1") == 3
    assert await add(True) == 4
    assert await add(1.0) == 5
    assert await add(1, 2, 3) == 6
    assert await add(1, c=3) == 7
    assert await add(1, d=3, e=4) == await add(1, e=4, d=3) == 8
    assert await add([1, {"a": {2}}]) == await add([1, {"a": {2}}]) == 9
    assert await add((1, {"a": {2}})) == 10
    with pytest.raises(TypeError, match="missing a required argument"):
        await add()
    assert len(calls) == 10


@pytest.mark.checks("CA-6")
async def test_sync(cache: Cache, app: Quart) -> None:
    """A synchronous function runs in a thread, with or without an application context."""

    @cache.memoize()
    def add(a: int, b: int) -> int:
        return a + b + int(g.get("more", 0))

    @cache.memoize()
    def double(a: int) -> int:
        return a + a

    async with app.app_context():
        assert await add(1, 2) == await add(1, 2) == 3
    assert await double(4) == await double(4) == 8


class Adder:
    """An object like any other, without a ``__repr__`` of its own."""

    cache = Cache()
    calls: list[Any]

    def __init__(self) -> None:
        self.calls = []

    @cache.memoize()
    async def add(self, number: int) -> int:
        self.calls.append(number)
        return len(self.calls)

    @classmethod
    @cache.memoize()
    async def create(cls, number: int) -> str:
        return f"{cls.__name__} {number}"

    @staticmethod
    @cache.memoize()
    async def plain(number: int) -> int:
        return number


class Named(Adder):
    """An object with an identity that other processes share."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def __caching_id__(self) -> str:
        return self.name


@pytest.fixture
async def methods(app_class: type[Quart]) -> AsyncIterator[Cache]:
    app = app_class(__name__)
    Adder.cache.init_app(app)
    async with app.app_context():  # The Cache has one application for each test.
        yield Adder.cache


@pytest.mark.checks("CA-6")
async def test_other_names_of_self(cache: Cache) -> None:
    """Without the name ``self`` an instance has no results of its own: all are deleted."""
    calls: list[int] = []

    class Shop:
        @cache.memoize(timeout=60)
        async def price(this, number: int) -> int:  # noqa: N805
            calls.append(number)
            return number

    shop = Shop()
    await shop.price(1)
    await shop.price(1)
    await cache.delete_memoized(shop.price)
    await shop.price(1)
    assert calls == [1, 1]


@pytest.mark.checks("CA-6")
async def test_methods(methods: Cache) -> None:
    """Each instance has own results, which can be deleted."""
    one, two = Adder(), Adder()
    assert [await one.add(1), await one.add(1), await two.add(1)] == [1, 1, 1]
    assert [await one.add(2), await one.add(number=2)] == [2, 2]
    await methods.delete_memoized(one.add)
    assert [await one.add(1), await two.add(1)] == [3, 1]
    await methods.delete_memoized(one.add, 1)
    assert [await one.add(1), await two.add(1)] == [4, 1]
    await methods.delete_memoized(Adder.add, two, 1)
    assert [await one.add(1), await two.add(1)] == [4, 2]
    await methods.delete_memoized(Adder.add)
    assert [await one.add(1), await two.add(1)] == [5, 3]
    assert await one.add.uncached(one, 9) == 6
    assert [await Adder.create(1), await Named.create(1)] == ["Adder 1", "Named 1"]
    assert await Adder.plain(5) == 5
    assert await one.plain(5) == 5  # type: ignore[call-arg]  # mypy takes it for a method


@pytest.mark.checks("CA-6")
async def test_named_instances(methods: Cache) -> None:
    """Objects with the same ``__caching_id__()`` share results."""
    assert await Named("a").add(1) == 1
    again = Named("a")
    assert await again.add(1) == 1 and not again.calls
    other = Named("b")
    assert await other.add(1) == 1 and other.calls


@pytest.mark.checks("CA-6")
async def test_reused_addresses(methods: Cache) -> None:
    """An object at the address of a deleted one does not get its results."""
    for number in range(50):
        adder = Adder()
        adder.calls = [0] * number
        assert await adder.add(1) == number + 1


@pytest.mark.checks("CA-6")
async def test_delete(cache: Cache) -> None:
    calls: list[Any] = []

    @cache.memoize()
    async def add(a: int, b: int = 0) -> int:
        calls.append((a, b))
        return len(calls)

    async def other() -> None: ...

    assert [await add(1), await add(2)] == [1, 2]
    await cache.delete_memoized(add, 1)
    assert [await add(1), await add(2)] == [3, 2]
    await cache.delete_memoized(add, a=1, b=0)
    assert [await add(1), await add(2)] == [4, 2]
    await cache.delete_memoized(add)
    assert [await add(1), await add(2)] == [5, 6]
    await add.delete_memoized()
    assert [await add(1), await add(2)] == [7, 8]
    await cache.delete_memoized_verhash(add)
    assert [await add(1), await add(2)] == [9, 10]
    assert await cache.delete(add.make_cache_key(add.uncached, 1))
    assert [await add(1), await add(2)] == [11, 10]
    with pytest.raises(TypeError, match="is not memoized"):
        await cache.delete_memoized(other)
    with pytest.raises(TypeError, match="is not memoized"):
        await cache.delete_memoized("add")


@pytest.mark.checks("CA-6")
async def test_options(cache: Cache) -> None:
    """``unless``, ``forced_update``, ``response_filter``, ``args_to_ignore``, ``make_name``."""
    calls: list[Any] = []

    def count(a: int, trace: object = None) -> int:
        calls.append(a)
        return len(calls)

    ignoring = cache.memoize(args_to_ignore=["trace"], make_name=lambda name: "n1")(count)
    assert await ignoring(1) == await ignoring(1, object()) == 1
    bypassing = cache.memoize(unless=lambda f, a: a < 0, make_name=lambda name: "n2")(count)
    assert [await bypassing(-1), await bypassing(-1), await bypassing(1), await bypassing(1)] == [
        2,
        3,
        4,
        4,
    ]
    forced = cache.memoize(forced_update=lambda: len(calls) < 6, make_name=lambda name: "n3")(count)
    assert [await forced(1), await forced(1), await forced(1)] == [5, 6, 6]
    odd = cache.memoize(response_filter=lambda rv: rv % 2, make_name=lambda name: "n4")(count)
    assert [await odd(1), await odd(1), await odd(2), await odd(2)] == [7, 7, 8, 9]


@pytest.mark.checks("CA-2", "CA-6")
async def test_none(cache: Cache) -> None:
    calls: list[str] = []

    @cache.memoize()
    async def none_ignored(a: int) -> None:
        calls.append("a")

    @cache.memoize(cache_none=True)
    async def none_stored(a: int) -> None:
        calls.append("b")

    for _ in range(2):
        await none_ignored(1)
        await none_stored(1)
    assert calls == ["a", "b", "a"]


@pytest.mark.checks("CA-6")
async def test_signals(cache: Cache, app: Quart) -> None:
    received: list[Any] = []

    @cache.memoize()
    async def add(a: int) -> int:
        return a

    def hit(sender: Quart, **values: Any) -> None:
        received.append(("hit", values["f"], values["args"], values["kwargs"]))

    async def miss(sender: Quart, **values: Any) -> None:
        received.append(("miss", values["f"], values["args"], values["kwargs"]))

    cache.enable_signals = True
    with cache_memoize_hit.connected_to(hit, app), cache_memoize_miss.connected_to(miss, app):
        await add(1)
        await add(a=1)
    assert received == [("miss", add.uncached, (1,), {}), ("hit", add.uncached, (), {"a": 1})]


@pytest.mark.checks("CA-12")
async def test_computed_once(cache: Cache) -> None:
    """Calls at the same time share one result; a failure is only for the first, and not stored."""
    calls: list[int] = []

    @cache.memoize()
    async def slow(a: int) -> list[int]:
        calls.append(a)
        number = len(calls)
        await asyncio.sleep(0.05)
        if a == 0 and number == 1:
            raise LookupError("first")
        return [number]

    found = await asyncio.gather(*(slow(0) for _ in range(5)), return_exceptions=True)
    assert [type(one) for one in found].count(LookupError) == 1
    calls.clear()
    assert await asyncio.gather(*(slow(7) for _ in range(200))) == [[1]] * 200
    assert calls == [7]
    found[-1] = await slow(7)
    (await slow(7)).append(8)
    assert await slow(7) == [1]


@pytest.mark.checks("CA-12")
async def test_recursion(cache: Cache) -> None:
    """A function that calls itself does not wait for itself."""

    @cache.memoize()
    async def fibonacci(n: int) -> int:
        if n < 2:
            return n
        return sum(await asyncio.gather(fibonacci(n - 1), fibonacci(n - 2)))

    depth = 0

    @cache.cached(key_prefix="same")
    async def same() -> int:
        nonlocal depth
        depth += 1
        return depth if depth > 2 else await same()

    async with asyncio.timeout(10):
        assert await fibonacci(12) == 144
        assert await same() == 3


@pytest.mark.checks("CA-6")
@pytest.mark.parametrize("how", ["memoize", "cached", "without a store"])
@pytest.mark.parametrize("form", ["async", "sync", "hidden"])
@pytest.mark.parametrize(("parts", "whole"), [("ab", "ab"), ([b"a", b"b"], b"ab"), ([1], [1])])
async def test_generators(
    app: Quart, cache: Cache, how: str, form: str, parts: Any, whole: Any
) -> None:
    """What a generator yields is joined, and stored once."""
    calls: list[int] = []

    async def asynchronous() -> AsyncIterator[Any]:
        calls.append(1)
        for part in parts:
            yield part

    def synchronous() -> Iterator[Any]:
        calls.append(1)
        yield from parts

    async def hidden() -> Any:
        calls.append(1)
        return (part for part in parts)

    functions: dict[str, Any] = {"async": asynchronous, "sync": synchronous, "hidden": hidden}
    unless = None if how != "without a store" else (lambda: True)
    options: dict[str, Any] = {} if how != "cached" else {"key_prefix": "parts"}
    decorate = cache.cached if how == "cached" else cache.memoize
    function = decorate(unless=unless, **options)(functions[form])
    assert [await function(), await function()] == [whole, whole]
    assert len(calls) == (2 if unless else 1)
    async with app.test_request_context("/"):
        in_request = cache.cached(unless=unless)(functions[form])
        assert [await in_request(), await in_request()] == [whole, whole]


class Colour(enum.Enum):
    RED = 1


@dataclass
class Point:
    x: int
    y: Any = None


class Shown:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class Equal:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.checks("CA-6")
def test_fingerprints() -> None:
    """Different values have different fingerprints."""
    values: list[Any] = [
        None, 0, 1, -1, 1.0, 1j, True, "", "1", "None", b"1", [], [1], ["1"], (1,), [[1]], [1, 1],
        {}, {1}, {"1"}, {1: 2}, {"1": 2}, {2: 1}, OrderedDict({1: 2}), Colour.RED, Colour,
        Point(1), Point(2), Point(1, [2]), date(2026, 1, 1), Decimal("1"), Decimal("1.0"),
        Path("a"), Shown("a"), Shown("a)"), Shown("b"), print, len, asyncio, Adder.plain,
        [Shown("a,b")], [Shown("a"), Shown("b")], ["a,str:'b'"], ["a", "b"],
    ]  # fmt: skip
    names = [fingerprint(value) for value in values]
    assert len(set(names)) == len(values)
    assert names == [fingerprint(value) for value in values]
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint(Shown("x")) == fingerprint(Shown("x"))


def test_fingerprints_of_abbreviated_representations() -> None:
    """A representation with "..." does not identify an object."""
    assert fingerprint(Shown("[0 1 ... 8 9]")) != fingerprint(Shown("[0 1 ... 8 9]"))


def test_no_fingerprint() -> None:
    with pytest.raises(UncacheableError, match="__caching_id__"):
        fingerprint([Equal()])
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(UncacheableError, match="contains itself"):
        fingerprint(loop)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.binary()
    | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(st.text(), inner)
    ),
    max_leaves=6,
)


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(max_examples=examples(50))
@given(PLAIN, PLAIN)
def test_fingerprints_and_equality(one: Any, two: Any) -> None:
    """They are equal if the values and their types are."""
    same = repr(one) == repr(two) or (one == two and fingerprint(one) == fingerprint(two))
    assert (fingerprint(one) == fingerprint(two)) == same


def test_code_digest() -> None:
    """It depends on the code, not on its position in the file."""

    def make(text: str) -> Any:
        space: dict[str, Any] = {}
        exec(text, space)
        return space["f"]

    one = make("def f():\n    return [lambda: 1, 2]")
    assert code_digest(one) == code_digest(make("\n\n\ndef f():\n    return [lambda: 1, 2]"))
    assert code_digest(one) != code_digest(make("def f():\n    return [lambda: 2, 2]"))
    assert code_digest(print)


class Plain:
    """Has no representation but the address."""

    def __init__(self, number: int) -> None:
        self.number = number


class ShowsAddress(Plain):
    def __repr__(self) -> str:
        return f"ShowsAddress({object.__repr__(self)})"


@pytest.mark.parametrize("user_class", [Plain, ShowsAddress])
@pytest.mark.parametrize("behind_proxy", [True, False])
async def test_address_is_no_identity(
    cache: Cache, app: Quart, user_class: type[Plain], behind_proxy: bool
) -> None:
    """An object behind a proxy, such as ``current_user``, is not mistaken for an earlier one."""
    current: list[Any] = [None]
    proxy: Any = LocalProxy(lambda: current[0])

    @cache.memoize(timeout=60)
    async def number(one: Plain) -> int:
        return one.number

    async with app.app_context():
        for each in range(10):
            current[0] = None  # so that the next one gets the same address
            current[0] = user_class(each)
            assert await number(proxy if behind_proxy else current[0]) == each


async def test_equal_values_behind_a_proxy(cache: Cache, app: Quart) -> None:
    """A proxy is the same argument as its object."""
    async with app.app_context():
        assert fingerprint(LocalProxy(lambda: "ada")) == fingerprint("ada")
