from __future__ import annotations

from email.utils import formatdate

import pytest

from quartpatterns.compare.responses import Response, aspects, normalize_html, printable


def response(*headers: tuple[str, str], body: bytes = b"", status: int = 200) -> Response:
    return Response(status, headers, body)


def test_server_headers_are_ignored() -> None:
    """Headers of the server are not compared, all others are."""
    found = aspects(response(("date", "now"), ("server", "x"), ("x-own", "1")), "text")
    assert found == {"status": 200, "complete": True, "header:x-own": "1", "body": ""}


def test_unordered_headers_are_sorted() -> None:
    found = aspects(
        response(("allow", "POST, GET"), ("vary", "Cookie"), ("vary", "Accept")), "text"
    )
    assert found["header:allow"] == "GET, POST"
    assert found["header:vary"] == "Accept, Cookie"


def test_repeated_headers_keep_their_order() -> None:
    """A header whose order is significant is not sorted."""
    assert aspects(response(("link", "b"), ("link", "a")), "text")["header:link"] == "b\na"


def test_json_types_are_compared() -> None:
    """1, 1.0 and true are equal in Python, but different in JSON."""
    bodies = {
        aspects(response(body=body), "json")["body"] for body in (b"[1]", b"[1.0]", b"[true]")
    }
    assert len(bodies) == 3


def test_json_keys_are_unordered() -> None:
    one, other = response(body=b'{"a": 1, "b": 2}'), response(body=b'{"b":2,"a":1}')
    assert aspects(one, "json") == aspects(other, "json")
    assert aspects(one, "text") != aspects(other, "text")


def test_invalid_json_is_compared_as_text() -> None:
    assert aspects(response(body=b"<p>"), "json")["body"] == "<p>"


def test_invalid_utf8_is_escaped() -> None:
    assert printable(aspects(response(body=b"\xff\x00"), "text")["body"]) == "\\xff\x00"


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        pytest.param("<p>\n  Hello   you</p>", "<p>Hello you</p>", True, id="white space"),
        pytest.param("<a b=1 c='2'>", '<a c="2" b="1">', True, id="attributes"),
        pytest.param("<p>a b</p>", "<p>ab</p>", False, id="words"),
        pytest.param("<pre>a  b</pre>", "<pre>a b</pre>", False, id="pre"),
        pytest.param("<pre></pre> a  b", "<pre></pre>a b", True, id="after pre"),
        pytest.param("<p>&amp;</p>", "<p>&#38;</p>", True, id="references"),
        pytest.param("<p hidden>", "<p>", False, id="attribute"),
        pytest.param("<!-- a -->", "<!-- b -->", False, id="comment"),
        pytest.param("<p>1</p>", "<p>1", False, id="unclosed"),
    ],
)
def test_normal_html(one: str, other: str, equal: bool) -> None:
    """White space and quotes are ignored; words, elements and attributes are compared."""
    assert (normalize_html(one) == normalize_html(other)) is equal


def test_expires_is_relative() -> None:
    """``Expires`` depends on the time of the response; a constant date and other text do not."""
    now = 1_000_000_000

    def expires(value: str, at: float) -> str:
        date = ("date", formatdate(at, usegmt=True))
        found: str = aspects(response(date, ("expires", value)), "text")["header:expires"]
        return found

    assert expires(formatdate(now + 60, usegmt=True), now) == "in 60 s"
    assert expires(formatdate(now + 61, usegmt=True), now + 1) == "in 60 s"
    assert expires(formatdate(now + 600, usegmt=True), now) == "in 600 s"
    assert expires("Thu, 01 Jan 1970 00:00:00 GMT", now) == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert expires("0", now) == "0"
