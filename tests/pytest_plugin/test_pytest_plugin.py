"""Each fixture works in the tests of a user, and its errors say what to write."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from quartpatterns import pytest_plugin
from quartpatterns.compare import services
from tests.conftest import unavailable

pytestmark = pytest.mark.timeout(300)  # A test starts several processes, one after the other.

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]

CONFTEST = """
import pytest
from tests.pytest_plugin.board import User, create_app, db


@pytest.fixture(params=["Quart", "FaithfulQuart"])
def app(request, tmp_path):
    url = f"sqlite:///{tmp_path / 'board.db'}"
    return create_app(request.param, {"SQLALCHEMY_DATABASE_URI": url})
"""

USER_FIXTURE = """
import pytest{import_fixture}
from quartpatterns.viewdecorators import current_user
from quartpatterns.wtforms.testing import csrf_token
from tests.pytest_plugin.board import Album, User, db, make_cover, tasks


@{fixture}
async def user(running_app):
    async with running_app.app_context():
        db.session.add(user := User(name="ada"))
        await db.session.commit()
        return user
"""

TESTS = """
{strict}
async def test_anonymous(app_client):
    response = await app_client.get("/me")
    assert response.status_code == 302 and "/login" in response.headers["Location"]


{strict}
async def test_logged_in(login_as, app_client, user, running_app):
    async with running_app.app_context():
        client = await login_as(user)
        assert not current_user
        assert (await app_client.get("/me")).status_code == 302
    assert await (await client.get("/me")).get_data(as_text=True) == "ada"
    assert (await client.get("/secret")).status_code == 200
    assert (await app_client.get("/me")).status_code == 302
    stale = await login_as(user, client=app_client, fresh=False)
    assert stale is app_client
    assert (await stale.get("/secret")).status_code == 401


{strict}
async def test_albums(
    login_as, csrf_post, user, captured_flashes, eager_tasks, rolled_back_database
):
    client = await login_as(user)
    assert (await client.post("/albums", form={{"title": "sea"}})).status_code == 400
    for page in ("/albums", None):
        response = await csrf_post(client, "/albums", page=page, form={{"title": "sea"}})
        assert response.status_code == 303, await response.get_data()
    response = await client.get(response.headers["Location"])
    assert await response.get_json() == {{"title": "sea", "cover": "sea.jpg", "count": 2}}
    assert captured_flashes == [("sea was created", "success")] * 2
    assert captured_flashes[0].category == "success"
    assert [job.task for job in eager_tasks.jobs] == [make_cover.name] * 2


{strict}
async def test_worker(login_as, csrf_post, user, task_worker, running_app):
    client = await login_as(user)
    response = await csrf_post(client, "/albums", form={{"title": "hill"}})
    location = response.headers["Location"]
    async with running_app.app_context():
        job = tasks.job(location.partition("job=")[2])
        assert await job.wait(timeout=30) == "hill.jpg"
    assert (await (await client.get(location)).get_json())["cover"] == "hill.jpg"
    assert running_app.extensions["board"] == "open"


{strict}
async def test_requests_without_a_form(csrf_post, app_client):
    response = await csrf_post(app_client, "/albums/1", method="DELETE", json=[1])
    assert await response.get_json() == {{"deleted": 1, "body": [1]}}
    assert (await app_client.delete("/albums/1")).status_code == 400
    first, second = await csrf_token(app_client), await csrf_token(app_client)
    for token in (first, second):
        headers = {{"X-CSRFToken": token}}
        assert (await app_client.delete("/albums/1", headers=headers)).status_code == 200
    with pytest.raises(AssertionError, match="/no-form has no CSRF token: put"):
        await csrf_post(app_client, "/albums", page="/no-form")
    with pytest.raises(AssertionError, match="/none is answered with 404"):
        await csrf_post(app_client, "/albums", page="/none")
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project of a user. Its pytest has the plugins that the test names, and no other."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makepyprojecttoml(
        "[tool.pytest.ini_options]\nfilterwarnings = ['error']\n"
        "asyncio_default_fixture_loop_scope = 'function'\n"
    )
    pytester.makeconftest(CONFTEST)
    return pytester


def pytest_of(
    project: pytest.Pytester, *arguments: str, asyncio_plugin: bool = True
) -> pytest.RunResult:
    without = ["-W", "ignore:Unknown config option"]
    plugins = ["-p", "pytest_asyncio.plugin"] if asyncio_plugin else without
    plugins += ["-p", "quartpatterns.pytest_plugin", "-p", "no:cacheprovider"]
    return project.runpytest_subprocess(*plugins, *arguments, timeout=280)


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_fixtures(run: pytest.Pytester, mode: str) -> None:
    """All fixtures, on both classes, in both modes of pytest-asyncio."""
    try:
        services.valkey_program()
    except services.ServiceMissingError as missing:
        unavailable(str(missing))
    is_strict = mode == "strict"
    fixture = "pytest_asyncio.fixture" if is_strict else "pytest.fixture"
    head = USER_FIXTURE.format(
        fixture=fixture, import_fixture="\nimport pytest_asyncio" if is_strict else ""
    )
    run.makepyfile(head + TESTS.format(strict="@pytest.mark.asyncio" if is_strict else ""))
    pytest_of(run, "-o", f"asyncio_mode={mode}").assert_outcomes(passed=10)


def test_nothing_stays(run: pytest.Pytester) -> None:
    """Tables and rows of a test are rolled back, whatever the order of its fixtures."""
    run.makeconftest(
        """
        import pytest
        from tests.pytest_plugin.board import create_app

        @pytest.fixture
        def app(pytestconfig):
            path = pytestconfig.rootpath / "board.db"
            return create_app(config={"SQLALCHEMY_DATABASE_URI": f"sqlite:///{path}"})
        """
    )
    run.makepyfile(
        """
        import contextlib, sqlite3
        from tests.pytest_plugin.board import Album, db

        async def add(app):
            async with app.app_context():
                db.session.add(Album(title="sea"))
                await db.session.commit()
                assert len((await db.session.scalars(db.select(Album))).all()) == 1

        async def test_first(app_client, rolled_back_database, app):
            await add(app)

        async def test_second(rolled_back_database, running_app):
            await add(running_app)

        def test_third(pytestconfig):
            path = pytestconfig.rootpath / "board.db"
            assert path.exists()
            with contextlib.closing(sqlite3.connect(path)) as connection:
                assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
        """
    )
    result = pytest_of(run, "-o", "asyncio_mode=auto")
    result.assert_outcomes(passed=3)


ERRORS = {
    "no app": (
        "",
        "async def test_it(app_client): pass",
        ["need a fixture named `app`", r"return create_app\("],
    ),
    "no app for eager tasks": (
        "",
        "def test_it(eager_tasks): pass",
        ["need a fixture named `app`"],
    ),
    "another application": (
        "@pytest.fixture\ndef app(): return object()",
        "async def test_it(app_client): pass",
        ["must return a Quart application, and not a builtins.object"],
    ),
    "a started application": (
        "@pytest.fixture\nasync def app():\n"
        "    async with Quart('x').test_app() as started:\n        yield started",
        "async def test_it(app_client): pass",
        ["TestApp: return its attribute app, without starting it"],
    ),
    "no tasks": (
        "@pytest.fixture\ndef app(): return Quart('x')",
        "def test_it(eager_tasks): pass\nasync def test_worker(task_worker): pass",
        [r"(?s)'x' has no tasks: call Tasks\(app\).*'x' has no tasks"],
    ),
    "no database": (
        "@pytest.fixture\ndef app(): return Quart('x')",
        "async def test_it(rolled_back_database): pass",
        [r"'x' has no database: call SQLAlchemy\(app\)"],
    ),
    "another database": (
        "@pytest.fixture\ndef app():\n"
        "    from quartpatterns.sqlite3 import SQLite\n    app = Quart('x')\n"
        "    app.config['DATABASE'] = 'x.db'\n    SQLite(app)\n    return app",
        "async def test_it(rolled_back_database): pass",
        ["with quartpatterns.sqlite3 give each test a file"],
    ),
    "no login manager": (
        "@pytest.fixture\ndef app():\n"
        "    app = Quart('x')\n    app.secret_key = 'x'\n    return app",
        "async def test_it(login_as): await login_as(object())",
        ["RuntimeError: this application has no LoginManager"],
    ),
    "no secret key": (
        "@pytest.fixture\ndef app(): return Quart('x')",
        "async def test_it(login_as): await login_as(object())\n"
        "async def test_csrf(csrf_post, app_client): await csrf_post(app_client, '/')",
        ["login is stored in the session: set SECRET_KEY", "token belongs.*set SECRET_KEY"],
    ),
    "a failed job": (
        CONFTEST.replace("import pytest\n", ""),
        "async def test_it(eager_tasks, running_app):\n"
        "    from tests.pytest_plugin.board import make_cover\n"
        "    async with running_app.app_context(): await make_cover.delay(5)",
        ["TaskFailedError: .*make_cover: NoResultFound: "],
    ),
    "two ways of running jobs": (
        CONFTEST.replace("import pytest\n", ""),
        "async def test_it(eager_tasks, task_worker): pass\n"
        "async def test_two(rolled_back_database, task_worker): pass",
        ["can't be used with eager_tasks:", "can't be used with rolled_back_database:"],
    ),
    "another event loop": (
        "@pytest.fixture\ndef app(): return Quart('x')",
        "@pytest.mark.asyncio(loop_scope='module')\nasync def test_it(app_client): pass",
        ['set asyncio_default_fixture_loop_scope = "module"'],
    ),
    "an application that does not start": (
        "@pytest.fixture\ndef app():\n    app = Quart('x')\n"
        "    @app.before_serving\n    async def fail(): raise OSError('no disk')\n    return app",
        "async def test_it(app_client): pass",
        ["no disk"],
    ),
}


@pytest.mark.slow
def test_errors(run: pytest.Pytester) -> None:
    """Each error names what is missing and what to write. Each case is a module of one run."""
    run.makeconftest("")
    modules = {
        f"test_{number}": f"import pytest\nfrom quart import Quart\n{fixture}\n"
        + tests.replace("def test_", f"def test_{number}_")
        for number, (fixture, tests, _) in enumerate(ERRORS.values())
    }
    run.makepyfile(**modules)
    result = pytest_of(run, "-o", "asyncio_mode=auto", "-q")
    reports = re.split(r"(?m)^_+ (?:ERROR at \w+ of )?test_(\d+)_\S+ _+$", result.stdout.str())
    texts: dict[int, str] = {}
    for number, text in zip(reports[1::2], reports[2::2], strict=True):
        texts[int(number)] = texts.get(int(number), "") + text
    for number, (name, (_, _, lines)) in enumerate(ERRORS.items()):
        for line in lines:
            assert re.search(line, texts[number]), (name, texts[number])


@pytest.mark.slow
def test_same_loop_scope(run: pytest.Pytester) -> None:
    """A module with one event loop works, if the fixtures have the same."""
    run.makepyfile(
        """
        import pytest
        pytestmark = pytest.mark.asyncio(loop_scope="module")

        async def test_it(app_client, rolled_back_database, eager_tasks):
            assert (await app_client.get("/login")).status_code == 200
        """
    )
    options = ["-o", "asyncio_default_fixture_loop_scope=module"]
    pytest_of(run, *options).assert_outcomes(passed=2)


@pytest.mark.slow
def test_without_a_server(run: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a Redis the test is skipped with a reason; with CI=true it fails."""
    run.makepyfile(
        """
        from quartpatterns.compare import services

        def missing():
            raise services.ServiceMissingError("missing")

        services.valkey_program = missing

        async def test_it(task_worker): pass
        """
    )
    monkeypatch.setenv("CI", "false")
    result = pytest_of(run, "-o", "asyncio_mode=auto", "-rs")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED*not installed*or set TEST_REDIS_URL*"])
    monkeypatch.setenv("CI", "true")
    pytest_of(run, "-o", "asyncio_mode=auto").assert_outcomes(errors=2)


def test_several_applications(run: pytest.Pytester) -> None:
    """A module or a class may override `app`; for a second one there are the functions."""
    run.makepyfile(
        """
        import pytest
        from quartpatterns.tasks.testing import eager_tasks as eager
        from quartpatterns.viewdecorators.testing import log_in
        from quartpatterns.wtforms.testing import send_with_token
        from tests.pytest_plugin.board import User, create_app, db, make_cover

        class TestOther:
            @pytest.fixture
            def app(self):
                return create_app("Quart", {"SQLALCHEMY_DATABASE_URI": "sqlite://"})

            async def test_both(self, app_client, eager_tasks, tmp_path):
                uri = f"sqlite:///{tmp_path / 'other.db'}"
                other = create_app("FaithfulQuart", {"SQLALCHEMY_DATABASE_URI": uri})
                async with other.test_app():
                    async with other.app_context():
                        db.session.add(user := User(name="bob"))
                        await db.session.commit()
                    client = other.test_client()
                    await log_in(client, user)
                    with eager(other) as jobs:
                        response = await send_with_token(client, "/albums", form={"title": "x"})
                        assert response.status_code == 303
                        assert [job.result.value for job in jobs.jobs] == ["x.jpg"]
                    assert (await client.get("/me")).status_code == 200
                assert eager_tasks.jobs == []
                assert (await app_client.get("/me")).status_code == 302
        """
    )
    pytest_of(run, "-o", "asyncio_mode=auto").assert_outcomes(passed=1)


def test_without_pytest_asyncio(run: pytest.Pytester) -> None:
    """The plugin loads without the plugin for asyncio, and its other fixtures work."""
    run.makepyfile(
        """
        import asyncio
        from tests.pytest_plugin.board import tasks

        @tasks.task
        async def work(): return 1

        def test_it(app, eager_tasks):
            async def main():
                async with app.app_context():
                    return await (await work.delay()).wait()

            assert asyncio.run(main()) == 1
        """
    )
    pytest_of(run, asyncio_plugin=False).assert_outcomes(passed=2)


def test_suites_without_it(run: pytest.Pytester) -> None:
    """A run that uses no fixture imports neither Quart nor a helper, and has its own fixtures."""
    run.makeconftest("")
    run.makepyfile(
        """
        import sys

        def test_it():
            loaded = {name.partition(".")[0] for name in sys.modules}
            assert not loaded & {"quart", "redis", "arq", "sqlalchemy", "wtforms", "httpx"}
            ours = {name for name in sys.modules if name.startswith("quartpatterns.")}
            assert not {name for name in ours if name.split(".")[1] not in expected}, ours

        expected = {"pytest_plugin", "compare", "catalog"}
        """
    )
    pytest_of(run).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("library", "fixture", "extra"),
    [("wtforms", "csrf_post", "wtforms"), ("arq", "eager_tasks", "tasks")],
)
def test_missing_libraries(run: pytest.Pytester, library: str, fixture: str, extra: str) -> None:
    """A fixture whose library is not installed names the extra; the others work."""
    run.makeconftest(
        f"""
        import sys
        sys.modules[{library!r}] = None
        import pytest
        from quart import Quart

        @pytest.fixture
        def app():
            return Quart("x")
        """
    )
    run.makepyfile(
        f"""
        async def test_one(app_client, captured_flashes):
            assert (await app_client.get("/")).status_code == 404

        def test_two({fixture}): pass
        """
    )
    result = pytest_of(run, "-o", "asyncio_mode=auto")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"*pip install 'quartpatterns?{extra}?'*"])


def test_entry_point(tmp_path: Path) -> None:
    """The package installs the plugin; all fixtures have a docstring and are documented."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"quartpatterns": pytest_plugin.__name__}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "quartpatterns.pytest_plugin", "--fixtures", "-q"],
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    page = (ROOT / "docs" / "testing.md").read_text()
    fixtures = [name for name in pytest_plugin.__all__ if name[0].islower()]
    assert len(fixtures) == 10
    for name in fixtures:
        assert f"\n{name}" in done.stdout, done.stdout
        assert f"`{name}`" in page
    assert "no docstring available" not in done.stdout


GREENLETS = """
import unittest
import pytest
from sqlalchemy.util import await_only
from asyncio import sleep


def wait():
    return await_only(sleep(0, "waited"))


@pytest.fixture
async def waited():
    return wait()


@pytest.fixture
async def around():
    wait()
    yield
    wait()


async def test_function(waited, around):
    assert wait() == waited


class TestClass:
    async def test_method(self, waited):
        assert wait() == waited


class Case(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        wait()

    async def asyncTearDown(self):
        wait()

    async def test_case(self):
        assert wait() == "waited"


def test_synchronous():
    pass
"""


@pytest.mark.parametrize("greenlets", [True, False])
def test_greenlets(pytester: pytest.Pytester, greenlets: bool) -> None:
    """With the option, everything that is asynchronous can wait as SQLAlchemy's code does."""
    options = f"[pytest]\nasyncio_mode = auto\ngreenlet_tests = {str(greenlets).lower()}\n"
    pytester.makefile(".ini", pytest=options)
    pytester.makepyfile(GREENLETS)
    result = pytester.runpytest("-p", "no:cacheprovider")
    if greenlets:
        result.assert_outcomes(passed=4)
    else:
        result.assert_outcomes(passed=1, failed=1, errors=2)
