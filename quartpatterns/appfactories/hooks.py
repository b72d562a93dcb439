"""What a blueprint does to the application that it is registered on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from quart import Blueprint, Quart
from quart.blueprints import BlueprintSetupState

__all__ = ["on_setup"]

Hook = TypeVar("Hook", bound=Callable[[Any], None] | Callable[[Any], Awaitable[None]])


def on_setup(blueprint: Blueprint) -> Callable[[Hook], Hook]:
    """Let a function set up each application that *blueprint* is registered on.

    The function is called with the application, once for each, whatever number of times the
    blueprint is registered on it. A plain function runs at the registration, and can register
    what it likes. A coroutine function runs when the application starts, in its context, after
    all of the factory; what it raises keeps the application from starting::

        @on_setup(admin)
        def show_site_name(app):
            app.context_processor(lambda: {"site": app.config["SITE"]})

        @on_setup(admin)
        async def connect(app):
            app.extensions["mailer"] = await connect_to(app.config["MAIL_URL"])

    Flask's page asks for this; :meth:`quart.Blueprint.record_once` is the one half of it.

    Arguments:
        blueprint: One that is not registered yet.
    """

    def decorator(function: Hook) -> Hook:
        blueprint.record_once(partial(_set_up, function))
        return function

    return decorator


def _set_up(function: Callable[[Any], Any], state: BlueprintSetupState) -> None:
    app: Any = state.app
    assert isinstance(app, Quart)
    if iscoroutinefunction(function):
        app.before_serving(partial(function, app))
    else:
        function(app)
