"""Results that must be awaited, with an error that says so if they are not."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, Generic, NoReturn, TypeVar, cast

__all__ = ["Pending", "close_awaitable"]

T_co = TypeVar("T_co", covariant=True)


class Pending(Awaitable[T_co], Generic[T_co]):
    """An awaitable that raises :exc:`TypeError` when it is used without ``await``.

    A bare coroutine is true, so that a form that was never validated would count as valid. Its
    missing attributes raise an error that names neither the call nor the remedy.

    Arguments:
        coroutine: The coroutine to await.
        call: The call as the developer wrote it, for the error message.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T_co], call: str) -> None:
        # Python shows this name in its warning about a coroutine that was never awaited.
        cast(Any, coroutine).__qualname__ = call.removesuffix("()")
        self._coroutine = coroutine
        self._call = call

    def __await__(self) -> Generator[Any, None, T_co]:
        return self._coroutine.__await__()

    def __repr__(self) -> str:
        return f"<{self._call}, not awaited>"

    def __bool__(self) -> NoReturn:
        self._refuse()

    def __iter__(self) -> NoReturn:
        self._refuse()

    def __getitem__(self, name: object) -> NoReturn:
        self._refuse()

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # Python itself looks for special methods
            raise AttributeError(name)
        self._refuse()

    def close(self) -> None:
        """Close the coroutine, so that Python does not warn that it was never awaited."""
        self._coroutine.close()

    def _refuse(self) -> NoReturn:
        self.close()
        raise TypeError(f"{self._call} was not awaited: write `await {self._call}`")


def close_awaitable(awaitable: Awaitable[Any]) -> None:
    """Close a coroutine or cancel a future that nobody will await."""
    for name in ("close", "cancel"):
        if (method := getattr(awaitable, name, None)) is not None:
            method()
            return
