"""The routes of a single-page application: its files, and the index for everything else."""

from __future__ import annotations

import itertools
import os
import re
import zlib
from collections.abc import Callable, Collection
from pathlib import Path
from urllib.parse import quote

from quart import Blueprint, Quart, abort, current_app, request, url_for
from quart.typing import ResponseTypes
from werkzeug.routing import PathConverter

from quartpatterns._shared.file_cache import DEFAULT_SIZE, FileCache
from quartpatterns._shared.threads import run_sync
from quartpatterns.singlepageapplications.files import (
    MEDIA_TYPES,
    Asset,
    asset_files,
    find_asset,
    send_asset,
)

__all__ = ["SinglePageApp", "has_hash", "is_client_route"]

# A list of all media types would be wrong: "joe@example.ai" and "v1.2" are routes.
_FILE_EXTENSIONS = frozenset(MEDIA_TYPES) | frozenset(
    "bmp br cjs eot gif gz ico jpeg jpg json map mp3 mp4 ogg otf pdf png ttf txt wav webm xml"
    " zip".split()
)
# index-DiwrgT4a.js (Vite, Rollup), main.073c9b0a.chunk.js (webpack), app-5IZB3KXJ.css (esbuild)
_HASHED = re.compile(
    r".*[.-](?:"
    r"(?=[^.]*[0-9])(?=[^.]*[a-f])[0-9a-f]{8,64}"
    r"|(?=[^.]*[0-9])(?=[^.]*[A-Z])[0-9A-Z]{8,32}"
    r"|(?=[^.]*[0-9])(?=[^.]*[a-z])(?=[^.]*[A-Z])[0-9A-Za-z_-]{8}"
    r")(?:\.[a-z0-9]{1,8}){1,2}",
    re.DOTALL,
)
_BASE = re.compile(rb'<base href="/" ?/?>')
_numbers = itertools.count()


def has_hash(path: str) -> bool:
    """Return whether the name of a file contains a hash of its content, as bundlers write it.

    A hash has at least eight characters, letters as well as digits. In doubt the result is False:
    that costs a request, while a wrong True keeps an old file in browsers for a year.

    .. versionadded:: 0.1
    """
    return _HASHED.fullmatch(path.rpartition("/")[2]) is not None


def is_client_route(path: str) -> bool:
    """Return whether *path*, for which there is no file, may be a page of the front end.

    It may, unless it ends with the extension of a script, a style sheet, an image or the like. A
    browser would use the index in place of such a file.

    .. versionadded:: 0.1
    """
    return "." not in path or path.rpartition("/")[2].rpartition(".")[2].lower() not in (
        _FILE_EXTENSIONS
    )


class SinglePageApp:
    """Serves the files of a front end's build, and its index for all client routes.

    The application's own rules take precedence. Paths below *api* are left to the application. The
    index is revalidated for each request, because it names the files of the current build. Clients
    cache a file with a hash in its name for a year, and revalidate other files. If there is a
    compressed file beside a file (``.br``, ``.gz``), the client gets the one it prefers.

    If the index has ``<base href="/">``, it works below a mount prefix and in a blueprint: the
    prefix is inserted there.

    A path with a segment that starts with a dot, such as ``.env`` or ``.git``, is a 404, and so is
    a symbolic link that leads out of the folder.

    Arguments:
        app: The application, or a blueprint, whose prefix then applies.
        folder: The folder of the build, relative to the ``root_path`` of *app*.
        index: The file for client routes.
        static_url_path: The path of the files. If it is not the root, a missing file below it is
            a 404.
        api: Paths below which there are no client routes.
        endpoint: The endpoint of the rules.
        is_client_route: A function that returns whether a path without a file is a page of the
            front end. If not, it is a 404.
        is_immutable: A function that returns whether the file with a path never changes.
        allow_hidden: Names that start with a dot and are served nevertheless, such as
            ``.well-known`` (RFC 8615).
        cache_size: The bytes of memory for small files. Each request looks whether a file has
            changed. Use 0 if the folder is on a slow network file system.

    Raises:
        TypeError: *api* or *allow_hidden* is a string.
        ValueError: *api* contains the root.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        app: Quart | Blueprint,
        folder: str | os.PathLike[str],
        *,
        index: str = "index.html",
        static_url_path: str = "/",
        api: Collection[str] = ("api",),
        endpoint: str = "single_page",
        is_client_route: Callable[[str], bool] = is_client_route,
        is_immutable: Callable[[str], bool] = has_hash,
        allow_hidden: Collection[str] = (),
        cache_size: int = DEFAULT_SIZE,
    ) -> None:
        if isinstance(allow_hidden, str):
            raise TypeError(
                "allow_hidden must be a collection of names: write"
                f" allow_hidden=({allow_hidden!r},)"
            )
        self.folder = os.path.join(app.root_path, folder)
        self.index = index
        self.files_prefix = f"{static_url_path.strip('/')}/".lstrip("/")
        self.endpoint = endpoint
        self.is_client_route = is_client_route
        self.is_immutable = is_immutable
        self.allow_hidden = frozenset(allow_hidden)
        self._cache: FileCache[Asset] = FileCache(cache_size)
        name, converter = f"single_page_{next(_numbers)}", _converter_without(api)
        if isinstance(app, Blueprint):
            app.record(lambda state: state.app.url_map.converters.update({name: converter}))
        else:
            app.url_map.converters[name] = converter
        app.add_url_rule("/", endpoint, self._view, defaults={"path": ""}, methods=["GET"])
        app.add_url_rule(f"/<{name}:path>", endpoint, self._view, methods=["GET"])

    async def _view(self, path: str) -> ResponseTypes:
        hidden = {name for name in path.split("/") if name[:1] == "." and name not in (".", "..")}
        if hidden - self.allow_hidden:
            abort(404)
        relative = path.removeprefix(self.files_prefix)
        if self.files_prefix:
            relative = relative.rstrip("/")  # as Flask's route for static files does
        is_file = relative not in ("", self.index) and not relative.startswith("/")
        if path.startswith(self.files_prefix) and is_file:
            if asset := await self._find(relative):
                return send_asset(asset, immutable=self.is_immutable(relative))
            if self.files_prefix:
                abort(404)
        # Quart makes a blank of the root of a mount without its slash.
        without_slash = path == " " and not request.scope["path"].endswith(" ")
        if without_slash or hidden or not self.is_client_route(path):
            abort(404)
        return await self._index()

    async def _index(self) -> ResponseTypes:
        root = url_for(f".{self.endpoint}")
        # The prefix can't be inserted into a compressed index.
        asset = await self._find(self.index, compressed=root == "/")
        if asset is None:
            current_app.logger.error(
                "There is no %s in %s: build the front end, or pass the folder of its build",
                self.index,
                self.folder,
            )
            abort(404)
        if root == "/":
            return send_asset(asset)
        base = f'<base href="{quote(root)}">'.encode()
        data = asset.content or await run_sync(Path(asset.path).read_bytes)()
        data = _BASE.sub(lambda _: base, data, count=1)
        return send_asset(asset, replacement=(data, str(zlib.adler32(base))))

    async def _find(self, relative: str, *, compressed: bool = True) -> Asset | None:
        accept_encoding = tuple(request.headers.getlist("Accept-Encoding"))
        key = (relative, accept_encoding, compressed)
        if (found := self._cache.get(key)) is None:
            files = asset_files(self.folder, relative, compressed=compressed)
            if not self._cache.finds_none(files):
                found = await run_sync(self._load)(
                    key, files, relative, accept_encoding, compressed
                )
        return found

    def _load(
        self,
        key: tuple[object, ...],
        files: list[str],
        relative: str,
        accept_encoding: tuple[str, ...],
        compressed: bool,
    ) -> Asset | None:
        def read() -> tuple[Asset | None, int | None]:
            found = find_asset(self.folder, relative, accept_encoding, compressed=compressed)
            return found, None if found is None else len(found.content or b"")

        return self._cache.load(key, files, read)


def _converter_without(api: Collection[str]) -> type[PathConverter]:
    """Return a converter for every path that is neither in *api* nor below such a path.

    For a path of the API no rule of this helper matches, so the application alone decides about
    404 and 405.
    """
    if isinstance(api, str):
        raise TypeError(f"api must be a collection of paths: write api=({api!r},)")
    stripped = [path.strip("/") for path in api]
    if "" in stripped:
        raise ValueError("api must not contain the root: no path would be left for the front end")
    excluded = "".join(rf"(?!{re.escape(path)}(?:/|\Z))" for path in stripped)
    return type("ClientPathConverter", (PathConverter,), {"regex": excluded + PathConverter.regex})
