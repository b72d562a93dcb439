"""Follow a page of the documentation as a reader does: save its files, run its commands.

A page is a list of fenced blocks. CONTRIBUTING.md, "How the examples work", has the rules.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import importlib
import importlib.metadata
import inspect
import io
import json
import os
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import quart.signals
from markdown_it import MarkdownIt
from quart import Quart, has_request_context, request, websocket
from werkzeug.routing import Rule

from quartpatterns.compare.asgi import lifespan
from quartpatterns.compare.transports import ASGITransport
from quartpatterns.tasks.worker import serve_jobs
from tests.curl import CurlOptions
from tests.serving import TIMEOUT

URL = "http://localhost:8000"
SERVERS = re.compile(
    r"(?:hypercorn|quart --app|quartpatterns worker) '?([\w.]+:[^' ]+|[\w.]+)'?( run)?$"
)
PROGRAMS = ("alembic", "pybabel", "python", "quart", "quartpatterns")  # run in this process
# Commands that are safe on any machine, in a shell.
SHELL = re.compile(r"(cmp|echo|export|mkdir|printf|rm|sha1sum|touch)\b|\w+=")
SHELLS = ("console", "sh")
DATA: Mapping[str, Callable[[str], object]] = {
    "ini": str,
    "json": json.loads,
    "toml": tomllib.loads,
}
# The first line of a block that is a file: `# app.py`, `-- schema.sql`, `{# templates/a.html #}`.
NAME = re.compile(
    r"(?:#|--|//|\{#|/\*|<!--) ([\w./-]+\.\w+)(, continued)?(?:; [^\n]*?)?(?: (?:#\}|\*/|-->))?\n"
)
COMMAND = re.compile(r"^\$ ((?:.*\\\n> )*.*)\n?", re.MULTILINE)


class PageError(AssertionError):
    """A page does not work as it is written."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: The page.
        line: The number of its first line.
        language: The language of the block, such as ``python``.
        text: The content.
    """

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of *page*, in their order."""
    return [
        Block(page, token.map[0] + 1, token.info.strip(), token.content)
        for token in MarkdownIt().parse(page.read_text())
        if token.type == "fence" and token.map is not None
    ]


def commands(block: Block) -> Iterator[tuple[str, str | None]]:
    """Yield each command of a block with what it prints; ``None`` if the block does not show it."""
    if block.language == "sh":
        for line in re.sub(r"\\\n\s*", "", block.text).splitlines():
            command = re.sub(r"(^|\s+)# .*", "", line)
            if command:
                yield command, None
        return
    found = list(COMMAND.finditer(block.text))
    if not found or found[0].start():
        raise PageError(f"{block}: a console block begins with a command: '$ curl ...'")
    for match, following in zip(found, [*found[1:], None], strict=True):
        end = following.start() if following else None
        command = match[1].replace("\\\n> ", "")
        yield re.sub(r"\s+# .*", "", command), block.text[match.end() : end]


def matches(shown: str, printed: str, *, complete: bool = True) -> bool:
    """Whether *printed* is what the page shows.

    ``...`` stands for any text, and for any number of lines if it is alone on a line. JSON is
    compared by its values, so that a page can write it in several lines.

    Arguments:
        shown: The text in the page.
        printed: The output of a command.
        complete: Whether the output has ended.
    """
    with contextlib.suppress(ValueError):
        return _same(json.loads(shown), json.loads(printed))
    pattern = ""
    for line in _lines(shown):
        escaped = ".*?".join(re.escape(part) for part in line.split("..."))
        pattern += "(?:.*\n)?" if line == "..." else escaped + "\n"
    match = re.fullmatch if complete else re.match
    text = "".join(line + "\n" for line in _lines(printed))
    return match(pattern, text, re.DOTALL) is not None


def _same(shown: object, printed: object) -> bool:
    if isinstance(shown, dict) and isinstance(printed, dict):
        keys = shown.keys() == printed.keys()
        return keys and all(_same(shown[key], printed[key]) for key in shown)
    if isinstance(shown, list) and isinstance(printed, list):
        same = len(shown) == len(printed)
        return same and all(_same(*pair) for pair in zip(shown, printed, strict=True))
    if isinstance(shown, str) and isinstance(printed, str):
        pattern = ".*".join(re.escape(part) for part in shown.split("..."))
        return re.fullmatch(pattern, printed, re.DOTALL) is not None
    return type(shown) is type(printed) and shown == printed


def _lines(text: str) -> list[str]:
    """Return the lines without what nobody sees: kinds of spaces, empty lines."""
    text = text.replace("\N{NO-BREAK SPACE}", " ")
    return [line.rstrip() for line in text.splitlines() if line.strip()]


@dataclass(slots=True)
class _Running:
    app: Any
    client: httpx.AsyncClient


class Reader:
    """Somebody who saves the files of a page into *folder* and runs its commands.

    Arguments:
        folder: The current folder, which is on the import path.
        replace: Addresses of services that the page names, and where they are here.
        skipped: Whether a command is not run.
    """

    def __init__(
        self,
        folder: Path,
        *,
        replace: Mapping[str, str],
        skipped: Callable[[str], bool] = lambda command: False,
    ) -> None:
        self.folder = folder
        self.replace = replace
        self.skipped = skipped
        self.routes: set[tuple[str, str, str]] = set()  # application, rule, method
        self.reached: set[tuple[str, str, str]] = set()
        self.cookies: dict[str, httpx.Cookies] = {}
        programs = str(Path(sys.executable).parent)
        self._environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
        self._python: Path | None = None  # the file to which a block without a name is added
        self._target: str | None = None
        self._running: _Running | None = None
        self._stack = contextlib.AsyncExitStack()
        self._changed = True
        self._called = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._unused: set[Path] = set()  # saved and not executed

    async def __aenter__(self) -> Reader:
        for started in (quart.signals.request_started, quart.signals.websocket_started):
            started.connect(self._count)
        return self

    async def __aexit__(self, *error: object) -> None:
        for started in (quart.signals.request_started, quart.signals.websocket_started):
            started.disconnect(self._count)
        await self._stop()
        await self._end_worker()
        self._forget()

    async def follow(self, page: Path) -> None:
        """Do what *page* says.

        Raises:
            PageError: Something does not work, or prints something else than the page shows.
        """
        for block in blocks(page):
            try:
                await self._do(block)
            except Exception as error:
                raise PageError(f"{block}: {error}") from error
        await self._start()
        self._forget()
        for path in self._unused - {Path("migrations/env.py")}:  # Alembic executes this one.
            module = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
            await asyncio.to_thread(importlib.import_module, module)
        self._collect_routes()
        if unreached := self.routes - self.reached:
            raise PageError(f"{page}: no example requests {sorted(unreached)}")

    async def _do(self, block: Block) -> None:
        if block.language in SHELLS:
            for command, shown in commands(block):
                printed = await self._run(self._local(command), shown)
                if shown is not None and not matches(self._local(shown), printed):
                    raise PageError(f"{command}\nprints\n{printed[:2000]}\nand not\n{shown}")
        elif named := NAME.match(block.text):
            self._save(named[1], block.text, append=named[2] is not None)
        elif block.language == "python":
            if self._python is None:
                raise PageError("the first line names the file: '# app.py'")
            self._save(str(self._python), block.text, append=True)
        elif block.language in DATA:
            DATA[block.language](block.text)
        elif block.language != "text":
            raise PageError("the first line names no file")

    def _local(self, text: str) -> str:
        for there, here in self.replace.items():
            text = text.replace(there, here)
        return text

    def _save(self, name: str, text: str, *, append: bool) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text() + "\n\n" if append else ""
        path.write_text(before + self._local(text))
        self._changed = True
        if path.suffix != ".py":
            return
        self._python = Path(name)
        self._unused.add(Path(name))
        ast.parse(path.read_text())
        if path.name.startswith("test_"):
            self._test(path.stem)

    def _test(self, module: str) -> None:
        """Call the tests of *module*, as pytest does."""
        self._forget()
        with ThreadPoolExecutor(1) as thread:
            tests = thread.submit(importlib.import_module, module).result()
            for name, function in inspect.getmembers(tests, inspect.isfunction):
                if name.startswith("test_"):
                    thread.submit(_call, function).result(TIMEOUT)

    async def _run(self, command: str, shown: str | None) -> str:
        """Run *command* and return what it prints."""
        if self.skipped(command):
            return shown or ""
        if server := SERVERS.match(command):
            if command.startswith("quartpatterns worker"):
                await self._work(server[1])
                return ""
            if server[2] or command.startswith("hypercorn"):
                self._target, self._changed = server[1], True
                await self._start()
                return ""
        program = command.split()[0]
        if program == "sleep":  # The event loop also runs the application.
            await asyncio.sleep(float(command.split()[1]))
            return ""
        if program == "curl":
            await self._start()
            return await self._curl(self._words(command)[1:], shown or "")
        if program in PROGRAMS:
            return await asyncio.to_thread(self._program, self._words(command))
        if not SHELL.match(command):
            raise PageError(f"{command}: run it, or say why not")
        return self._bash(command)

    def _words(self, command: str) -> list[str]:
        """Return the words of *command*, in which the shell has expanded variables and quotes."""
        return self._bash(f"printf '%s\\0' {command}").rstrip("\0").split("\0")

    def _bash(self, command: str) -> str:
        """Run *command* in a shell; its variables stay for the next one."""
        script = f"set -a; {command}\nenv -0 > .environment"
        done = subprocess.run(
            ["bash", "-ec", script],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        if done.returncode:
            raise PageError(f"{command}: {done.stderr}")
        listed = (self.folder / ".environment").read_text().rstrip("\0").split("\0")
        self._environment = dict(variable.split("=", 1) for variable in listed)
        return done.stdout

    def _program(self, arguments: list[str]) -> str:
        """Run a program of this environment in this process."""
        self._forget()
        printed = io.StringIO()
        before = sys.argv
        name, *arguments = arguments
        try:
            with _environment(self._environment), contextlib.redirect_stdout(printed):
                if name == "python" and arguments[0] == "-m":
                    sys.argv = arguments[1:]
                    runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
                elif name == "python":
                    self._unused.discard(Path(arguments[0]))
                    sys.argv = arguments
                    runpy.run_path(arguments[0], run_name="__main__")
                else:
                    (script,) = importlib.metadata.entry_points(group="console_scripts", name=name)
                    sys.argv = [name, *arguments]
                    script.load()()
        except SystemExit as exit:
            if exit.code:
                raise PageError(f"exit code {exit.code}: {printed.getvalue()}") from exit
        finally:
            sys.argv = before
        return printed.getvalue()

    async def _curl(self, arguments: list[str], shown: str) -> str:
        """Do what curl does."""
        options = CurlOptions.parse(arguments, self.folder)
        assert self._running is not None, "the page starts no server before"
        client = self._running.client
        client.cookies = self.cookies.get(options.cookies, httpx.Cookies())
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
            self.cookies[options.cookie_jar] = httpx.Cookies(client.cookies)
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
        if self._target is None or not self._changed:
            return
        await self._stop()
        self._forget()
        app = await asyncio.to_thread(self._load, self._target)
        state = await self._stack.enter_async_context(lifespan(app))
        client = httpx.AsyncClient(
            transport=ASGITransport(app, state),
            base_url=URL,
            headers={"Accept": "*/*", "User-Agent": "curl/8.0"},
        )
        self._running = _Running(app, await self._stack.enter_async_context(client))
        self._changed = False
        self._collect_routes()

    def _load(self, target: str) -> Any:
        module, _, expression = target.partition(":")
        with _environment(self._environment):
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
            self.reached.add((app.name, sent.url_rule.rule, sent.method))

    def _own(self, module: Any) -> bool:
        """Whether *module* is one of the page; a folder without ``__init__.py`` is one, too."""
        places = (getattr(module, "__file__", None), *getattr(module, "__path__", ()))
        return any(str(place).startswith(f"{self.folder}/") for place in places)

    def _collect_routes(self) -> None:
        """Add the routes of the page's modules, which its examples must request."""
        self.routes |= {
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
                    self._unused.discard(Path(module.__file__).relative_to(self.folder))
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
