"""Password hashing off the event loop.

A password hash is slow on purpose: it takes about 50 ms of CPU and 64 MiB of memory. On the event
loop, all other requests would wait for it. So it is computed in threads, whose number bounds the
memory. argon2-cffi computes it, with the parameters of RFC 9106.

Anybody can send a thousand logins at once. So only a limited number waits for a thread, and the
others get a 503 at once, instead of an answer after a minute.

The time of a login must not tell whether a user exists. So as much is computed for an unknown user
as for a wrong password.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from werkzeug.exceptions import BadRequest
from werkzeug.security import check_password_hash, generate_password_hash

from quartpatterns._shared.extras import requires_extra
from quartpatterns._shared.loop_bound import LoopBound
from quartpatterns._shared.threads import call_in_thread
from quartpatterns._shared.unavailable import ServiceUnavailableError

with requires_extra("passwords", needed_by="quartpatterns.viewdecorators.passwords"):
    import argon2
    from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
    from argon2.low_level import Type
    from argon2.profiles import RFC_9106_LOW_MEMORY

__all__ = ["AsyncPasswordHasher", "PasswordError", "PasswordsBusyError", "UnknownHashError"]

P = ParamSpec("P")
T = TypeVar("T")

_OLD_METHOD = re.compile(r"scrypt(:\d+:\d+:\d+)?|pbkdf2(:\w+(:\d+)?)?")
_OLD_HASH = re.compile(r"(scrypt:\d+:\d+:\d+|pbkdf2:\w+:\d+)\$[^$]*\$[0-9a-f]+")


class PasswordError(BadRequest):
    """A new password can't be used. The response is a 400, whose description says why.

    .. versionadded:: 0.1
    """


class PasswordsBusyError(ServiceUnavailableError):
    """Too many passwords wait to be hashed. The response is a 503 with ``Retry-After``.

    .. versionadded:: 0.1
    """

    description = "Too many logins are waiting. Try again in a few seconds."


class UnknownHashError(ValueError):
    """A stored hash has an unknown format; the message says what to do, and not the hash.

    .. versionadded:: 0.1
    """


class AsyncPasswordHasher:
    """Hashes and verifies passwords in threads, with Argon2.

    .. code-block:: python

        passwords = AsyncPasswordHasher()

        user.password_hash = await passwords.hash(form["password"])

        user = await find_user(form["name"])  # or None
        if await passwords.verify(form["password"], user and user.password_hash):
            login_user(user)

    One object serves all applications of a module. Each event loop has its own threads, which end
    with it. A computation that waits for a thread is dropped if the client disconnects.

    Arguments:
        hasher: The parameters; by default those of argon2-cffi, which are the second recommended
            ones of RFC 9106: 64 MiB, three passes. For tests, write
            ``argon2.PasswordHasher.from_parameters(argon2.profiles.CHEAPEST)``.
        threads: The number of hashes that are computed at the same time.
        max_waiting: The number of calls that may wait for a thread. Further calls raise
            :exc:`PasswordsBusyError`.
        max_bytes: The length of the longest password, in bytes of UTF-8.
        old_method: The method of Werkzeug's hashes that are still stored, such as ``"scrypt"`` or
            ``"pbkdf2:sha256:1000000"``. With it, :meth:`verify` accepts hashes of Werkzeug, and
            computes one for each wrong password, so that the time does not tell which users have
            one. Set it to ``None`` again when all hashes are new.

    Raises:
        ValueError: *threads*, *max_waiting* or *max_bytes* is less than 1, or *old_method* is
            unknown.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        hasher: argon2.PasswordHasher | None = None,
        *,
        threads: int = 2,
        max_waiting: int = 100,
        max_bytes: int = 4096,
        old_method: str | None = None,
    ) -> None:
        if threads < 1 or max_waiting < 1 or max_bytes < 1:
            raise ValueError("threads, max_waiting and max_bytes must be at least 1")
        if old_method is not None:
            try:
                if not _OLD_METHOD.fullmatch(old_method):
                    raise ValueError("it has other parts")
                generate_password_hash("", old_method)
            except ValueError as error:
                raise ValueError(
                    "old_method must be a method of Werkzeug, such as 'scrypt' or"
                    f" 'pbkdf2:sha256:1000000', not {old_method!r}: {error}"
                ) from error
        self._hasher = argon2.PasswordHasher() if hasher is None else hasher
        self._max_bytes = max_bytes
        self._old_method = old_method
        self._nobody = _random_hash(self._hasher)
        self._max_calls = threads + max_waiting
        self._threads = LoopBound(partial(_Threads, threads, "passwords"), _shut_down)

    async def hash(self, password: object) -> str:
        """Return the hash of a new password, to be stored. It has about 100 characters.

        Arguments:
            password: A string from a client.

        Raises:
            PasswordError: It is not a string, is empty or too long, or is not valid Unicode.
            PasswordsBusyError: Too many calls wait for a thread.
        """
        return await self._call(self._hasher.hash, self._new_password(password))

    async def verify(self, password: object, stored: str | None) -> bool:
        """Return whether *password* is the one whose hash is stored.

        Arguments:
            password: A value from a client. What :meth:`hash` does not accept is wrong.
            stored: The hash, or ``None`` for an unknown user or a user without a password.

        Raises:
            UnknownHashError: *stored* is no hash of Argon2, and none of Werkzeug with *old_method*.
            TypeError: *stored* is neither a string nor ``None``.
            PasswordsBusyError: Too many calls wait for a thread.
        """
        return (await self._verify(password, stored, update=False))[0]

    async def verify_and_update(
        self, password: object, stored: str | None
    ) -> tuple[bool, str | None]:
        """Verify *password*, and return a new hash if the stored one is out of date.

        .. code-block:: python

            valid, new_hash = await passwords.verify_and_update(password, user.password_hash)
            if new_hash is not None:
                user.password_hash = new_hash
                await db.session.commit()

        Arguments:
            password: As for :meth:`verify`.
            stored: As for :meth:`verify`.

        Returns:
            Whether the password is right, and a new hash if it is right and :meth:`needs_rehash`.

        Raises:
            UnknownHashError: As for :meth:`verify`.
            TypeError: As for :meth:`verify`.
            PasswordsBusyError: As for :meth:`verify`.
        """
        return await self._verify(password, stored, update=True)

    def needs_rehash(self, stored: str) -> bool:
        """Return whether *stored* has other parameters than new hashes, or is one of Werkzeug.

        Raises:
            UnknownHashError: As for :meth:`verify`.
            TypeError: *stored* is not a string.
        """
        if self._is_old(stored):
            return True
        try:
            return self._hasher.check_needs_rehash(stored)
        except InvalidHashError as error:
            raise _unknown_hash() from error

    async def _verify(
        self, password: object, stored: str | None, *, update: bool
    ) -> tuple[bool, str | None]:
        outdated = self.needs_rehash(stored) if stored else False
        try:
            secret = self._new_password(password)
        except PasswordError:
            return False, None  # For every user, so that its time tells nothing.
        return await self._call(self._verify_in_thread, secret, stored, update and outdated)

    def _verify_in_thread(
        self, password: str, stored: str | None, rehash: bool
    ) -> tuple[bool, str | None]:
        if stored and self._is_old(stored):
            try:
                valid = check_password_hash(stored, password)
            except ValueError as error:
                raise _unknown_hash() from error
            if not valid:
                self._verify_argon2(self._nobody, password)
        else:
            valid = self._verify_argon2(stored or self._nobody, password) and bool(stored)
            if not valid and self._old_method is not None:
                check_password_hash(f"{self._old_method}$salt$hash", password)
        return valid, self._hasher.hash(password) if valid and rehash else None

    def _verify_argon2(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except VerifyMismatchError:
            return False
        except (InvalidHashError, VerificationError) as error:
            raise _unknown_hash() from error

    def _is_old(self, stored: object) -> bool:
        if not isinstance(stored, str):
            raise TypeError(f"a password hash must be a string, not {type(stored).__name__}")
        if not _OLD_HASH.fullmatch(stored):
            return False
        if self._old_method is None:
            method = stored.partition("$")[0]
            raise UnknownHashError(
                f"the hash is one of Werkzeug: write AsyncPasswordHasher(old_method={method!r})"
            )
        return True

    def _new_password(self, password: object) -> str:
        if not isinstance(password, str):
            raise PasswordError("The password must be a text.")
        if not password:
            raise PasswordError("The password must not be empty.")
        # The length first, because a very long password takes time to encode.
        if len(password) <= self._max_bytes:
            try:
                if len(password.encode()) <= self._max_bytes:
                    return password
            except UnicodeEncodeError:
                raise PasswordError("The password contains invalid characters.") from None
        raise PasswordError(f"The password must have at most {self._max_bytes} bytes.")

    async def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        threads = self._threads.get()
        if threads.calls >= self._max_calls:
            raise PasswordsBusyError(retry_after=1)
        threads.calls += 1
        try:
            return await call_in_thread(threads, function, *args, **kwargs)
        finally:
            threads.calls -= 1


class _Threads(ThreadPoolExecutor):
    calls = 0
    """The number of calls that wait or run. Only the event loop changes it."""


def _random_hash(hasher: argon2.PasswordHasher) -> str:
    """Return a hash that no password has, without computing one."""
    kind = {Type.D: "argon2d", Type.I: "argon2i", Type.ID: "argon2id"}[hasher.type]
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    salt, digest = (
        b64encode(os.urandom(length)).decode().rstrip("=")
        for length in (hasher.salt_len, hasher.hash_len)
    )
    return f"${kind}$v={RFC_9106_LOW_MEMORY.version}${costs}${salt}${digest}"


def _unknown_hash() -> UnknownHashError:
    return UnknownHashError(
        "the stored value is no password hash of Argon2: verify() takes the password first. Store"
        " None for a user who has no password."
    )


async def _shut_down(threads: ThreadPoolExecutor) -> None:
    threads.shutdown(wait=False, cancel_futures=True)
