"""A pytest plugin: two applications answer alike, in one assertion of the user's own tests.

Installed with ``pip install 'quartpatterns[compare]'``; nothing is imported until it is used::

    def test_port(assert_parity):
        assert_parity("shop.old:app", "shop.new:create_app()")

It runs an event loop of its own: an async test calls it as
``await asyncio.to_thread(assert_parity, ...)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from quartpatterns.compare.case import Case

__all__ = ["AssertParity", "assert_parity"]

App = Callable[..., Any] | str


class AssertParity(Protocol):
    """The type of the fixture ``assert_parity``."""

    def __call__(
        self,
        original: App,
        port: App,
        *,
        cases: Sequence[Case] | None = None,
        requests: str | Path | None = None,
    ) -> None:
        """Fail unless both applications answer alike.

        Arguments:
            original: The WSGI (or ASGI) application, or its name as ``module:app``.
            port: The ASGI (or WSGI) application, or its name.
            cases: What to ask; where neither these nor *requests* are given, every GET rule
                without arguments.
            requests: A file of requests, TOML or HAR.

        Raises:
            AssertionError: They differ where no case declares it; the message is the report.
            LoadError: There is no application of that name.
            RequestsFileError: The file is malformed.
        """


@pytest.fixture
def assert_parity() -> AssertParity:
    """An assertion that two applications answer alike."""
    return _assert_parity


def _assert_parity(
    original: App,
    port: App,
    *,
    cases: Sequence[Case] | None = None,
    requests: str | Path | None = None,
) -> None:
    # Imported here, as pytest loads this module in every run of everybody.
    import asyncio

    from quartpatterns.compare.loading import load
    from quartpatterns.compare.parity import Result, compare_applications
    from quartpatterns.compare.parity_report import as_text
    from quartpatterns.compare.requests_file import read_requests
    from quartpatterns.compare.rules import get_rules

    one = load(original) if isinstance(original, str) else original
    other = load(port) if isinstance(port, str) else port
    asked = cases or (read_requests(Path(requests)) if requests else get_rules(one, other))

    async def compared() -> list[Result]:
        return [result async for result in compare_applications(one, other, asked)]

    results = asyncio.run(compared())
    if not all(result.passed for result in results):
        pytest.fail(as_text({"applications": results}, "in process"), pytrace=False)
