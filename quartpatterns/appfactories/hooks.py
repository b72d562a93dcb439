"""Functions of a blueprint that set up the applications it is registered on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from quart import Blueprint, Quart
from quart.blueprints import BlueprintSetupState

from quartpatterns._shared.calling import call, is_async

__all__ = ["on_setup"]

Hook = TypeVar("Hook", bound=Callable[[Any], None] | Callable[[Any], Awaitable[None]])


def on_setup(blueprint: Blueprint) -> Callable[[Hook], Hook]:
    """Return a decorator for a function that sets up the applications of *blueprint*.

    The function is called once with each application that the blueprint is registered on. A
    synchronous function is called when the blueprint is registered, like a function of
    :meth:`quart.Blueprint.record_once`. An asynchronous function is called when the application
    starts, in its context. If it raises an error, the application does not start::

        @on_setup(admin)
        def show_site_name(app):
            app.context_processor(lambda: {"site": app.config["SITE"]})

        @on_setup(admin)
        async def connect(app):
            app.extensions["mailer"] = await connect_to(app.config["MAIL_URL"])

    Arguments:
        blueprint: A blueprint that has not been registered yet.

    .. versionadded:: 0.1
    """

    def decorator(function: Hook) -> Hook:
        blueprint.record_once(partial(_set_up, function))
        return function

    return decorator


def _set_up(function: Callable[[Any], Any], state: BlueprintSetupState) -> None:
    app: Any = state.app
    assert isinstance(app, Quart)
    if is_async(function):

        @app.before_serving
        async def set_up() -> None:
            # Quart itself recognizes only functions as asynchronous.
            await call(function, app)

    else:
        function(app)
