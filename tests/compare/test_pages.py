"""The links and forms of pages."""

from __future__ import annotations

import pytest

from quartpatterns.compare.pages import FormField, read_page

URL = "http://localhost/shop/page?x=1"


def fields(html: str) -> list[FormField]:
    (form,) = read_page(f"<form method=post>{html}</form>", URL).forms
    return form.fields


@pytest.mark.parametrize(
    ("html", "links"),
    [
        ('<a href="b">', ["http://localhost/shop/b"]),
        ("<A HREF='/b?c=d&amp;e=f#g'>", ["http://localhost/b?c=d&e=f"]),
        ('<a href="../b"><a href="/b">', ["http://localhost/b"]),
        ('<a name="x"><a href="">', []),
        ('<base href="/base/"><a href="b">', ["http://localhost/base/b"]),
        ("<link href=/a.css><script src=/b.js></script><img src=/c.png>", None),
        ('<a href="http://[">x</a><a href="/b">', ["http://localhost/b"]),
        ('<a href="mailto:a@b"><a href="javascript:x()">', ["mailto:a@b", "javascript:x()"]),
    ],
)
def test_links(html: str, links: list[str] | None) -> None:
    expected = [f"http://localhost/{name}" for name in ("a.css", "b.js", "c.png")]
    assert read_page(html, URL).links == (expected if links is None else links)


@pytest.mark.parametrize(
    ("html", "form"),
    [
        ("<form>", (URL, "GET", False)),
        ('<form action="" method=POST>', (URL, "POST", False)),
        ('<form action="/b" method="dialog">', ("http://localhost/b", "GET", False)),
        (
            '<form action="b" method=post enctype="multipart/form-data">',
            ("http://localhost/shop/b", "POST", True),
        ),
    ],
)
def test_forms(html: str, form: tuple[str, str, bool]) -> None:
    (found,) = read_page(html, URL).forms
    assert (found.action, found.method, found.multipart) == form


@pytest.mark.parametrize(
    ("html", "value"),
    [
        ("<input name=a>", "text"),
        ("<input name=a value=b>", "b"),
        ("<input name=a minlength=6>", "textxx"),
        ("<input name=a maxlength=2>", "te"),
        ("<input name=a type=email>", "name@example.com"),
        ("<input name=a type=number>", "1"),
        ("<input name=a type=number min=5 max=9>", "5"),
        ("<input name=a type=checkbox>", "on"),
        ("<input name=a type=radio value=1><input name=a type=radio value=2>", "1"),
        ("<textarea name=a>\nhello\n</textarea>", "hello"),
        ("<textarea name=a></textarea>", "text"),
        ("<select name=a><option value=''>choose<option value=1>one</select>", "1"),
        ("<select name=a><option>one<option selected> the  second </select>", "the second"),
        ("<button name=a value=b>Send</button><button name=a value=c>Other</button>", "b"),
        ("<input type=submit name=a value=b>", "b"),
    ],
)
def test_values(html: str, value: str) -> None:
    """A field has the value of the page, or one that fits."""
    assert fields(html) == [FormField("a", value)]


@pytest.mark.parametrize(
    "html",
    [
        "<input value=b>",
        "<input name=a disabled>",
        "<input name=a type=reset>",
        "<button type=button name=a>",
        "<select name=a></select>",
    ],
)
def test_not_sent(html: str) -> None:
    assert fields(html) == []


def test_kinds() -> None:
    html = "<input type=hidden name=csrf_token value=x><input type=file name=picture>"
    assert fields(html) == [
        FormField("csrf_token", "x", "hidden"),
        FormField("picture", "", "file"),
    ]


def test_hidden_and_metas() -> None:
    """Where tokens can be."""
    page = read_page(
        "<meta name=csrf-token content=m><meta charset=utf-8>"
        "<form><input type=hidden name=csrf_token value=x><input name=b></form><input name=c>",
        URL,
    )
    assert page.hidden == {"csrf_token": "x"}
    assert page.metas == {"csrf-token": "m"}


@pytest.mark.parametrize("html", ["<form", "<form><select name=a><option>", "<a href=", "\0<<>>"])
def test_broken_html(html: str) -> None:
    read_page(html, URL)


def test_many_links() -> None:
    page = read_page("".join(f"<a href=/{number}>" for number in range(1000)), URL)
    assert len(page.links) == 1000
