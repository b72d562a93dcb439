"""Messages as cookies: one signed cookie for each message."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from itsdangerous import BadData, URLSafeTimedSerializer
from quart import Quart
from quart.sessions import session_json_serializer
from werkzeug.http import dump_cookie

from quartpatterns._shared.flash import FlashTooLargeError
from quartpatterns._shared.visitors import cookies_starting_with

__all__ = ["FlashCookie", "FlashCookies"]


@dataclass(frozen=True, slots=True)
class FlashCookie:
    """A message and its cookie. The names of cookies sort by the time of flashing."""

    name: str
    value: str
    category: str
    message: str

    @property
    def size(self) -> int:
        """The bytes that the cookie takes in a ``Cookie`` header."""
        return len(f"{self.name}={self.value}; ")


@dataclass(frozen=True, slots=True)
class FlashCookies:
    """Encodes and decodes the cookies of one application.

    *prefix* is ``FLASHING_COOKIE_NAME``, and *max_size* is ``FLASHING_MAX_SIZE``.
    """

    app: Quart
    prefix: str
    max_size: int

    def encode(self, category: str, message: str, *, after: str = "") -> FlashCookie:
        """Return the cookie for a message. Its name sorts after the name *after*.

        Raises:
            FlashTooLargeError: The cookie is larger than ``MAX_COOKIE_SIZE``, so browsers would
                drop it.
            RuntimeError: The application has no secret key.
            TypeError: The message can't be written as JSON.
        """
        last = int(after.rpartition("-")[2][:16], 16) if after else 0
        # The suffix makes the name unique even if two servers flash in the same nanosecond.
        name = f"{self.prefix}-{max(time.time_ns(), last + 1):016x}{secrets.token_hex(4)}"
        value = self._serializer().dumps((category, message), salt=_salt(name))
        assert isinstance(value, str)
        limit: int = cast(Any, self.app.config)["MAX_COOKIE_SIZE"]
        # max_size=0 turns off Werkzeug's warning: the size is an error here. For Quart, a limit
        # of 0 means that there is no limit.
        size = len(dump_cookie(name, value, max_size=0, **self.attributes()))
        if 0 < limit < size:
            raise FlashTooLargeError(
                f"A message of {len(message)} characters makes a cookie of {size} bytes, but"
                f" browsers drop cookies above {limit} bytes: flash a short message, and store the"
                " long text where the next page can look it up."
            )
        return FlashCookie(name, value, category, message)

    def decode(self, cookies: Mapping[str, str]) -> tuple[list[FlashCookie], list[str]]:
        """Return the messages in *cookies*, oldest first, and the names of expired cookies.

        A cookie without a valid signature is ignored and not removed: it may belong to another
        application on the same host.
        """
        cookies = cookies_starting_with(cookies, f"{self.prefix}-")
        names = sorted(cookies)
        if not names or not self.app.secret_key:
            return [], []
        serializer = self._serializer()
        lifetime = self.app.permanent_session_lifetime.total_seconds()
        valid: list[FlashCookie] = []
        expired: list[str] = []
        for name in names:
            try:
                loaded: Any = serializer.loads(
                    cookies[name], return_timestamp=True, salt=_salt(name)
                )
            except BadData:
                continue
            (category, message), signed_at = loaded
            # Not the serializer's max_age: it rejects a signature from a server whose clock is a
            # second ahead.
            if time.time() - signed_at.timestamp() > lifetime:
                expired.append(name)
            else:
                valid.append(FlashCookie(name, cookies[name], category, message))
        return valid, expired

    def check_total_size(self, cookies: Iterable[FlashCookie]) -> None:
        """Check that all *cookies* fit in the head of one request.

        Raises:
            FlashTooLargeError: They take more than ``FLASHING_MAX_SIZE`` bytes.
        """
        sizes = [cookie.size for cookie in cookies]
        if sum(sizes) > self.max_size:
            raise FlashTooLargeError(
                f"{len(sizes) - 1} messages were not shown yet, and with this one they add"
                f" {sum(sizes)} bytes to each request: render a page that calls"
                f" get_flashed_messages(), or raise FLASHING_MAX_SIZE ({self.max_size}) and the"
                " server's limit for the head of a request."
            )

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the cookies, which are those of the session cookie."""
        app, interface = self.app, self.app.session_interface
        return {
            "domain": interface.get_cookie_domain(app),
            "path": interface.get_cookie_path(app),
            "secure": interface.get_cookie_secure(app),
            "httponly": interface.get_cookie_httponly(app),
            "samesite": interface.get_cookie_samesite(app),
            "partitioned": interface.get_cookie_partitioned(app),
        }

    def _serializer(self) -> URLSafeTimedSerializer:
        if not self.app.secret_key:
            raise RuntimeError(
                "Flashing signs its cookies: set app.secret_key to something unique and secret."
            )
        fallbacks: Any = cast(Any, self.app.config)["SECRET_KEY_FALLBACKS"] or ()
        return _serializer(*fallbacks, self.app.secret_key)


@lru_cache(maxsize=16)
def _serializer(*keys: Any) -> URLSafeTimedSerializer:
    # Creating it takes as long as verifying a cookie.
    return URLSafeTimedSerializer(
        list(keys),
        serializer=session_json_serializer,
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )


def _salt(name: str) -> str:
    """Return the salt that makes a signature valid only for the cookie called *name*."""
    return f"quartpatterns.flashing:{name}"
