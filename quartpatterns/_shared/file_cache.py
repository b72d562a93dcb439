"""A cache in memory of values that are made from small files."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["DEFAULT_SIZE", "FileCache"]

T = TypeVar("T")

DEFAULT_SIZE = 16 * 1024 * 1024
"""The bytes that a cache holds by default."""

# About the bytes of memory that an entry needs in addition to its content.
_OVERHEAD = 2048
# A file that has changed less than this number of seconds ago is not cached: it could change again
# within the resolution of its times, and look unchanged. The clock of a file server can differ.
_SETTLED = 2.0

# Device, inode, size and the times of the last changes. ``None`` if there is no such file.
_State = tuple[int, int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    value: T
    paths: tuple[str, ...]
    states: tuple[_State, ...]
    size: int


class FileCache(Generic[T]):
    """Values that are made from files. The least recently used are dropped if memory is short.

    A value is returned only while its files are unchanged: device, inode, size, and the times of
    the last change of content and status. The event loop itself looks them up, because a thread
    takes longer: on a local disk the kernel answers from memory within microseconds. Don't use a
    cache for files on a slow network file system.

    .. versionadded:: 0.1

    Arguments:
        size: The bytes that the cache holds at most. It stores nothing if this is 0.
    """

    def __init__(self, size: int = DEFAULT_SIZE) -> None:
        self.size = size
        self.used = 0
        self._entries: OrderedDict[Hashable, _Entry[T]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> T | None:
        """Return the value for *key*, or ``None`` if there is none or a file has changed."""
        if (entry := self._entries.get(key)) is None:
            return None
        for path, state in zip(entry.paths, entry.states, strict=True):
            if _state(path) != state:
                with self._lock:
                    self._remove(key)
                return None
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
        return entry.value

    def load(
        self, key: Hashable, paths: Sequence[str], read: Callable[[], tuple[T | None, int | None]]
    ) -> T | None:
        """Return what *read* returns, and store it. Call this in a thread.

        It is not stored if a file changes meanwhile, or has changed in the last two seconds.

        Arguments:
            key: The key.
            paths: The files from which the value is made. They may be missing.
            read: Returns the value and its size in bytes. A size of ``None`` means that the value
                is not stored.
        """
        before = tuple(map(_state, paths))
        value, size = read()
        if value is None or size is None or (size := size + _OVERHEAD) > self.size // 8:
            return value
        changed = max((max(state[3:]) for state in before if state), default=0)
        if time.time() - changed / 1e9 < _SETTLED or tuple(map(_state, paths)) != before:
            return value
        with self._lock:
            self._remove(key)
            self._entries[key] = _Entry(value, tuple(paths), before, size)
            self.used += size
            while self.used > self.size:
                self._remove(next(iter(self._entries)))
        return value

    def finds_none(self, paths: Sequence[str]) -> bool:
        """Return whether all of the files are missing, so that no thread has to read one.

        Like :meth:`get`, it looks on the event loop. A cache of size 0 does not look.
        """
        return self.size > 0 and all(_state(path) is None for path in paths)

    def _remove(self, key: Hashable) -> None:
        if (entry := self._entries.pop(key, None)) is not None:
            self.used -= entry.size


def _state(path: str) -> _State:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # ValueError: a null byte in the path
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
