from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console

from quartpatterns.compare import Case, Step
from quartpatterns.compare.findings import Finding
from quartpatterns.compare.parity import ParityResult
from quartpatterns.compare.parity_report import as_data, failure_text, render

CASE = Case("session", Step("/"), Step("/next", method="POST"), checks=("A-1",))
DECLARED = Finding("declared", 0, "header:vary", "Cookie", None, "intended", "http")


def as_text(results: Mapping[str, Sequence[ParityResult]]) -> str:
    console = Console(width=100, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(render(results, "in process"))
    return capture.get()


def report(*findings: Finding, errors: tuple[str, ...] = ()) -> str:
    return as_text({"apps": [ParityResult(CASE, findings, errors)]})


def test_undeclared() -> None:
    """A finding names the case, the request, both values, and the exception."""
    finding = Finding("undeclared", 1, "header:vary", "Cookie", None)
    text = report(finding, errors=("port, step 1: ValueError: x",))
    for line in (
        "undeclared: apps · session · header:vary",
        "    POST /next (step 1)",
        "    original  Cookie",
        "    port      missing",
        "    port, step 1: ValueError: x",
    ):
        assert line in [line.rstrip() for line in text.splitlines()]


def test_declared() -> None:
    """Declared differences are counted, but not listed."""
    text = report(DECLARED, errors=("port, step 0: ValueError: x",))
    assert "intended" not in text and "ValueError" not in text


def test_diff() -> None:
    """Texts of several lines are compared line by line; a long diff is truncated."""
    original = "\n".join(str(number) for number in range(30))
    text = report(Finding("undeclared", 0, "body", original, original.replace("7", "x")))
    assert "-7" in text and "+x" in text and "-27" not in text
    assert "... 5 more lines" in text


def test_long_value() -> None:
    text = report(Finding("undeclared", 0, "body", "a" * 301, "b"))
    assert "(301 characters)" in " ".join(text.split())
    assert "a" * 301 not in text.replace("\n    ", "").replace("\n", "")


def test_data() -> None:
    """The data contain every finding."""
    data = as_data({"apps": [ParityResult(CASE, (DECLARED,))]}, "in process")
    assert data["passed"] is True
    assert data["comparisons"]["apps"]["declared"] == 1
    [result] = data["comparisons"]["apps"]["results"]
    assert (result["case"], result["checks"]) == ("session", ["A-1"])
    assert result["findings"] == [
        {
            "state": "declared",
            "step": 0,
            "aspect": "header:vary",
            "original": "Cookie",
            "port": None,
            "reason": "intended",
            "kind": "http",
        }
    ]


def test_columns() -> None:
    """Columns of rare numbers are left out if there are only zeros."""
    assert "unexpected" not in report(DECLARED)
    error = Finding("error", 0, "capture:id", "found", "/id=(.)/ matches nothing in body")
    heading = report(error).splitlines()[2]
    assert [word for word in heading.split() if word.isalpha()][-2:] == ["stale", "error"]


def test_extra() -> None:
    """An extra is counted, and its values are compared with the expected ones."""
    case = Case("extra", Step("/own", expected={"status": 200, "body": "x"}))
    result = ParityResult(case, (Finding("unexpected", 0, "status", 200, 404),))
    lines = [line.strip() for line in as_text({"apps": [result]}).splitlines()]
    assert "unexpected: apps · extra · status" in lines
    assert "expected  200" in lines
    data = as_data({"apps": [result]}, "in process")["comparisons"]["apps"]
    assert (data["cases"], data["extra"], data["unexpected"]) == (1, 1, 1)
    assert data["results"][0]["extra"] is True


def test_failure() -> None:
    """A failing assertion begins with the first difference, in one line."""
    long = Finding("undeclared", 0, "body", "a" * 100, None)
    other = Finding("stale", 1, "status", 200, 200, "intended", "http")
    results = [
        ParityResult(CASE, (DECLARED,)),
        ParityResult(CASE, (DECLARED, long, other), ("port, step 0: ValueError: x",)),
    ]
    first, *lines = failure_text(results).splitlines()
    assert (
        first == f"1 of 2 cases failed: session: body: original {'a' * 59!r:.60}..., port missing"
    )
    assert lines[1] == "undeclared: session · body"
    assert "stale: session · status" in lines
    assert "    port, step 0: ValueError: x" in lines
    assert lines[-1] == "2 cases, 1 passed, 2 declared, 1 undeclared, 1 stale"
    stale = failure_text([ParityResult(CASE, (other,))]).splitlines()[0]
    assert stale == "1 of 1 case failed: session: status: stale"
