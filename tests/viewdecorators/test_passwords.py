"""Password hashing: off the event loop, with bounded memory, and without telling who exists."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import argon2
import pytest
from argon2 import profiles
from blockbuster import BlockBuster
from quart import Quart, request
from werkzeug.security import generate_password_hash

from quartpatterns.viewdecorators.passwords import (
    AsyncPasswordHasher,
    PasswordError,
    PasswordsBusyError,
    UnknownHashError,
)
from tests.databases import python

CHEAP = argon2.PasswordHasher.from_parameters(profiles.CHEAPEST)
SECRET = "correct horse"
BAD_PASSWORDS: list[Any] = [
    pytest.param(None, "a text", id="null"),
    pytest.param(1, "a text", id="a number"),
    pytest.param(True, "a text", id="a bool"),
    pytest.param([SECRET], "a text", id="a list"),
    pytest.param(SECRET.encode(), "a text", id="bytes"),
    pytest.param("", "empty", id="empty"),
    pytest.param("x" * 4097, "4096 bytes", id="too long"),
    pytest.param("ä" * 2049, "4096 bytes", id="too many bytes"),
    pytest.param("x" * 10_000_000, "4096 bytes", id="10 MB"),
    pytest.param("a\ud800b", "invalid characters", id="a surrogate"),
]


class Recording(argon2.PasswordHasher):
    """Counts computations, how many run at the same time, and in which threads."""

    def __init__(self, wait: float = 0) -> None:
        parameters = profiles.CHEAPEST
        super().__init__(parameters.time_cost, parameters.memory_cost, parameters.parallelism)
        self.calls: Counter[str] = Counter()
        self.running = self.most = 0
        self.threads: set[int] = set()
        self.wait = wait
        self._lock = threading.Lock()

    def hash(self, *args: Any, **options: Any) -> str:
        return str(self._record("hash", super().hash, *args, **options))

    def verify(self, *args: Any) -> Any:
        return self._record("verify", super().verify, *args)

    def _record(self, name: str, work: Callable[..., Any], *args: Any, **options: Any) -> Any:
        with self._lock:
            self.calls[name] += 1
            self.running += 1
            self.most = max(self.most, self.running)
            self.threads.add(threading.get_ident())
        try:
            time.sleep(self.wait)
            return work(*args, **options)
        finally:
            with self._lock:
                self.running -= 1


@pytest.fixture
def passwords() -> AsyncPasswordHasher:
    return AsyncPasswordHasher(CHEAP, old_method="scrypt:1024:8:1")


async def test_hash(passwords: AsyncPasswordHasher) -> None:
    stored = await passwords.hash(SECRET)
    assert stored.startswith("$argon2id$") and stored != await passwords.hash(SECRET)
    assert await passwords.verify(SECRET, stored)
    assert not await passwords.verify(SECRET + "x", stored)
    assert not await passwords.verify(SECRET, None)
    assert not await passwords.verify(SECRET, "")


@pytest.mark.parametrize("password", ["x", "a\0b", "a\0c", "pässwörd 🔑", " ", "x" * 4096])
async def test_valid_passwords(passwords: AsyncPasswordHasher, password: str) -> None:
    stored = await passwords.hash(password)
    assert await passwords.verify(password, stored)
    assert not await passwords.verify("a\0", stored)


@pytest.mark.parametrize(("password", "reason"), BAD_PASSWORDS)
async def test_bad_passwords(passwords: AsyncPasswordHasher, password: Any, reason: str) -> None:
    """They are wrong for every user, and refused as new passwords."""
    for stored in (await passwords.hash(SECRET), generate_password_hash(""), None):
        assert not await passwords.verify(password, stored)
        assert await passwords.verify_and_update(password, stored) == (False, None)
    with pytest.raises(PasswordError, match=reason) as error:
        await passwords.hash(password)
    assert error.value.code == 400


async def test_in_a_view(app_class: type[Quart], passwords: AsyncPasswordHasher) -> None:
    app = app_class(__name__)

    @app.post("/register")
    async def register() -> str:
        return await passwords.hash((await request.get_json())["password"])

    client = app.test_client()
    assert (await client.post("/register", json={"password": SECRET})).status_code == 200
    for parameter in BAD_PASSWORDS:
        value = parameter.values[0]
        if not isinstance(value, bytes):
            response = await client.post("/register", json={"password": value})
            assert response.status_code == 400


@pytest.mark.parametrize(
    "stored",
    [
        "!",
        "plain",
        "$2b$12$abc",
        "$argon2id$v=19$broken",
        "md5$a$b",
        SECRET,
        "scrypt:1$a$zz",
        "$",
    ],
)
async def test_unknown_hash(passwords: AsyncPasswordHasher, stored: str) -> None:
    """A stored value that is no hash is an error, and not shown."""
    for call in (passwords.verify, passwords.verify_and_update):
        with pytest.raises(UnknownHashError, match="no password hash") as error:
            await call(SECRET, stored)
        assert len(stored) < 3 or stored not in str(error.value)
    with pytest.raises(UnknownHashError):
        passwords.needs_rehash(stored)


async def test_impossible_hash(passwords: AsyncPasswordHasher) -> None:
    with pytest.raises(UnknownHashError):
        await passwords.verify(SECRET, "scrypt:3:3:3$salt$00")


async def test_arguments_in_the_wrong_order(passwords: AsyncPasswordHasher) -> None:
    with pytest.raises(UnknownHashError, match="takes the password first"):
        await passwords.verify(await passwords.hash(SECRET), SECRET)


async def test_hash_of_another_type(passwords: AsyncPasswordHasher) -> None:
    stored: Any = (await passwords.hash(SECRET)).encode()
    with pytest.raises(TypeError, match="must be a string, not bytes"):
        await passwords.verify(SECRET, stored)


@pytest.mark.parametrize("method", ["scrypt", "pbkdf2:sha256:1000", "pbkdf2:sha1:1000"])
async def test_upgrade(method: str) -> None:
    """A hash of Werkzeug is verified, and replaced at the next login."""
    stored = generate_password_hash(SECRET, method)
    passwords = AsyncPasswordHasher(CHEAP, old_method=method)
    assert passwords.needs_rehash(stored)
    assert await passwords.verify(SECRET, stored)
    assert await passwords.verify_and_update("wrong", stored) == (False, None)
    valid, new = await passwords.verify_and_update(SECRET, stored)
    assert valid and new is not None and new.startswith("$argon2id$")
    assert await passwords.verify_and_update(SECRET, new) == (True, None)
    with pytest.raises(UnknownHashError, match=r"AsyncPasswordHasher\(old_method='"):
        await AsyncPasswordHasher(CHEAP).verify(SECRET, stored)


async def test_new_parameters() -> None:
    old, new = AsyncPasswordHasher(CHEAP), AsyncPasswordHasher()
    stored = await old.hash(SECRET)
    assert new.needs_rehash(stored) and not old.needs_rehash(stored)
    valid, updated = await new.verify_and_update(SECRET, stored)
    assert valid and updated is not None and "m=65536,t=3" in updated


@pytest.mark.parametrize("old_method", [None, "scrypt:1024:8:1"])
async def test_work_for_unknown_users(old_method: str | None) -> None:
    """Each failed login computes one hash of Argon2, whoever the user is."""
    recording = Recording()
    passwords = AsyncPasswordHasher(recording, old_method=old_method)
    users: list[str | None] = [await passwords.hash(SECRET), None, ""]
    if old_method is not None:
        users.append(generate_password_hash(SECRET, old_method))
    for stored in users:
        recording.calls.clear()
        assert not await passwords.verify("wrong", stored)
        assert recording.calls == {"verify": 1}


@pytest.mark.slow
async def test_time_for_unknown_users() -> None:
    """With hashes of Werkzeug as well, all failed logins take about the same time."""
    passwords = AsyncPasswordHasher(CHEAP, old_method="scrypt")
    users = [await passwords.hash(SECRET), None, generate_password_hash(SECRET)]
    times: list[float] = []
    for stored in users:
        times.append(min([await seconds(passwords.verify("wrong", stored)) for _ in range(5)]))
    assert max(times) < 3 * min(times), times


async def seconds(work: Any) -> float:
    """Return the processor time of all threads: on a busy machine, others make it no longer."""
    start = time.process_time()
    await work
    return time.process_time() - start


async def test_threads(no_blocking: BlockBuster) -> None:
    """Nothing is computed on the event loop, and only so many at the same time."""
    recording = Recording(wait=0.02)
    passwords = AsyncPasswordHasher(recording, threads=3)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    ticking = asyncio.create_task(tick())
    stored = await passwords.hash(SECRET)
    await asyncio.gather(*(passwords.verify(SECRET, stored) for _ in range(20)))
    ticking.cancel()
    assert recording.most == 3 and len(recording.threads) <= 3
    assert threading.get_ident() not in recording.threads and ticks > 20


async def test_cancelled() -> None:
    """What waits for a thread is dropped with its request."""
    recording = Recording(wait=0.05)
    passwords = AsyncPasswordHasher(recording, threads=1)
    tasks = [asyncio.create_task(passwords.hash(SECRET)) for _ in range(10)]
    await asyncio.sleep(0.02)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await passwords.hash(SECRET)
    assert recording.calls["hash"] <= 3


async def test_busy(app_class: type[Quart]) -> None:
    """Many logins at once don't make the others wait: they get a 503, and later ones succeed."""
    recording = Recording(wait=0.05)
    passwords = AsyncPasswordHasher(recording, threads=1, max_waiting=2)
    app = app_class(__name__)

    @app.get("/")
    async def login() -> str:
        return str(await passwords.verify(SECRET, None))

    client = app.test_client()
    responses = await asyncio.gather(*(client.get("/") for _ in range(10)))
    assert sorted(one.status_code for one in responses) == [200] * 3 + [503] * 7
    [retry_after] = {one.headers["Retry-After"] for one in responses if one.status_code == 503}
    assert retry_after == "1" and recording.calls["verify"] == 3
    tasks = [asyncio.create_task(passwords.hash(SECRET)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(PasswordsBusyError):
        await passwords.hash(SECRET)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await passwords.verify(SECRET, None) is False


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"threads": 0}, "at least 1"),
        ({"max_bytes": 0}, "at least 1"),
        ({"max_waiting": 0}, "at least 1"),
        ({"old_method": "md5"}, "a method of Werkzeug"),
        ({"old_method": "scrypt:1"}, "a method of Werkzeug"),
        ({"old_method": "scrypt:16:8:1"}, "memory limit"),
        ({"old_method": "pbkdf2:md77"}, "unsupported"),
    ],
)
def test_options(options: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        AsyncPasswordHasher(CHEAP, **options)


def test_two_event_loops() -> None:
    """One object serves several event loops, and its threads end with them."""
    output = python(
        """
import asyncio, threading, time
from quartpatterns.viewdecorators.passwords import AsyncPasswordHasher
passwords = AsyncPasswordHasher()
stored = asyncio.run(passwords.hash("secret"))
print(asyncio.run(passwords.verify("secret", stored)))
for _ in range(500):
    if threading.active_count() == 1:
        break
    time.sleep(0.01)
print(threading.active_count())
"""
    )
    assert output.split() == ["True", "1"]
