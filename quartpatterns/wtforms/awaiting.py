"""What has to be awaited, and says so where it was not."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, Generic, NoReturn, TypeVar, cast

__all__ = ["Pending", "close"]

T_co = TypeVar("T_co", covariant=True)


class Pending(Awaitable[T_co], Generic[T_co]):
    """A coroutine that is an error to test for truth, to iterate over or to ask for attributes.

    Of a bare coroutine each of these is true, or an ``AttributeError`` that names neither the call
    nor the remedy: a form that was never validated would count as valid.

    Arguments:
        coroutine: What is awaited.
        call: How the reader wrote it, for the error.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T_co], call: str) -> None:
        # The name stands in the warning that Python gives of a coroutine that nobody awaits.
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
        if name.startswith("__"):  # asked for by Python itself
            raise AttributeError(name)
        self._refuse()

    def close(self) -> None:
        """Give the coroutine up, without a warning that nobody awaited it."""
        self._coroutine.close()

    def _refuse(self) -> NoReturn:
        self.close()
        raise TypeError(f"{self._call} was not awaited: write `await {self._call}`")


def close(awaitable: Awaitable[Any]) -> None:
    """Give *awaitable* up, whether it is a coroutine, a future or neither."""
    for name in ("close", "cancel"):
        if (end := getattr(awaitable, name, None)) is not None:
            end()
            return
