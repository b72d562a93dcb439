"""What `quart shell` has at hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar, cast

from quart import Quart, current_app

if TYPE_CHECKING:
    from quartpatterns.sqlalchemy.extension import SQLAlchemy

__all__ = ["run", "shell_names"]

T = TypeVar("T")


def shell_names(db: SQLAlchemy) -> dict[str, Any]:
    """``db``, the models by their names, and :func:`run`."""
    models = (mapper.class_ for mapper in db.Model.registry.mappers)
    return {**{model.__name__: model for model in models}, "db": db, "run": run}


def run(work: Callable[[], Awaitable[T]] | Awaitable[T]) -> T:
    """The result of *work*, for prompts where nothing can be awaited, such as `quart shell`.

    ::

        >>> run(db.get_or_404(User, 1))
        <User 'admin'>
        >>> run(lambda: db.session.scalar(select(User.name)))
        'admin'

    Each call is a context of its own; to change something, write a coroutine that commits.

    Arguments:
        work: A coroutine, or a function to call in the event loop, as ``db.session`` has to be
            asked for there.
    """
    app = cast("Quart", cast("Any", current_app)._get_current_object())

    async def main() -> T:
        async with app.app_context():
            return await (work() if callable(work) else work)

    # The prompt itself is in an event loop, which stands still as long as nothing is typed.
    with ThreadPoolExecutor(1, "quart-shell") as thread:
        return thread.submit(asyncio.run, main()).result()
