"""Serve a front end's build and its client routes beside an API."""

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
from quart.utils import run_sync
from werkzeug.routing import PathConverter

from quartpatterns.singlepageapplications import names
from quartpatterns.singlepageapplications.answers import answer_data, answer_file
from quartpatterns.singlepageapplications.assets import Asset, find

__all__ = ["SinglePageApp"]

BASE = re.compile(rb'<base href="/" ?/?>')
_numbers = itertools.count()


class SinglePageApp:
    """The files of *folder*, and its index for every other path that is not the API's.

    .. code-block:: python

        SinglePageApp(app, "dist", api=("api",))

    The application's own rules go before it. Paths below *api* are not its own: what is not there
    is a 404 of the application. The index is asked for anew each time, as it names the files of
    the current build; a file whose name has a hash is kept for a year; others are asked for, and
    answered with 304 where they are the same. Of a file with a compressed one beside it (``.br``,
    ``.gz``), the client gets what it likes best.

    An index with ``<base href="/">`` works below any mount prefix and in any blueprint: the
    prefix is put there.

    Arguments:
        app: The application; or a blueprint, below whose prefix everything is then.
        folder: What the build has written, relative to the ``root_path`` of *app*.
        index: The file for client routes.
        static_url_path: The path at which the files are. Below any but the root there are no
            client routes, and what is missing is a 404.
        api: Paths below which nothing is a client route.
        endpoint: The endpoint of the rules.
        is_client_route: Given a path at which there is no file, whether the front end may know
            it; what it does not may know is a 404.
        is_immutable: Given the path of a file, whether it can never change.
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
        is_client_route: Callable[[str], bool] = names.is_client_route,
        is_immutable: Callable[[str], bool] = names.has_hash,
    ) -> None:
        self.folder = os.path.join(app.root_path, folder)
        self.index = index
        self.files_at = f"{static_url_path.strip('/')}/".lstrip("/")
        self.endpoint = endpoint
        self.is_client_route = is_client_route
        self.is_immutable = is_immutable
        name, converter = f"single_page_{next(_numbers)}", _paths_outside(api)
        if isinstance(app, Blueprint):
            app.record(lambda state: state.app.url_map.converters.update({name: converter}))
        else:
            app.url_map.converters[name] = converter
        app.add_url_rule("/", endpoint, self._answer, defaults={"path": ""}, methods=["GET"])
        app.add_url_rule(f"/<{name}:path>", endpoint, self._answer, methods=["GET"])

    async def _answer(self, path: str) -> ResponseTypes:
        relative = path.removeprefix(self.files_at)
        is_below = path.startswith(self.files_at)
        if is_below and relative not in ("", self.index):
            if asset := await self._find(relative):
                return answer_file(asset, immutable=self.is_immutable(relative))
            if self.files_at:
                abort(404)
        # A blank is what Quart makes of a mount's root without its slash.
        if path == " " or ".." in path.split("/") or not self.is_client_route(path):
            abort(404)
        return await self._answer_index()

    async def _answer_index(self) -> ResponseTypes:
        root = url_for(f".{self.endpoint}")
        asset = await self._find(self.index, as_it_is=root != "/")
        if asset is None:
            current_app.logger.error(
                "There is no %s in %s: build the front end, or name the folder of its build",
                self.index,
                self.folder,
            )
            abort(404)
        if root == "/":
            return answer_file(asset)
        base = f'<base href="{quote(root)}">'.encode()
        data = asset.content
        if data is None:
            data = await run_sync(Path(asset.path).read_bytes)()
        data = BASE.sub(lambda _: base, data, count=1)
        return answer_data(asset, data, f"{zlib.adler32(base)}")

    async def _find(self, relative: str, *, as_it_is: bool = False) -> Asset | None:
        codings = () if as_it_is else request.headers.getlist("Accept-Encoding")
        found: Asset | None = await run_sync(find)(self.folder, relative, codings, as_it_is)
        return found


def _paths_outside(api: Collection[str]) -> type[PathConverter]:
    """A converter for every path that is not one of *api*, nor below one.

    As no rule of ours is there, the application alone says what is found and which methods are
    allowed.

    Raises:
        TypeError: *api* is one string.
        ValueError: One is empty.
    """
    if isinstance(api, str):
        raise TypeError(f"api is a collection of paths: write api=({api!r},)")
    stripped = [path.strip("/") for path in api]
    if "" in stripped:
        raise ValueError("an empty path in api leaves no path to the front end: leave it out")
    others = "".join(rf"(?!{re.escape(path)}(?:/|\Z))" for path in stripped)
    return type("PathsOutside", (PathConverter,), {"regex": others + PathConverter.regex})
