"""Click commands written with ``async def``: row 37."""

# Quart's and Werkzeug's annotations leave type arguments out, and some names are private.
# pyright: reportMissingTypeStubs=false
# pyright: reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

import click
from flask.sansio.blueprints import Blueprint
from quart import Quart
from quart.cli import AppGroup, ScriptInfo

__all__ = ["Commands", "FaithfulAppGroup", "awaited"]


def awaited(callback: Callable[..., Any]) -> Callable[..., Any]:
    """*callback* as click can call it: a coroutine function is run, in an application context.

    Quart gives click the coroutine function itself. Click calls it and drops the coroutine: the
    command does nothing and ends with 0.
    """
    if not iscoroutinefunction(callback):
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
    """A group of commands that may be coroutine functions.

    A command with ``async def`` runs inside an application context, as Flask's commands do.
    """

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command; its callback may be a coroutine function."""
        await_callbacks(cmd)
        super().add_command(cmd, name)

    def command(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:  # type: ignore[override]
        """Make a command of a function.

        Arguments:
            args: What :meth:`click.Group.command` takes.
            kwargs: The same; and ``with_appcontext=True`` for a synchronous function, which then
                runs inside a running event loop.
        """
        make = super().command

        def decorator(func: Callable[..., Any]) -> Any:
            if iscoroutinefunction(func):
                kwargs["with_appcontext"] = False
            return make(*args, **kwargs)(awaited(func))

        return decorator

    def group(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:  # type: ignore[override]
        """Make a group of a function; its commands may be coroutine functions, too."""
        kwargs.setdefault("cls", FaithfulAppGroup)
        return super().group(*args, **kwargs)


def await_callbacks(command: click.Command) -> None:
    """Have the callbacks of *command*, and of all below it, awaited."""
    if command.callback is not None:
        command.callback = awaited(command.callback)
    if isinstance(command, click.Group):
        for below in command.commands.values():
            await_callbacks(below)


class Commands(Quart):
    """An application whose commands, and those of its blueprints, may be coroutine functions."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cli = FaithfulAppGroup(self.name)

    def register_blueprint(self, blueprint: Blueprint, **options: Any) -> None:
        """Register *blueprint*, of whichever class, and its commands."""
        super().register_blueprint(blueprint, **options)
        await_callbacks(self.cli)
