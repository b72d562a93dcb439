"""Commands: application contexts, coroutine functions, and one event loop for a command."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import flask
import flask.cli
import pytest
import quart.cli
from click.testing import CliRunner
from quart import current_app
from quart.cli import ScriptInfo
from sqlalchemy import text

from quartpatterns.sqlalchemy import SQLAlchemy
from quartpatterns.subclassing import FaithfulBlueprint, FaithfulCliRunner, FaithfulQuart
from quartpatterns.subclassing.cli import with_appcontext


def say_name() -> None:
    """Print the name of the current application."""
    click.echo(current_app.name)


async def say_name_async() -> None:
    """Print the same on an event loop."""
    await asyncio.sleep(0)
    say_name()


def as_command(app: FaithfulQuart, function: Any) -> Any:
    """Register a function by Flask's usual decorator."""
    return app.cli.command("name")(function)


def bare(app: FaithfulQuart, function: Any) -> Any:
    """Register a function by the decorator without arguments."""
    function.__name__ = "name"
    return app.cli.command(function)


def added(app: FaithfulQuart, function: Any) -> Any:
    """Add a command of Click."""
    app.cli.add_command(command := click.command("name")(function))
    return command


def added_in_context(app: FaithfulQuart, function: Any) -> Any:
    """Add a command with the decorator of this package."""
    app.cli.add_command(command := click.command("name")(with_appcontext(function)))
    return command


def added_with_quart(app: FaithfulQuart, function: Any) -> Any:
    """Add a command with Quart's decorator."""
    decorated = quart.cli.with_appcontext(function)
    app.cli.add_command(command := click.command("name")(decorated))
    return command


def with_options(app: FaithfulQuart, function: Any) -> Any:
    """Register a function with decorators of Click below."""

    @app.cli.command("name")
    @click.option("--times", default=1)
    @click.pass_context
    def command(context: click.Context, times: int) -> Any:
        assert (context.info_name, times) == ("name", 1)
        return function()

    return command


REGISTER = [as_command, bare, added, added_in_context, added_with_quart, with_options]


@pytest.mark.parametrize("register", REGISTER)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_context(register: Callable[..., Any], asynchronous: bool) -> None:
    """A command has an application context, and a coroutine function is awaited."""
    app = FaithfulQuart("shop")

    def sync() -> None:
        say_name()

    async def coroutine() -> None:
        await say_name_async()

    command = register(app, coroutine if asynchronous else sync)
    runner = app.test_cli_runner()
    for result in (runner.invoke(args=["name"]), runner.invoke(command)):
        assert (result.exit_code, result.output) == (0, "shop\n"), result.exception
        assert not quart.has_app_context()


@pytest.mark.parametrize("register", REGISTER)
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_in_asynchronous_tests(register: Callable[..., Any], asynchronous: bool) -> None:
    """The same commands can be invoked and awaited while an event loop is running."""
    app = FaithfulQuart("shop")
    seen: list[Any] = []

    def sync() -> None:
        say_name()

    async def coroutine() -> None:
        seen.append(asyncio.get_running_loop())
        assert click.get_current_context().info_name == "name"
        await say_name_async()

    register(app, coroutine if asynchronous else sync)
    runner = app.test_cli_runner()
    result = runner.invoke(args=["name"])
    assert (result.exit_code, result.output) == (0, "shop\n"), result.exception
    result = await runner.invoke_async(args=["name"])
    assert (result.exit_code, result.output) == (0, "shop\n"), result.exception
    if seen:
        assert seen[0] is not seen[1] is asyncio.get_running_loop()


def test_without_context() -> None:
    """``with_appcontext=False`` is as in Flask, and the default is a context."""
    outputs = []
    for make, module in ((flask.Flask, flask), (FaithfulQuart, quart)):
        app: Any = make("shop")

        def look(module: Any = module) -> None:
            click.echo(bool(module.current_app))

        app.cli.command("none", with_appcontext=False)(look)
        app.cli.command("one")(look)
        group = app.cli.group("group")(lambda: None)
        group.command("one")(look)
        runner = app.test_cli_runner()
        lines = (["none"], ["one"], ["group", "one"])
        outputs.append([runner.invoke(args=line).output for line in lines])
    assert outputs[0] == outputs[1] == ["False\n", "True\n", "True\n"]


def test_one_loop() -> None:
    """Groups, callbacks of parameters, subcommands and what they invoke share an event loop."""
    app = FaithfulQuart("shop")
    loops: list[Any] = []
    log: list[str] = []

    @app.teardown_appcontext
    async def end(error: BaseException | None) -> None:
        loops.append(asyncio.get_running_loop())
        log.append("end")

    async def double(context: Any, parameter: Any, value: int) -> int:
        loops.append(asyncio.get_running_loop())
        return value * 2

    @app.cli.group("stock")
    async def stock() -> None:
        loops.append(asyncio.get_running_loop())

    @stock.command("count")
    @click.option("--factor", default=2, callback=double)
    @click.pass_context
    async def count(context: click.Context, factor: int) -> None:
        loops.append(asyncio.get_running_loop())
        await context.invoke(more, extra=factor)
        log.append(current_app.name)

    @app.cli.command("more")
    @click.option("--extra", default=0)
    async def more(extra: int) -> None:
        loops.append(asyncio.get_running_loop())
        click.echo(extra)

    result = app.test_cli_runner().invoke(args=["stock", "count"])
    assert (result.exit_code, result.output) == (0, "4\n"), result.exception
    assert (len(loops), len(set(loops)), log) == (5, 1, ["shop", "end"])
    assert loops[0].is_closed()


def test_own_loop() -> None:
    """A synchronous command can run an event loop itself, and parameters see the application."""
    app = FaithfulQuart("shop")

    def default(context: Any, parameter: Any, value: str | None) -> str:
        return value or current_app.name

    @app.cli.group("group")
    def group() -> None:
        """Do nothing."""

    @group.command("own")
    @click.option("--name", callback=default)
    def own(name: str) -> None:
        click.echo(asyncio.run(asyncio.sleep(0, name)))

    result = app.test_cli_runner().invoke(args=["group", "own"])
    assert (result.exit_code, result.output) == (0, "shop\n"), result.exception


@pytest.mark.parametrize(
    ("error", "code", "output"),
    [
        pytest.param(click.UsageError("wrong"), 2, "Error: wrong", id="usage"),
        pytest.param(click.ClickException("failed"), 1, "Error: failed", id="click"),
        pytest.param(LookupError("nothing"), 1, "", id="other"),
        pytest.param(SystemExit(3), 3, "", id="exit"),
        pytest.param(click.Abort(), 1, "Aborted!", id="abort"),
    ],
)
async def test_errors(error: BaseException, code: int, output: str) -> None:
    """Errors of coroutine functions are those of Click, and the teardown functions get them."""
    app = FaithfulQuart("shop")
    ends: list[BaseException | None] = []
    app.teardown_appcontext(ends.append)

    @app.cli.command("fail")
    async def fail() -> None:
        raise error

    runner = app.test_cli_runner()
    for result in (runner.invoke(args=["fail"]), await runner.invoke_async(args=["fail"])):
        assert result.exit_code == code
        assert output in result.output
    # Before Click 8.2 the functions get no error, in Flask either.
    original = flask.Flask("shop")
    original.teardown_appcontext(ends.append)

    @original.cli.command("fail")
    def fail_in_flask() -> None:
        raise error

    original.test_cli_runner().invoke(args=["fail"])
    assert ends == [ends[2]] * 3
    if isinstance(error, LookupError):
        with pytest.raises(LookupError):
            runner.invoke(args=["fail"], catch_exceptions=False)


def test_error_in_teardown() -> None:
    """The teardown functions of synchronous commands get the error, as in Flask."""
    ends: list[str] = []

    def end(error: BaseException | None) -> None:
        ends.append(repr(error))

    for app in (flask.Flask("shop"), FaithfulQuart("shop")):
        app.teardown_appcontext(end)

        @app.cli.command("divide")
        @click.argument("number", type=int)
        def divide(number: int) -> None:
            click.echo(1 // number)

        for number in ("0", "1"):
            app.test_cli_runner().invoke(args=["divide", number])
    assert ends[:2] == ends[2:]


async def test_plain_runner() -> None:
    """Click's own runner works outside of an event loop, and never does nothing in silence."""
    app = FaithfulQuart("shop")

    @click.command()
    @with_appcontext
    async def hello() -> None:
        say_name()

    def invoke() -> Any:
        return CliRunner().invoke(hello, obj=ScriptInfo(create_app=lambda: app))

    assert (await asyncio.to_thread(invoke)).output == "shop\n"
    result = invoke()
    assert isinstance(result.exception, RuntimeError)
    assert "app.test_cli_runner()" in str(result.exception)
    callback: Any = hello.callback
    async with app.app_context():
        await callback()


async def test_contexts_of_the_test() -> None:
    """A command in a test's context uses it, as in Flask, and leaves it alone."""
    app = FaithfulQuart("shop")
    seen: list[Any] = []

    @app.cli.command("look")
    async def look() -> None:
        seen.append(quart.g.get("user"))

    async with app.app_context():
        quart.g.user = "ada"
        app.test_cli_runner().invoke(args=["look"])
        await app.test_cli_runner().invoke_async(args=["look"])
        assert (quart.g.user, current_app.name) == ("ada", "shop")
    assert seen == ["ada", "ada"]


def test_runner_class() -> None:
    """A runner of another class, and another object, are used as in Flask."""

    class Runner(FaithfulCliRunner):
        pass

    app = FaithfulQuart("shop")
    app.test_cli_runner_class = Runner
    assert isinstance(runner := app.test_cli_runner(), Runner)

    @click.command("name")
    @with_appcontext
    def name() -> None:
        say_name()

    other = ScriptInfo(create_app=lambda: FaithfulQuart("other"))
    assert runner.invoke(name, obj=other).output == "other\n"
    assert type(name.callback).__name__ == "function"  # The command itself is unchanged.


async def test_rows_in_memory() -> None:
    """Rows that a test has written to a database in memory are there for a command."""
    app = FaithfulQuart("shop")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///:memory:"
    db = SQLAlchemy()
    db.init_app(app)

    @app.before_serving
    async def create() -> None:
        async with app.app_context():
            await db.session.execute(text("CREATE TABLE item (name TEXT)"))
            await db.session.execute(text("INSERT INTO item VALUES ('one')"))
            await db.session.commit()

    @app.cli.group("items")
    async def items() -> None:
        await db.session.execute(text("CREATE TABLE IF NOT EXISTS item (name TEXT)"))
        await db.session.execute(text("INSERT INTO item VALUES ('two')"))
        await db.session.commit()

    @items.command("count")
    async def count() -> None:
        click.echo(await db.session.scalar(text("SELECT count(*) FROM item")))

    async with app.test_app():
        result = await app.test_cli_runner().invoke_async(args=["items", "count"])
        assert (result.exit_code, result.output) == (0, "2\n"), result.exception
        # On another event loop.
        result = app.test_cli_runner().invoke(args=["items", "count"])
        assert (result.exit_code, result.output) == (0, "3\n"), result.exception
    result = app.test_cli_runner().invoke(args=["items", "count"])
    assert (result.exit_code, result.output) == (0, "4\n"), result.exception


def test_blueprints() -> None:
    """Commands of blueprints, also those added later, have a context."""
    app = FaithfulQuart("shop")
    blueprint = FaithfulBlueprint("stock", __name__)
    blueprint.cli.command("name")(say_name_async)
    app.register_blueprint(blueprint)
    plain = click.Group("plain")
    app.cli.add_command(plain)
    plain.command("late")(say_name_async)
    for line in (["stock", "name"], ["plain", "late"]):
        assert app.test_cli_runner().invoke(args=line).output == "shop\n"


def test_command_line(tmp_path: Path) -> None:
    """The command ``quart`` runs them as well, with one event loop."""
    (tmp_path / "app.py").write_text(
        "import asyncio, click, quart\n"
        "from quartpatterns.subclassing import FaithfulQuart\n"
        "app = FaithfulQuart(__name__)\n"
        "@app.cli.group()\n"
        "async def group():\n"
        "    quart.g.loop = asyncio.get_running_loop()\n"
        "@group.command()\n"
        "async def one():\n"
        "    print(quart.current_app.name, quart.g.loop is asyncio.get_running_loop())\n"
        "@app.cli.command()\n"
        "def two():\n"
        "    print(quart.current_app.name)\n"
    )
    for line, output in ((["group", "one"], "app True\n"), (["two"], "app\n")):
        command = [sys.executable, "-W", "error", "-m", "quart", *line]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.stdout, done.stderr) == (output, "")
