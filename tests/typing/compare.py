"""The types of the comparison: cases, and the fixture of the pytest plugin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, assert_type

from quartpatterns.compare import Arrangement, Capture, Case, Difference, File, Step
from quartpatterns.compare.pytest_plugin import AssertParity


def cases() -> None:
    """Attributes of cases are typed; their values come from the user."""
    step = Step("/", method="POST", form={"a": ["1", "2"]}, files={"f": File(b"x", "x.txt")})
    assert_type(step.path, str)
    assert_type(step.timeout, float)
    assert_type(step.ignore_headers, tuple[str, ...])
    difference = Difference("status", 200, 404, "reason", where="on the wire")
    assert_type(difference.step, int)
    case = Case("name", step, step, checks=["A-1"], differs=[difference])
    assert_type(case.steps, tuple[Step, ...])
    assert_type(case.differs, tuple[Difference, ...])
    assert_type(Arrangement(port={"TESTING": True}).port, Mapping[str, Any])


def wsgi_app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """A WSGI application."""
    return [b""]


def plugin(assert_parity: AssertParity, case: Case) -> None:
    """The fixture takes applications or their names."""
    assert_type(assert_parity("old:app", "new:app", cases=[case]), None)
    assert_type(assert_parity("old:app", wsgi_app), None)


def values() -> None:
    """Captured values and their places are typed, and so are kinds and extras."""
    capture = Capture(r"/users/(\d+)$", place="header:location")
    step = Step("/", capture={"id": r'"id": (\d+)'}, mask={"id": [r"/(\d+)", capture]})
    assert_type(step.mask, Mapping[str, Sequence[str | Capture]])
    assert_type(capture.place, str)
    assert_type(Difference("status", 404, 405, "reason", kind="http").step, int)
    assert_type(Case("own", Step("/own", expected={"status": 200, "body": ""})).extra, bool)
