"""The wheel with each extra in an environment of its own, which has nothing else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from textwrap import dedent

import pytest

from quartpatterns import catalog
from quartpatterns.cli.errors import comparison_extras
from tests.packaging.building import ROOT, Environment, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.checks("DI-10")]

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
CACHE = """
    import asyncio, quart
    from quartpatterns.caching import Cache
    app = quart.Quart("a")
    app.secret_key = "a"
    cache = Cache(app, config={{"CACHE_TYPE": "{}", "CACHE_DIR": "cache"}})
"""
MODULE = "from quartpatterns.{} import *"
COMMANDS = {
    "bench": "bench --flask a:b --quart c:d --plot p.svg",
    "compare": "parity --flask a:b --quart c:d",
    "deployment": "deploy status",
    "gallery": "serve",
    "port": "port . --check",
    "reload": "worker a:b --reload",
    "tasks": "tasks list",
}
"""Commands that need the extra."""
USES = {
    "ajax": """
        import quart, quart_schema
        from quartpatterns.ajax import *
        app = quart.Quart("a")
        package_files(app, "jquery", "xstatic.pkg.jquery", "data")
        quart_schema.QuartSchema(app, swagger_ui_path=None, redoc_ui_path=None, scalar_ui_path=None)
        swagger_ui(app)
    """,
    "deployment": MODULE.format("deployment"),
    "disk": CACHE.format("FileSystemCache")
    + """
    async def main():
        async with app.test_app():
            assert await cache.set("a", 1) and await cache.get("a") == 1
    asyncio.run(main())
    """,
    "fileuploads": MODULE.format("fileuploads"),
    "granian": "import granian, uvloop",
    "i18n": MODULE.format("urlprocessors.messages"),
    "json": MODULE.format("subclassing.json"),
    "memcached": CACHE.format("MemcachedCache"),
    "migrations": MODULE.format("sqlalchemy.migrations"),
    "mongodb": MODULE.format("mongodb"),
    "originals": "import celery, fabric, flask_caching, flask_sqlalchemy, flask_uploads, flask_wtf",
    "passwords": MODULE.format("viewdecorators.passwords"),
    "postgresql": """
        from quartpatterns.sqlalchemy import *
        make_engine(async_url("postgresql://localhost/a"))
    """,
    "recaptcha": """
        import asyncio, quart
        from quartpatterns.wtforms import *
        class Form(FlaskForm):
            recaptcha = RecaptchaField()
        async def main():
            app = quart.Quart("a")
            app.secret_key = "a"
            app.config["RECAPTCHA_PUBLIC_KEY"] = app.config["RECAPTCHA_PRIVATE_KEY"] = "a"
            async with app.test_request_context("/"):
                (await Form.create()).recaptcha()
        asyncio.run(main())
    """,
    "redis": CACHE.format("RedisCache")
    + """
    from quartpatterns.streaming import Broadcaster
    Broadcaster(redis_url="redis://localhost")
    """,
    "requestchecksum": MODULE.format("requestchecksum"),
    "sqlalchemy": MODULE.format("sqlalchemy"),
    "sqlite3": MODULE.format("sqlite3"),
    "tasks": MODULE.format("tasks"),
    "uvicorn": "import httptools, uvicorn, uvloop, wsproto",
    "wtforms": MODULE.format("wtforms"),
    "zip": "from quartpatterns.streaming import *\nzip_response",
}
"""Programs that need the extra: they import its public names, or use what it installs."""
TOOLS = {"all", "dev"}
"""Extras for this project itself. ``test_product.py`` serves the gallery with the extra ``all``."""
BESIDE = {"migrations": "sqlalchemy", "postgresql": "sqlalchemy", "recaptcha": "wtforms"}
"""The extra of the pattern that the extra adds to."""
NOT_OURS = {"granian", "originals", "uvicorn"}
"""Extras whose libraries a user imports, and not this package."""
WITH_EXTRAS = [pattern for pattern in catalog.PATTERNS if pattern.extras]
# The examples of deployment are commands.
APPLICATIONS = [pattern.name for pattern in WITH_EXTRAS if pattern.name != "deployment"]
COMPARED = [pattern for pattern in WITH_EXTRAS if not pattern.services]


def test_all_extras() -> None:
    """Each extra is tested here."""
    assert USES.keys() | COMMANDS.keys() | TOOLS == EXTRAS.keys()


@pytest.fixture(scope="module")
def plain(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment without any extra."""
    environment = Environment.empty(tmp_path_factory.mktemp("plain") / "environment")
    environment.install_locked(wheel)
    return environment


def installed(wheel: Path, folder: Path, *extras: str) -> Environment:
    environment = Environment.empty(folder / f"with-{'-'.join(extras)}")
    environment.install_locked(f"{wheel}[{','.join(extras)}]")
    return environment


def first_example(pattern: str, folder: Path) -> str:
    """Save the files of the first example of a pattern's README; return the module."""
    text = (ROOT / "quartpatterns" / pattern / "README.md").read_text()
    module = ""
    for language, code in re.findall(r"(?ms)^```(\S*)\n(.*?)^```$", text):
        name = re.match(r"(?:#|--|\{#) (\S+\.\w+)", code)
        if language == "console" and module:
            break
        if name:
            (folder / name[1]).parent.mkdir(exist_ok=True)
            (folder / name[1]).write_text(code)
        if name and language == "python":
            module = module or name[1].removesuffix(".py")
    return module


START = """
import asyncio, importlib, sys
app = importlib.import_module(sys.argv[1]).app
async def main():
    async with app.test_app():
        for rule in app.url_map.iter_rules():
            if "GET" in rule.methods and not rule.arguments:
                response = await app.test_client().get(rule.rule)
                assert response.status_code < 500, (rule.rule, await response.get_data())
asyncio.run(main())
"""


@pytest.mark.parametrize("extra", sorted(USES))
def test_extra(extra: str, wheel: Path, plain: Environment, tmp_path: Path) -> None:
    """The extra is enough for what it is for, and without it the error names it."""
    program = dedent(USES[extra])
    environment = installed(wheel, tmp_path, extra)
    run(environment.python, "-W", "error", "-c", program, cwd=tmp_path)
    without = installed(wheel, tmp_path, BESIDE[extra]) if extra in BESIDE else plain
    failed = run(without.python, "-c", program, cwd=tmp_path, code=1)
    if extra not in NOT_OURS:
        assert failed.stderr.splitlines()[-1].endswith(f"pip install 'quartpatterns[{extra}]'")


@pytest.mark.parametrize("extra", sorted(COMMANDS))
def test_command(extra: str, wheel: Path, plain: Environment, tmp_path: Path) -> None:
    """The command runs with the extra, and without it says in one line what to install."""
    command = ("-m", "quartpatterns", *COMMANDS[extra].split())
    failed = run(plain.python, *command, cwd=tmp_path, code=2)
    [line] = failed.stderr.splitlines()
    assert re.search(r"pip install 'quartpatterns\[[a-z,]+\]'$", line)
    environment = installed(wheel, tmp_path, extra)
    run(environment.python, *command, "--help", cwd=tmp_path)


@pytest.mark.parametrize("pattern", APPLICATIONS)
def test_first_example(
    pattern: str, wheel: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The first example of the README starts and responds with only the pattern's extra."""
    folder = tmp_path / "example"
    folder.mkdir()
    module = first_example(pattern, folder)
    source = folder / f"{module}.py"
    text = source.read_text()
    for url, fixture in (
        ("redis://localhost:6379/0", "redis_url"),
        ("mongodb://localhost/myapp", "mongodb_url"),
    ):
        if url in text:
            text = text.replace(url, request.getfixturevalue(fixture))
    source.write_text(text)
    environment = installed(wheel, tmp_path, pattern)
    run(environment.python, "-W", "error", "-c", START, module, cwd=folder)


@pytest.mark.parametrize("pattern", COMPARED, ids=lambda pattern: pattern.name)
def test_parity(pattern: catalog.Pattern, wheel: Path, tmp_path: Path) -> None:
    """A pattern is compared with the extras that the error of a missing library names."""
    environment = installed(wheel, tmp_path, *comparison_extras(pattern.name))
    run(environment.python, "-m", "quartpatterns", "parity", pattern.name, cwd=tmp_path)


def test_parity_of_others(wheel: Path, tmp_path: Path) -> None:
    """The patterns without an extra need no more than the comparison and the originals."""
    environment = installed(wheel, tmp_path, "compare", "originals")
    names = [pattern.name for pattern in catalog.PATTERNS if not pattern.extras]
    run(environment.python, "-m", "quartpatterns", "parity", *names, cwd=tmp_path)
    missing = run(environment.python, "-m", "quartpatterns", "parity", "ajax", cwd=tmp_path, code=2)
    assert "not run: pydantic is not installed: pip install 'quartpatterns[ajax," in missing.stdout


REDIS = """
import asyncio, sys
from quart import Quart
from quartpatterns.caching import Cache
from quartpatterns.streaming import Broadcaster
app = Quart("a")
app.secret_key = "a"
cache = Cache(app, config={"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": sys.argv[1]})
broadcaster = Broadcaster(app, redis_url=sys.argv[1])
async def main():
    async with app.test_app(), app.app_context():
        assert await cache.set("a", {"b": 1}) and await cache.get("a") == {"b": 1}
        async with broadcaster.subscribe("news") as subscription:
            await broadcaster.publish("news", "hello")
            async for message in subscription:
                assert message.data == "hello"
                break
asyncio.run(main())
"""


@pytest.mark.parametrize("version", ["5.0.1", "8.*"])
def test_versions_of_redis(version: str, wheel: Path, tmp_path: Path, redis_url: str) -> None:
    """The stores in Redis work with the oldest and the newest client that the extra allows."""
    environment = Environment.empty(tmp_path / "environment")
    environment.install(f"{wheel}[redis]", f"redis=={version}")
    run(environment.python, "-c", REDIS, redis_url, cwd=tmp_path)
