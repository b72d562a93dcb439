"""Bring cookies into a form in which two applications can be compared.

A signed value contains a time and a signature, which are never equal. So the signature is verified,
and the content is compared. Both applications are asked the same question: could the original read
this cookie? If it could not, users would lose their sessions when the port replaces the original.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from itsdangerous import BadSignature, Signer

from quartpatterns._shared.threads import to_thread

# itsdangerous: content, perhaps a time, and a signature of 20, 32, 48 or 64 bytes, in base64.
_SIGNED = re.compile(
    r"(?P<compressed>\.?)(?P<content>[\w-]+)(?:\.[\w-]{4,8})?"
    r"\.(?P<signature>[\w-]{27}|[\w-]{43}|[\w-]{64}|[\w-]{86})"
)
_DIGESTS = {27: hashlib.sha1, 43: hashlib.sha256, 64: hashlib.sha384, 86: hashlib.sha512}
# The remember token of Flask-Login: the id of a user, and its HMAC.
_REMEMBER = re.compile(r"(?P<content>.+)\|(?P<signature>[0-9a-f]{128})")
# Salt and key derivation of a Serializer and of a Signer without arguments.
_DEFAULT_SALTS = (("itsdangerous", "django-concat"), ("itsdangerous.Signer", "django-concat"))
_PAST = -60.0  # seconds; a time before is a constant such as 1970, which deletes the cookie


@dataclass(frozen=True, slots=True)
class CookieKeys:
    """The keys with which an application reads its cookies.

    Arguments:
        keys: ``SECRET_KEY_FALLBACKS`` and ``SECRET_KEY``.
        session_cookie: The name of the session cookie.
        salt: The salt of its signature.
        key_derivation: The key derivation of its signature.
    """

    keys: tuple[bytes, ...]
    session_cookie: str = "session"
    salt: str = "cookie-session"
    key_derivation: str = "hmac"

    def verifies(self, value: str, digest: Any) -> bool:
        """Return whether *value* of itsdangerous is signed with one of the keys."""
        for salt, key_derivation in ((self.salt, self.key_derivation), *_DEFAULT_SALTS):
            signer = Signer(
                list(self.keys), salt=salt, key_derivation=key_derivation, digest_method=digest
            )
            try:
                signer.unsign(value)
            except BadSignature:
                continue
            return True
        return False

    def verifies_remember_token(self, content: str, signature: str) -> bool:
        """Return whether *content* has the *signature* that Flask-Login gives it."""
        return any(
            hmac.compare_digest(hmac.new(key, content.encode(), "sha512").hexdigest(), signature)
            for key in self.keys
        )


def keys_of(app: Any) -> CookieKeys | None:
    """Return the keys of *app*, or ``None`` if it has none or is no Flask or Quart application."""
    config: Any = getattr(app, "config", {})
    secret: str | bytes | None = getattr(app, "secret_key", None)
    if not secret or not hasattr(config, "get"):
        return None
    interface: Any = getattr(app, "session_interface", None)
    keys: list[str | bytes] = [*(config.get("SECRET_KEY_FALLBACKS") or ()), secret]
    return CookieKeys(
        tuple(key.encode() if isinstance(key, str) else key for key in keys),
        config.get("SESSION_COOKIE_NAME", "session"),
        getattr(interface, "salt", "cookie-session"),
        getattr(interface, "key_derivation", "hmac"),
    )


Status = Literal["verified", "not verified", "another key"]
FindKeys = Callable[[], CookieKeys | None]


class CookieReader:
    """Reads cookies with the keys of the original. It looks for them at the first signed one.

    Arguments:
        find_keys: Returns the keys, if they are known. It is called in a thread, since it may load
            an application. Without it no key is known.
        find_own_keys: Returns the keys of the application that has sent the cookies, if it is
            another one.
    """

    def __init__(
        self, find_keys: FindKeys | None = None, find_own_keys: FindKeys | None = None
    ) -> None:
        self._find_keys = find_keys
        self._find_own_keys = find_own_keys
        self.keys: CookieKeys | None = None
        self.own_keys: CookieKeys | None = None

    async def prepare(self, cookies: Sequence[str]) -> None:
        """Find the keys if one of *cookies*, values of ``Set-Cookie``, is signed."""
        if self._find_keys and any(_is_signed(_parts(cookie)[1]) for cookie in cookies):
            find_keys, self._find_keys = self._find_keys, None
            self.keys = await to_thread(find_keys)
            if self.keys is not None and self._find_own_keys is not None:
                self.own_keys = await to_thread(self._find_own_keys)

    def read(self, name: str, value: str) -> str:
        """Return the content of a signed *value*, and how it is signed; other values remain.

        ``signed(...)`` means that the signature is right, or that no key is known; ``signed with
        another key(...)`` that the original can't read it; ``signed, not verified(...)`` that the
        cookie has a salt which is not known.
        """
        if (content := _content(value)) is None:
            return value
        status = self.status(name, value)
        if status == "another key":
            return f"signed with another key({content})"
        if status == "not verified" and self.keys is not None:
            return f"signed, not verified({content})"
        return f"signed({content})"

    def status(self, name: str, value: str) -> Status:
        """Return whether the signed *value* of the cookie *name* has the signature of a key."""
        if self.keys is None:
            return "not verified"
        remembered = _REMEMBER.fullmatch(value)
        if remembered:
            verified = self.keys.verifies_remember_token(
                remembered["content"], remembered["signature"]
            )
        else:
            match = _SIGNED.fullmatch(value)
            digest = _DIGESTS[len(match["signature"])] if match else None
            verified = digest is not None and self.keys.verifies(value, digest)
        if verified:
            return "verified"
        # The salt of other cookies is not known, but a key that the original does not have is.
        own = self.own_keys is not None and self.own_keys.keys[-1] not in self.keys.keys
        if remembered or name == self.keys.session_cookie or own:
            return "another key"
        return "not verified"


def unverified(cookies: Sequence[str], reader: CookieReader) -> set[str]:
    """Return the names of signed *cookies* that *reader* can't verify."""
    pairs = [_parts(cookie)[:2] for cookie in cookies]
    return {
        name
        for name, value in pairs
        if _is_signed(value) and reader.status(name, value) == "not verified"
    }


def normalize_cookie(cookie: str, reader: CookieReader, now: float | None) -> str:
    """Return a value of ``Set-Cookie`` with sorted attributes.

    Arguments:
        cookie: The value.
        reader: Reads signed values.
        now: The time of the response, a POSIX timestamp. ``Expires`` is compared as the time from
            then on, in seconds that are rounded, since a response takes some.
    """
    name, value, attributes = _parts(cookie)
    attributes = [_relative(attribute, now) for attribute in attributes]
    return "; ".join(
        [f"{name}={reader.read(name, value)}", *sorted(attributes, key=_attribute_name)]
    )


def _attribute_name(attribute: str) -> str:
    """Return what the order depends on: the last attribute of a name counts (RFC 6265, 5.3)."""
    return attribute.partition("=")[0].strip().lower()


def _parts(cookie: str) -> tuple[str, str, list[str]]:
    pair, *attributes = (part.strip() for part in cookie.split(";"))
    name, _, value = pair.partition("=")
    return name, value, attributes


def _is_signed(value: str) -> bool:
    return _content(value) is not None


def _content(value: str) -> str | None:
    """Return the content of a signed value, JSON with sorted keys; ``None`` if it is none."""
    if match := _REMEMBER.fullmatch(value):
        return match["content"]
    if not (match := _SIGNED.fullmatch(value)):
        return None
    encoded = match["content"]
    try:
        data = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        content = (zlib.decompress(data) if match["compressed"] else data).decode()
    except (binascii.Error, zlib.error, UnicodeDecodeError):
        return None
    try:
        return json.dumps(json.loads(content), sort_keys=True, separators=(",", ":"))
    except ValueError:
        return content


def _relative(attribute: str, now: float | None) -> str:
    name, _, value = attribute.partition("=")
    if name.lower() != "expires":
        return attribute
    return f"{name}={relative_time(value, now)}"


def relative_time(date: str, now: float | None) -> str:
    """Return an HTTP *date* as ``in 60 s``; a date in the past, and other text, remain.

    Arguments:
        date: The date.
        now: The time of the response, a POSIX timestamp. Without it, *date* is returned.
    """
    try:
        seconds = parsedate_to_datetime(date).timestamp() - now if now is not None else _PAST
    except ValueError:
        return date
    return f"in {_rounded(seconds)} s" if seconds > _PAST else date


def _rounded(seconds: float) -> int:
    """Return *seconds* as a multiple of 60, 10 or 5, whichever is near enough."""
    for unit, distance in ((60, 15), (10, 4)):
        nearest = round(seconds / unit) * unit
        if nearest >= 10 * unit and abs(seconds - nearest) <= distance:
            return nearest
    return round(seconds / 5) * 5
