"""Click commands: coroutine functions, application contexts, and one event loop for a command."""

# Quart's and Click's annotations leave type arguments out.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, ContextVar, Token, copy_context
from functools import partial, update_wrapper
from inspect import isawaitable
from types import TracebackType
from typing import Any

import click
from click.testing import Result
from flask.sansio.blueprints import Blueprint
from quart import Quart, current_app, has_app_context
from quart.cli import AppGroup, ScriptInfo, run_command
from quart.testing import QuartCliRunner

from quartpatterns._shared.calling import is_async
from quartpatterns._shared.threads import to_thread
from quartpatterns.subclassing.greenlets import in_greenlet

__all__ = [
    "AsyncCommands",
    "CommandLoop",
    "FaithfulAppGroup",
    "FaithfulCliRunner",
    "with_appcontext",
]

# The event loop of the test that runs a command with invoke_async().
_outer_loop: ContextVar[asyncio.AbstractEventLoop | None] = ContextVar("_outer_loop", default=None)
# The key of Click's context under which the loop of a command is kept.
LOOP = "quartpatterns.subclassing.cli.loop"
# Quart's command that starts a server. In an application context, all requests would share it.
RUN_COMMAND = run_command.callback


class CommandLoop:
    """The event loop and the application context of one run of the command line.

    Groups, their subcommands and callbacks of parameters share it, so that what belongs to an
    event loop, such as a pool or a database in memory, lives as long as the command. The loop
    runs only while it is needed: synchronous commands can call :func:`asyncio.run` themselves.
    """

    def __init__(self) -> None:
        self._outer = _outer_loop.get()
        self._runner: asyncio.Runner | None = None
        self._context: Any = None
        self._pushed_in = Context()
        self._tokens: list[Token[Any]] = []
        self.running = False
        """Whether a coroutine of the command is running."""

    @classmethod
    def current(cls) -> CommandLoop:
        """Return the loop of the running command. Click's context closes it."""
        root = click.get_current_context().find_root()
        loop: CommandLoop | None = root.meta.get(LOOP)
        if loop is None:
            root.meta[LOOP] = loop = root.with_resource(cls())
        return loop

    def run(self, coroutine: Coroutine[Any, Any, Any], context: Context | None = None) -> Any:
        """Run a coroutine to its end and return its result."""
        if context is None:
            context = copy_context()
        self.running = True
        try:
            if self._outer is not None:
                return self._run_on(self._outer, coroutine, context)
            if self._runner is None:
                self._runner = asyncio.Runner()
            return self._runner.run(coroutine, context=context)
        finally:
            self.running = False

    def _run_on(self, loop: asyncio.AbstractEventLoop, coroutine: Any, context: Context) -> Any:
        """Run a coroutine on a loop of another thread."""
        outcome: Future[Any] = Future()
        tasks: list[asyncio.Task[None]] = []  # The loop has only weak references.
        # Click keeps its context for each thread.
        click_context = click.get_current_context()

        async def finish() -> None:
            try:
                with click_context.scope(cleanup=False):
                    outcome.set_result(await coroutine)
            except BaseException as error:
                outcome.set_exception(error)

        def start() -> None:
            tasks.append(loop.create_task(finish(), context=context))

        loop.call_soon_threadsafe(start)
        return outcome.result()

    def push_app_context(self) -> None:
        """Make the application current in this thread, unless it is already."""
        app = click.get_current_context().ensure_object(ScriptInfo).load_app()
        if has_app_context() and current_app._get_current_object() is app:  # type: ignore[attr-defined]
            return
        self._context = app.app_context()
        self._pushed_in = copy_context()
        self.run(self._push(), self._pushed_in)
        # A context is pushed on the loop. Its variables are set here, too.
        for variable, value in self._pushed_in.items():
            if variable.get(None) is not value:
                self._tokens.append(variable.set(value))

    # The methods of a bridged context work differently outside of the loop, so call them on it.

    async def _push(self) -> None:
        await self._context.push()

    async def _pop(self, error: BaseException | None) -> None:
        await self._context.pop(error)

    def __enter__(self) -> CommandLoop:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Run the teardown functions of the application context, and close the loop.

        The functions get the error of the command, as in Flask.
        """
        try:
            if self._context is not None:
                self.run(self._pop(exc_value), self._pushed_in)
        finally:
            while self._tokens:
                token = self._tokens.pop()
                token.var.reset(token)
            if self._runner is not None:
                self._runner.close()


class _Callback:
    """Calls a callback of Click in an application context, and awaits its result.

    Arguments:
        function: The function.
        with_appcontext: Whether an application context is pushed; ``None`` if Click's context
            tells the application.
    """

    def __init__(self, function: Callable[..., Any], *, with_appcontext: bool | None) -> None:
        self.function = function
        self.with_appcontext = with_appcontext
        update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        context = click.get_current_context(silent=True)
        if context is None:
            return self.function(*args, **kwargs)  # A test or a script calls the function.
        running: CommandLoop | None = context.find_root().meta.get(LOOP)
        if running is not None and running.running:
            # A coroutine of a command invokes another command: it awaits the result.
            return self.function(*args, **kwargs)
        wanted = self.with_appcontext
        if wanted is None:
            wanted = context.find_object(ScriptInfo) is not None
        if wanted or is_async(self.function):
            _refuse_running_loop()
        loop = CommandLoop.current()
        if wanted:
            loop.push_app_context()
        result = self.function(*args, **kwargs)
        # Quart's with_appcontext() returns the coroutine of a coroutine function.
        if not isawaitable(result):
            return result
        coroutine = _await(result)
        if has_app_context() and current_app.config.get("GREENLET_VIEWS"):
            coroutine = in_greenlet(coroutine)
        return loop.run(coroutine)


class _ParameterCallback(_Callback):
    """A callback of a parameter of a subcommand.

    If the parameters of the first command are wrong, Click does not close its context.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if click.get_current_context().parent is None and not is_async(self.function):
            return self.function(*args, **kwargs)
        return super().__call__(*args, **kwargs)


def _refuse_running_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "a command can't run while an event loop is running in its thread: in an asynchronous test"
        " use app.test_cli_runner(), and in a coroutine await the command's function"
    )


async def _await(awaitable: Any) -> Any:
    return await awaitable


def with_appcontext(function: Any = None) -> Any:
    """Run a command in an application context, as Flask's decorator; it can be asynchronous.

    Quart's decorator never awaits a coroutine function: the command does nothing and exits
    with 0. Its synchronous commands run inside of an event loop.

    .. versionadded:: 0.1

    Arguments:
        function: The function of the command.
    """
    if function is None:
        return with_appcontext
    if isinstance(function, _Callback):
        function = function.function
    callback = _Callback(function, with_appcontext=True)

    def command(*args: Any, **kwargs: Any) -> Any:
        return callback(*args, **kwargs)

    return update_wrapper(command, function)


def _wrap_callbacks(command: click.Command) -> None:
    """Replace the callbacks of a command, of its parameters and of its subcommands."""
    if command.callback is RUN_COMMAND:
        return
    if command.callback is not None and not isinstance(command.callback, _Callback):
        wanted = True if is_async(command.callback) else None
        command.callback = _Callback(command.callback, with_appcontext=wanted)
    for parameter in command.params:
        function: Any = parameter.callback
        if function is not None and not (parameter.is_eager or isinstance(function, _Callback)):
            parameter.callback = _ParameterCallback(function, with_appcontext=None)
    if isinstance(command, click.Group):
        for subcommand in command.commands.values():
            _wrap_callbacks(subcommand)


def _wrapped_copy(command: click.Command) -> click.Command:
    """Return a copy with replaced callbacks: the command can be that of another package."""
    copied = copy.copy(command)
    copied.params = [copy.copy(parameter) for parameter in command.params]
    if isinstance(copied, click.Group):
        subcommands = copied.commands.items()
        copied.commands = {name: _wrapped_copy(each) for name, each in subcommands}
    _wrap_callbacks(copied)
    return copied


class FaithfulAppGroup(AppGroup):
    """A group of commands that can be coroutine functions, and run in an application context."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command."""
        _wrap_callbacks(cmd)
        super().add_command(cmd, name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, with the subcommands that it has now."""
        if (command := super().get_command(ctx, cmd_name)) is not None:
            _wrap_callbacks(command)
        return command

    def command(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:  # type: ignore[override]
        """Return a decorator that makes a command of a function.

        Arguments:
            args: Arguments of :meth:`click.Group.command`.
            kwargs: The same, and ``with_appcontext=False`` for a command that needs no
                application context.
        """
        wanted: bool = kwargs.pop("with_appcontext", True)
        function: Any = args[0] if args and callable(args[0]) else None
        if function is not None:
            args = args[1:]
        make = super().command

        def decorator(func: Callable[..., Any]) -> Any:
            # Click's decorators of options leave a list on the function that they get.
            callback = _Callback(func, with_appcontext=wanted)
            return make(*args, **kwargs)(callback)

        return decorator if function is None else decorator(function)

    def group(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:  # type: ignore[override]
        """Return a decorator that makes a group of a function."""
        kwargs.setdefault("cls", FaithfulAppGroup)
        return super().group(*args, **kwargs)


class FaithfulCliRunner(QuartCliRunner):
    """A runner of commands for tests, also for asynchronous tests.

    .. versionadded:: 0.1
    """

    def invoke(self, cli: Any = None, args: Any = None, **kwargs: Any) -> Result:  # type: ignore[override]
        """Run a command and return its result.

        If an event loop is running, as in an asynchronous test, the command runs in a thread,
        with an event loop of its own, and the test waits. Use :meth:`invoke_async` for a command
        that needs what belongs to the event loop of the test.

        Arguments:
            cli: The command, by default the commands of the application.
            args: The arguments of the command line.
            kwargs: Arguments of :meth:`click.testing.CliRunner.invoke`.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._invoke(cli, args, **kwargs)
        with ThreadPoolExecutor(1, "command") as thread:
            call = partial(copy_context().run, self._invoke, cli, args, **kwargs)
            return thread.submit(call).result()

    async def invoke_async(self, cli: Any = None, args: Any = None, **kwargs: Any) -> Result:
        """Run a command whose coroutines run on the event loop of the caller.

        Rows that a test has written to ``sqlite:///:memory:``, and connections that it has
        opened, can be used by the command.

        Arguments:
            cli: The command, by default the commands of the application.
            args: The arguments of the command line.
            kwargs: Arguments of :meth:`click.testing.CliRunner.invoke`.
        """
        context = copy_context()
        context.run(_outer_loop.set, asyncio.get_running_loop())
        return await to_thread(context.run, partial(self._invoke, cli, args, **kwargs))

    def _invoke(self, cli: Any, args: Any, **kwargs: Any) -> Result:
        if cli is not None and cli is not self.app.cli:
            cli = _wrapped_copy(cli)
        result: Result = super().invoke(cli, args, **kwargs)
        return result


class AsyncCommands(Quart):
    """Commands of the application and of its blueprints can be coroutine functions."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cli = FaithfulAppGroup(self.name)

    def register_blueprint(self, blueprint: Blueprint, **options: Any) -> None:
        """Register *blueprint*, of any class, and its commands."""
        super().register_blueprint(blueprint, **options)
        _wrap_callbacks(self.cli)
