"""Rows about files and ranges: 5 to 11 and 40."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from quartpatterns.subclassing.example.rows.side import Answer, Side, either

__all__: list[str] = []


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder with one file of five bytes, below a folder ``static``."""
    # One path and one time for all sides: entity tags are made of them.
    root = Path(tempfile.gettempdir()) / f"quartpatterns-rows-{os.getpid()}"
    (root / "static").mkdir(parents=True)
    try:
        file = root / "static" / "five.txt"
        file.write_bytes(b"hello")
        os.utime(file, (1_700_000_000, 1_700_000_000))
        yield root
    finally:
        shutil.rmtree(root)


async def _sent(side: Side, headers: dict[str, str] | None = None, **options: Any) -> Answer:
    app = side.app()
    with folder() as root:

        @side.view(app)
        async def view() -> Any:
            path = root / "static" / "five.txt"
            return await either(side.names.send_file(path, **options))

        return await side.call(app, headers=headers or {})


async def _ranged(side: Side, value: str) -> Answer:
    app = side.app()

    @side.view(app)
    async def view() -> Any:
        response = await either(side.names.make_response(b"hello"))
        conditional = response.make_conditional(
            side.names.request, accept_ranges=True, complete_length=5
        )
        return await either(conditional)

    return await side.call(app, headers={"Range": value})


async def suffix_range(side: Side) -> str:
    answer = await _ranged(side, "bytes=-2")
    return str(answer) if answer.status == 206 else str(answer.status)


async def unsatisfiable(side: Side) -> str:
    answer = await _ranged(side, "bytes=9-")
    return f"{answer.status} Content-Range: {answer['content-range']}"


async def conditional_by_default(side: Side) -> str:
    return str(await _sent(side, {"Range": "bytes=1-2"}))


async def names_of_arguments(side: Side) -> str:
    options: dict[str, Any] = {"download_name": "x.txt", "max_age": 5, "etag": False}
    answer = await _sent(side, None, **options)
    return f"{answer.status} {answer['cache-control']}" if answer.status == 200 else "TypeError"


async def static_caching(side: Side) -> str:
    with folder() as root:
        app = side.app(static_folder=str(root / "static"))
        answer = await side.call(app, "/static/five.txt")
    return f"{answer['cache-control']}; Expires: {'yes' if answer['expires'] else 'no'}"


async def foreign_name(side: Side) -> str:
    name = "attachment_filename" if side.name == "Quart" else "download_name"
    answer = await _sent(side, None, **{"as_attachment": True, name: "grüße.txt"})
    return str(answer["content-disposition"])


async def plain_disposition(side: Side) -> str:
    return str((await _sent(side))["content-disposition"])


async def relative_folder(side: Side) -> str:
    with folder() as root:
        app = side.app(root_path=str(root))

        @side.view(app)
        async def view() -> Any:
            return await either(side.names.send_from_directory("static", "five.txt"))

        return str((await side.call(app)).status)
