"""The values of variables, and the code that is evaluated again when they get more of them."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import TypeAlias

from quartpatterns.porting.values import Items, Value, Values

__all__ = ["Flow", "Unit"]

DEPTH = 3  # of collections in collections that are followed
Unit: TypeAlias = Callable[[], None]
"""Evaluates a module, a function, or what a parameter gets from outside."""


class Flow:
    """Variables with all values that they can have.

    Sets of values only grow, so that :meth:`run` ends.

    Attributes:
        unit: The code that is evaluated.
    """

    def __init__(self) -> None:
        self._values: dict[object, set[Value]] = defaultdict(set)
        self._readers: dict[object, set[Unit]] = defaultdict(set)
        self._queue: deque[Unit] = deque()
        self._queued: set[Unit] = set()
        self.unit: Unit = self.run

    def run(self) -> None:
        """Evaluate until no variable gets another value."""
        while self._queue:
            self.unit = self._queue.popleft()
            self._queued.discard(self.unit)
            self.unit()

    def enqueue(self, unit: Unit) -> None:
        """Evaluate *unit* later."""
        if unit not in self._queued:
            self._queued.add(unit)
            self._queue.append(unit)

    def read(self, key: object) -> Values:
        """Return the values of a variable; the current unit runs again if there are more."""
        self._readers[key].add(self.unit)
        return frozenset(self._values[key])

    def add(self, key: object, values: Iterable[Value]) -> None:
        """Add values to a variable."""
        known = self._values[key]
        new = {value for value in values if value not in known and _depth(value) <= DEPTH}
        if new:
            known |= new
            for unit in self._readers[key]:
                self.enqueue(unit)


def _depth(value: Value) -> int:
    if isinstance(value, Items):
        return 1 + max((_depth(each) for each in value.values), default=0)
    return 0
