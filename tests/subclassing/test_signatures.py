"""Tokens of itsdangerous 2.0: the same bytes, the same errors."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
from itsdangerous import BadData, BadHeader, BadPayload, BadSignature, SignatureExpired

from quartpatterns.subclassing.signatures import (
    JSONWebSignatureSerializer,
    TimedJSONWebSignatureSerializer,
)


def signed(*parts: str, key: bytes = b"key", digest: str = "sha512") -> str:
    """Return a token as RFC 7515 describes it."""
    text = ".".join(_base64(part.encode()) for part in parts)
    return f"{text}.{_base64(hmac.digest(key, text.encode(), digest))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_bytes() -> None:
    """A token is what RFC 7515 describes, with the key as it is."""
    value = {"id": 1, "name": "\u00c4"}
    token = JSONWebSignatureSerializer("key").dumps(value)
    assert token.decode() == signed('{"alg":"HS512"}', '{"id":1,"name":"\u00c4"}')
    assert str(token) == format(token) == token.decode()  # as in a URL
    assert JSONWebSignatureSerializer("key").loads(token) == value
    assert JSONWebSignatureSerializer("key").loads(token.decode(), return_header=True) == (
        value,
        {"alg": "HS512"},
    )


def test_algorithm_and_salt() -> None:
    short = JSONWebSignatureSerializer("key", algorithm_name="HS256")
    assert short.dumps(1).decode() == signed('{"alg":"HS256"}', "1", digest="sha256")
    salted = JSONWebSignatureSerializer("key", "mail")
    derived = hashlib.sha1(b"mailsignerkey").digest()
    assert salted.dumps(1).decode() == signed('{"alg":"HS512"}', "1", key=derived)
    assert salted.loads(salted.dumps(1)) == 1
    with pytest.raises(BadSignature):
        salted.loads(salted.dumps(1, salt="other"))
    with pytest.raises(NotImplementedError, match="RS256"):
        JSONWebSignatureSerializer("key", algorithm_name="RS256")


def test_keys() -> None:
    """The last key signs, and all are accepted."""
    old = JSONWebSignatureSerializer("old").dumps(1)
    both = JSONWebSignatureSerializer(["old", "new"])
    assert both.loads(old) == 1
    assert JSONWebSignatureSerializer("new").loads(both.dumps(1)) == 1


@pytest.mark.parametrize(
    ("token", "error"),
    [
        ("", BadSignature),
        ("a.b.c", BadSignature),
        (signed('{"alg":"HS512"}', "1", key=b"other"), BadSignature),
        (signed("1"), BadPayload),
        (signed("[]", "1"), BadHeader),
        (signed("{", "1"), BadHeader),
        (signed('{"alg":"HS512"}', "{"), BadPayload),
        (signed('{"alg":"HS256"}', "1"), BadHeader),
    ],
)
def test_bad_tokens(token: str, error: type[BadData]) -> None:
    with pytest.raises(error):
        JSONWebSignatureSerializer("key").loads(token)


def test_time() -> None:
    """A token has the times of its creation and its end."""

    class At(TimedJSONWebSignatureSerializer):
        time = 1_000

        def now(self) -> int:
            return self.time

    tokens = At("key", 60)
    token = tokens.dumps({"id": 1})
    assert token.decode() == signed('{"alg":"HS512","iat":1000,"exp":1060}', '{"id":1}')
    tokens.time = 1_060
    assert tokens.loads(token) == {"id": 1}
    tokens.time = 1_061
    with pytest.raises(SignatureExpired) as raised:
        tokens.loads(token)
    assert raised.value.payload == {"id": 1}
    assert raised.value.date_signed == datetime.fromtimestamp(1_000, UTC)
    assert json.dumps(At("key").make_header({"kid": "a"})) == (
        '{"kid": "a", "alg": "HS512", "iat": 1000, "exp": 4600}'
    )


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ('{"alg":"HS512"}', "Missing expiry date"),
        ('{"alg":"HS512","exp":"soon"}', "Expiry date is not an IntDate"),
    ],
)
def test_bad_times(header: str, error: str) -> None:
    with pytest.raises(BadSignature, match=error):
        TimedJSONWebSignatureSerializer("key").loads(signed(header, "1"))
