"""A pytest plugin: assert that two applications give equal responses.

``pip install 'quartpatterns[compare]'`` installs it. It imports nothing until it is used::

    def test_port(assert_parity):
        assert_parity("shop.old:app", "shop.new:create_app()")

It runs an event loop of its own. In an async test, write
``await asyncio.to_thread(assert_parity, ...)``.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
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
            pytest.fail.Exception: The responses differ, and no case declares it. The message
                begins with the first difference.
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
    __tracebackhide__ = True
    # pytest imports this module in every run of every project that has this package installed.
    import asyncio

    from quartpatterns._shared.extras import MissingExtraError, requires_extra

    try:
        with requires_extra("compare", needed_by="assert_parity"):
            from quartpatterns.compare.applications import load_application
            from quartpatterns.compare.case_files import read_cases
            from quartpatterns.compare.explore import cases_from_rules
            from quartpatterns.compare.parity import ParityResult, compare_applications
            from quartpatterns.compare.parity_report import failure_text
    except MissingExtraError as missing:
        pytest.fail(str(missing), pytrace=False)

    async def compare(first: Any, second: Any, selected: Sequence[Case]) -> list[ParityResult]:
        return [result async for result in compare_applications(first, second, selected)]

    try:
        first = load_application(original) if isinstance(original, str) else original
        second = load_application(port) if isinstance(port, str) else port
        selected = cases or (read_cases(Path(requests)) if requests else None)
        results = asyncio.run(compare(first, second, selected or cases_from_rules(first, second)))
    except Exception as error:
        if not type(error).__module__.startswith("quartpatterns."):
            raise
        # The message says what is wrong. Of the traceback only the code of the user helps.
        cause = error.__cause__
        traceback = _user_code(cause.__traceback__) if cause else None
        if cause is None or traceback is None:
            raise error.with_traceback(None) from None
        raise error.with_traceback(None) from cause.with_traceback(traceback)
    if not all(result.passed for result in results):
        pytest.fail(failure_text(results), pytrace=False)


def _user_code(traceback: TracebackType | None) -> TracebackType | None:
    """Return the part of *traceback* that begins in a file of no library."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    libraries = (str(Path(__file__).parents[1]), *(sysconfig.get_path(name) for name in names))
    while traceback and traceback.tb_frame.f_code.co_filename.startswith((*libraries, "<frozen")):
        traceback = traceback.tb_next
    return traceback
