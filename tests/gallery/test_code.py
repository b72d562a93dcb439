"""Highlighted code, and two files side by side."""

from __future__ import annotations

import re
from html import unescape

import pytest

from quartpatterns.gallery.code import compare, highlight


def plain(html: str) -> str:
    return unescape(re.sub("<[^>]+>", "", html))


def test_highlight() -> None:
    """Few tokens have an element; the text is escaped."""
    html = highlight('def f(x):\n    """Doc."""\n    return x < 1 & "a"  # why\n')
    assert html == (
        '<span class="k">def</span> <span class="n">f</span>(x):\n'
        '    <span class="c">"""Doc."""</span>\n'
        '    <span class="k">return</span> x &lt; <span class="m">1</span> &amp;'
        ' <span class="s">"a"</span>  <span class="c"># why</span>'
    )


@pytest.mark.parametrize("language", ["python", "html+jinja", "sql", "toml", "no such language"])
@pytest.mark.parametrize(
    "text", ["", "\n", "\n\na\n", "a\r\nb", "<script>'\"&lt;", "'''a\nb", "\x00"]
)
def test_text_stays(text: str, language: str) -> None:
    """Without its tags, the HTML is the text; it has no others."""
    html = highlight(text, language)
    expected = text.replace("\r\n", "\n")
    assert plain(html).rstrip("\n") == expected.rstrip("\n")
    assert set(re.findall("<[^>]*>", html)) <= {
        *(f'<span class="{name}">' for name in "kscmn"),
        "</span>",
    }


def test_compare() -> None:
    """Equal lines are equal hunks; words that differ in similar lines are marked."""
    left = "import a\n\ndef view():\n    return 1\n"
    right = "import a\n\nasync def view():\n    return 1\n\nmore = 2\n"
    hunks = compare(left, right)
    assert [hunk.kind for hunk in hunks] == ["equal", "changed", "equal", "changed"]
    assert "<mark>" not in hunks[1].left
    assert hunks[1].right.startswith('<mark><span class="k">async</span> </mark>')
    assert (hunks[3].left, plain(hunks[3].right)) == ("", "\nmore = 2")
    assert [(hunk.left_line, hunk.right_line) for hunk in hunks] == [(1, 1), (3, 3), (4, 4), (5, 5)]


def test_lines_that_are_not_similar_have_no_marks() -> None:
    (hunk,) = compare("alpha = 1", "def other(): pass")
    assert "<mark>" not in hunk.left + hunk.right


def test_both_files_are_whole() -> None:
    left, right = "a\nb\nc\nd", "x\nb\nd\ny"
    hunks = compare(left, right)
    assert "\n".join(plain(hunk.left) for hunk in hunks if hunk.left) == left
    assert "\n".join(plain(hunk.right) for hunk in hunks if hunk.right) == right
