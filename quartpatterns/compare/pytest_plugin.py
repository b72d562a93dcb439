"""A pytest plugin: assert that two applications give equal responses.

``pip install 'quartpatterns[compare]'`` installs it. It imports nothing until it is used::

    def test_port(assert_parity):
        assert_parity("shop.old:app", "shop.new:create_app()")

It runs an event loop of its own. In an async test, write
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
    """The type of the fixture ``assert_parity``.

    .. versionadded:: 0.1
    """

    def __call__(
        self,
        original: App,
        port: App,
        *,
        cases: Sequence[Case] | None = None,
        requests: str | Path | None = None,
    ) -> None:
        """Fail unless both applications give equal responses.

        Arguments:
            original: A WSGI or ASGI application, or its name as ``module:app``.
            port: A WSGI or ASGI application, or its name.
            cases: The cases. Without *cases* and *requests*, every GET rule without arguments.
            requests: A TOML or HAR file with the cases.

        Raises:
            AssertionError: The responses differ, and no case declares it; the message is the
                report.
            ApplicationLoadError: There is no application of that name.
            CaseFileError: The file is malformed.
        """


@pytest.fixture
def assert_parity() -> AssertParity:
    """Return a function that asserts equal responses of two applications.

    .. versionadded:: 0.1
    """
    return _assert_parity


def _assert_parity(
    original: App,
    port: App,
    *,
    cases: Sequence[Case] | None = None,
    requests: str | Path | None = None,
) -> None:
    # pytest imports this module in every run of every project that has this package installed.
    import asyncio

    from quartpatterns._shared.extras import MissingExtraError, requires_extra

    try:
        with requires_extra("compare", needed_by="assert_parity"):
            from quartpatterns.compare.applications import load_application
            from quartpatterns.compare.case_files import read_cases
            from quartpatterns.compare.explore import cases_from_rules
            from quartpatterns.compare.parity import ParityResult, compare_applications
            from quartpatterns.compare.parity_report import as_text
    except MissingExtraError as missing:
        pytest.fail(str(missing), pytrace=False)

    apps = (
        load_application(original) if isinstance(original, str) else original,
        load_application(port) if isinstance(port, str) else port,
    )
    selected = cases or (read_cases(Path(requests)) if requests else cases_from_rules(*apps))

    async def compare() -> list[ParityResult]:
        return [result async for result in compare_applications(*apps, selected)]

    results = asyncio.run(compare())
    if not all(result.passed for result in results):
        pytest.fail(as_text({"applications": results}, "in process"), pytrace=False)
