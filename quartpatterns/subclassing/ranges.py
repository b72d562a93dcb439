"""A part of a body, by position in bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any

from quart.wrappers.response import ResponseBody

__all__ = ["RangedBody"]


class RangedBody(ResponseBody):
    """The bytes of *body* from *start* to before *stop*.

    A body that can be positioned (it has ``make_conditional``, as Quart's bodies for data and
    files have) is; of another one the beginning is read and dropped.
    """

    def __init__(self, body: Any, start: int, stop: int) -> None:
        self.body = body
        self.start = start
        self.stop = stop

    async def __aenter__(self) -> AsyncIterator[bytes]:
        skip = self.start
        if hasattr(self.body, "make_conditional"):
            await self.body.make_conditional(self.start, self.stop)
            skip = 0
        return self._cut(await self.body.__aenter__(), skip)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.body.__aexit__(exc_type, exc_value, tb)

    async def _cut(self, items: Any, skip: int) -> AsyncIterator[bytes]:
        left = self.stop - self.start
        async for item in items:
            data = item.encode() if isinstance(item, str) else item
            if len(data) <= skip:
                skip -= len(data)
                continue
            data = data[skip : skip + left]
            skip = 0
            left -= len(data)
            yield data
            if not left:
                return
