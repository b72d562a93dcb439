"""Read a page without a server: its applications are called in this process."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.metadata
import inspect
import io
import os
import runpy
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import quart.signals
from quart import Quart, has_request_context, request, websocket
from werkzeug.routing import Rule

from quartpatterns.compare.asgi import lifespan
from quartpatterns.compare.transports import ASGITransport
from quartpatterns.tasks.worker import serve_jobs
from tests.reading.curl import CurlOptions
from tests.reading.page import PageError, matches
from tests.reading.reader import SERVERS, Reader
from tests.serving import TIMEOUT

__all__ = ["InProcessReader"]

_URL = "http://localhost:8000"


@dataclass(slots=True)
class _Running:
    app: Any
    client: httpx.AsyncClient


class InProcessReader(Reader):
    """A reader whose folder is on the import path, and the current one of this process.

    Every route of the page's applications must be requested.
    """

    def __init__(
        self, folder: Path, *, replace: Mapping[str, str], skipped: Callable[[str], bool]
    ) -> None:
        super().__init__(folder, replace=replace, skipped=skipped)
        self._routes: set[tuple[str, str, str]] = set()  # application, rule, method
        self._reached: set[tuple[str, str, str]] = set()
        self._cookies: dict[str, httpx.Cookies] = {}
        self._target: str | None = None
        self._running: _Running | None = None
        self._stack = contextlib.AsyncExitStack()
        self._called = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> InProcessReader:
        for started in (quart.signals.request_started, quart.signals.websocket_started):
            started.connect(self._count)
        return self

    async def __aexit__(self, *error: object) -> None:
        for started in (quart.signals.request_started, quart.signals.websocket_started):
            started.disconnect(self._count)
        await self._stop()
        await self._end_worker()
        self._forget()

    async def finish(self, page: Path) -> None:
        """Execute what no command has executed, and check that every route was requested."""
        await self._start()
        self._forget()
        for file in self.unused - {"migrations/env.py"}:  # Alembic executes this one.
            module = file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
            await asyncio.to_thread(importlib.import_module, module)
        self._collect_routes()
        if unreached := self._routes - self._reached:
            raise PageError(f"{page}: no example requests {sorted(unreached)}")

    async def test(self, file: str) -> None:
        """Call the tests of *file*, as pytest does."""
        self._forget()
        with ThreadPoolExecutor(1) as thread:
            module = file.removesuffix(".py").replace("/", ".")
            tests = thread.submit(importlib.import_module, module).result()
            for name, function in inspect.getmembers(tests, inspect.isfunction):
                if name.startswith("test_"):
                    thread.submit(_call, function).result(TIMEOUT)

    async def shell(self, command: str) -> str:
        """Run *command*; the event loop must run while it sleeps, because the application does."""
        if command.startswith("sleep "):
            await asyncio.sleep(float(command.split()[1]))
            return ""
        return self.bash(command)

    async def run(self, command: str, shown: str) -> str:
        """Run *command* in this process."""
        server = SERVERS.match(command)
        if server and command.startswith("quartpatterns worker"):
            await self._work(server[1])
            return ""
        if server and (server[2] or command.startswith("hypercorn")):
            self._target, self.changed = server[1], True
            await self._start()
            return ""
        # The shell expands variables and quotes.
        words = self.bash(f"printf '%s\\0' {command}").rstrip("\0").split("\0")
        if words[0] == "curl":
            await self._start()
            return await self._curl(words[1:], shown)
        return await asyncio.to_thread(self._program, words)

    def _program(self, arguments: list[str]) -> str:
        """Run a program of this environment in this process."""
        self._forget()
        printed = io.BytesIO()
        output = io.TextIOWrapper(printed, encoding="utf-8", write_through=True)
        before = sys.argv
        name, *arguments = arguments
        try:
            with _environment(self.environment), contextlib.redirect_stdout(output):
                if name == "python" and arguments[0] == "-m":
                    sys.argv = arguments[1:]
                    runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
                elif name == "python":
                    self.unused.discard(arguments[0])
                    sys.argv = arguments
                    runpy.run_path(arguments[0], run_name="__main__")
                else:
                    (script,) = importlib.metadata.entry_points(group="console_scripts", name=name)
                    sys.argv = [name, *arguments]
                    script.load()()
        except SystemExit as exit:
            if exit.code:
                raise PageError(f"exit code {exit.code}: {printed.getvalue().decode()}") from exit
        finally:
            sys.argv = before
        return printed.getvalue().decode()

    async def _curl(self, arguments: list[str], shown: str) -> str:
        """Do what curl does."""
        options = CurlOptions.parse(arguments, self.folder)
        assert self._running is not None, "the page starts no server before"
        client = self._running.client
        client.cookies = self._cookies.get(options.cookies, httpx.Cookies())
        sent = client.build_request(
            options.method, options.url, content=options.body, headers=options.headers
        )
        printed = ""
        if options.max_time is not None:
            await self._leave(client.send(sent), options.max_time)
            return ""
        async with asyncio.timeout(TIMEOUT):
            response = await client.send(sent, stream=True)
            if options.include:
                head = [f"HTTP/1.1 {response.status_code}"]
                head += [f"{name}: {value}" for name, value in response.headers.items()]
                printed = "\n".join(head) + "\n\n"
            if options.output is not None:
                (self.folder / options.output).write_bytes(await response.aread())
            elif options.method != "HEAD":
                async for chunk in response.aiter_text():
                    printed += chunk
                    if shown.rstrip().endswith("...") and matches(shown, printed, complete=False):
                        break
            await response.aclose()
        if options.cookie_jar:
            self._cookies[options.cookie_jar] = httpx.Cookies(client.cookies)
        return printed

    async def _leave(self, request: Coroutine[Any, Any, object], seconds: float) -> None:
        """Send a request, and close the connection some time after the view was called."""
        self._called.clear()
        sent = asyncio.create_task(request)
        async with asyncio.timeout(TIMEOUT):
            await self._called.wait()
        await asyncio.wait([sent], timeout=seconds)
        sent.cancel()
        await asyncio.wait([sent])

    async def _start(self) -> None:
        """Start the server again if a file has changed."""
        if self._target is None or not self.changed:
            return
        await self._stop()
        self._forget()
        app = await asyncio.to_thread(self._load, self._target)
        state = await self._stack.enter_async_context(lifespan(app))
        client = httpx.AsyncClient(
            transport=ASGITransport(app, state),
            base_url=_URL,
            headers={"Accept": "*/*", "User-Agent": "curl/8.0"},
        )
        self._running = _Running(app, await self._stack.enter_async_context(client))
        self.changed = False
        self._collect_routes()

    def _load(self, target: str) -> Any:
        module, _, expression = target.partition(":")
        with _environment(self.environment):
            names = vars(importlib.import_module(module))
            app = eval(expression or "app", dict(names))
            return app() if inspect.isfunction(app) else app

    async def _work(self, target: str) -> None:
        """Run a worker until the page ends; a page that starts it again has changed the tasks."""
        await self._end_worker()
        self._forget()
        app = await asyncio.to_thread(self._load, target)
        app.config["TASKS_SHUTDOWN_TIMEOUT"] = 0
        self._worker = asyncio.create_task(serve_jobs(app))

    async def _end_worker(self) -> None:
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.wait([self._worker])

    async def _stop(self) -> None:
        await self._stack.aclose()
        self._running = None

    def _applications(self) -> Iterator[Quart]:
        """Yield the applications of the page's modules."""
        for module in list(sys.modules.values()):
            if self._own(module):
                yield from (value for value in vars(module).values() if isinstance(value, Quart))
        if self._running is not None and isinstance(self._running.app, Quart):
            yield self._running.app

    async def _count(self, app: Quart, **_: object) -> None:
        sent = request if has_request_context() else websocket
        self._called.set()
        if sent.url_rule is not None and sent.method in _methods(sent.url_rule):
            self._reached.add((app.name, sent.url_rule.rule, sent.method))

    def _own(self, module: Any) -> bool:
        """Whether *module* is one of the page; a folder without ``__init__.py`` is one, too."""
        places = (getattr(module, "__file__", None), *getattr(module, "__path__", ()))
        return any(str(place).startswith(f"{self.folder}/") for place in places)

    def _collect_routes(self) -> None:
        """Add the routes of the page's modules, which its examples must request."""
        self._routes |= {
            (app.name, rule.rule, method)
            for app in self._applications()
            for rule in app.url_map.iter_rules()
            for method in _methods(rule)
            if self._own(sys.modules.get(_module(app.view_functions.get(rule.endpoint))))
        }

    def _forget(self) -> None:
        """Forget the page's modules, so that they are imported again."""
        self._collect_routes()
        importlib.invalidate_caches()
        for name, module in list(sys.modules.items()):
            if self._own(module):
                if module.__file__:
                    self.unused.discard(str(Path(module.__file__).relative_to(self.folder)))
                del sys.modules[name]


def _call(test: Callable[[], Any]) -> None:
    result = test()
    if inspect.iscoroutine(result):
        asyncio.run(result)


def _methods(rule: Rule) -> set[str]:
    """Return the methods that a page must use: all but those that every view has.

    For a view with all methods, one is enough.
    """
    methods = rule.methods or {"GET"}
    return {"OPTIONS"} if "TRACE" in methods else methods - {"HEAD", "OPTIONS"}


def _module(view: Any) -> str:
    """Return the name of the module that defines *view*."""
    return getattr(inspect.unwrap(view), "__module__", "") if view is not None else ""


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
