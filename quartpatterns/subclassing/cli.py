"""Click commands that are coroutine functions."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from flask.sansio.blueprints import Blueprint
from quart import Quart
from quart.cli import AppGroup, ScriptInfo

from quartpatterns._shared.calling import is_async

__all__ = ["AsyncCommands", "FaithfulAppGroup"]


def _make_sync(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Return a synchronous function that runs *callback* in an application context.

    Click calls a coroutine function and drops the coroutine, so with Quart such a command does
    nothing and exits with 0.
    """
    if not is_async(callback):
        return callback

    @wraps(callback)
    def command(*args: Any, **kwargs: Any) -> Any:
        app = click.get_current_context().ensure_object(ScriptInfo).load_app()

        async def run() -> Any:
            async with app.app_context():
                return await callback(*args, **kwargs)

        return asyncio.run(run())

    return command


class FaithfulAppGroup(AppGroup):
    """A group of commands that can be coroutine functions, and run in an application context."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command."""
        _make_all_sync(cmd)
        super().add_command(cmd, name)

    def command(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:  # type: ignore[override]
        """Return a decorator that makes a command of a function.

        Arguments:
            args: Arguments of :meth:`click.Group.command`.
            kwargs: The same, and ``with_appcontext=True`` for a synchronous function, which
                then runs inside a running event loop.
        """
        make = super().command

        def decorator(func: Callable[..., Any]) -> Any:
            if is_async(func):
                kwargs["with_appcontext"] = False
            return make(*args, **kwargs)(_make_sync(func))

        return decorator

    def group(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:  # type: ignore[override]
        """Return a decorator that makes a group of a function."""
        kwargs.setdefault("cls", FaithfulAppGroup)
        return super().group(*args, **kwargs)


def _make_all_sync(command: click.Command) -> None:
    """Replace the callbacks of *command* and of its subcommands."""
    if command.callback is not None:
        command.callback = _make_sync(command.callback)
    if isinstance(command, click.Group):
        for subcommand in command.commands.values():
            _make_all_sync(subcommand)


class AsyncCommands(Quart):
    """Commands of the application and of its blueprints can be coroutine functions."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cli = FaithfulAppGroup(self.name)

    def register_blueprint(self, blueprint: Blueprint, **options: Any) -> None:
        """Register *blueprint*, of any class, and its commands."""
        super().register_blueprint(blueprint, **options)
        _make_all_sync(self.cli)
