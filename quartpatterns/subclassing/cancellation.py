"""Cancellation of views: when their client disconnects, and by code that they await.

In Flask a view runs to its end when its client disconnects, and the ``after_request`` functions
run. Quart cancels the view at its current ``await``, for example after it has charged a card and
before it has recorded the payment. Here a view runs to its end, unless ``CANCEL_ON_DISCONNECT`` or
:func:`cancel_on_disconnect` says otherwise. A stream always ends at once, because nobody receives
what it would yield.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import Any, TypeVar, overload

from quart import Quart
from quart.wrappers import Request

from quartpatterns._shared.settings import SettingsReader
from quartpatterns._shared.settings_of.subclassing import SETTINGS
from quartpatterns._shared.shutdown import outlive_sibling_workers

__all__ = ["Cancellation", "cancel_on_disconnect", "failure_of", "is_cancelled_on_disconnect"]

T_view = TypeVar("T_view", bound=Callable[..., Any])

SETTING = "CANCEL_ON_DISCONNECT"


class Cancellation(Quart):
    """Checks ``CANCEL_ON_DISCONNECT`` when the application starts.

    It also protects the requests of a worker of Hypercorn from the end of another worker.
    """

    async def startup(self) -> None:
        """Start as Quart does, and let requests finish if the server has several workers.

        Raises:
            SettingError: ``CANCEL_ON_DISCONNECT`` is not a bool.
        """
        SettingsReader(self.config, SETTINGS.defaults).boolean(SETTING)
        outlive_sibling_workers()
        await super().startup()


@overload
def cancel_on_disconnect(view: T_view, /) -> T_view: ...
@overload
def cancel_on_disconnect(
    view: None = None, /, *, cancel: bool = True
) -> Callable[[T_view], T_view]: ...
def cancel_on_disconnect(view: Any = None, /, *, cancel: bool = True) -> Any:
    """Cancel the view when its client disconnects.

    Use it for a view that takes long and only reads, such as a report or long polling. The view
    is cancelled at its current ``await``. The ``after_request`` functions do not run, the
    teardown functions do. A synchronous view can't be cancelled: it runs to its end in its
    thread.

    Put it below ``@app.route``. Decorators between the two must use :func:`functools.wraps`.

    .. code-block:: python

        @app.get("/report")
        @cancel_on_disconnect
        async def report(): ...

    .. versionadded:: 0.1

    Arguments:
        view: The view.
        cancel: ``False`` lets the view run to its end even if the application's
            ``CANCEL_ON_DISCONNECT`` is true.
    """

    def decorate(view: T_view) -> T_view:
        view.cancel_on_disconnect = cancel  # type: ignore[attr-defined]
        return view

    return decorate if view is None else decorate(view)


def is_cancelled_on_disconnect(app: Quart, request: Request) -> bool:
    """Return whether to cancel the view of *request* if its client disconnects."""
    view = app.view_functions.get(request.endpoint or "")
    cancel: bool | None = getattr(view, "cancel_on_disconnect", None)
    if cancel is None:
        return SettingsReader(app.config, SETTINGS.defaults).boolean(SETTING)
    return cancel


def failure_of(error: asyncio.CancelledError) -> Exception:
    """Convert a ``CancelledError`` that does not cancel the current task into an ``Exception``.

    Code that awaits a cancelled task or future raises ``CancelledError`` as well. For the request
    that is an error like any other. The exception returned has the type that Flask's synchronous
    views raise in this case.

    Arguments:
        error: The error that the code of the application has raised.

    Raises:
        asyncio.CancelledError: The task was cancelled, by the server or because the client
            disconnected.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise error
    failure = concurrent.futures.CancelledError(
        *(error.args or ("the application awaited a task or future that was cancelled",))
    )
    failure.__cause__ = error
    return failure
