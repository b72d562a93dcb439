"""The code of templates: generators, which wait only for values that have to be awaited.

Jinja's asynchronous mode compiles a template to asynchronous generators, and awaits each attribute,
item, call, filter and test in a coroutine of its own. That takes more time than most of them.

Here the code of a template and of its blocks is a plain generator. It yields the text in chunks,
and an :class:`Awaited` for a value that has to be awaited. Whoever iterates awaits it then, and
continues. Macros and recursive loops are coroutines, as in Jinja.
"""

# The methods of a code generator have Jinja's names.
# ruff: noqa: N802

# Jinja leaves some annotations out.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterator
from functools import partial
from io import StringIO
from itertools import repeat
from typing import Any, TextIO

from jinja2 import Undefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import AsyncLoopContext, LoopContext

from quartpatterns.subclassing.template_filters import is_asynchronous

__all__ = ["Awaited", "Chunks", "TemplateCodeGenerator", "in_chunks_from_async"]

# What Jinja's code generator writes around an expression that can return an awaitable.
AWAIT_BEGIN = "(await auto_await("
AWAIT_END = "))"
# How it begins a loop, and the loop over the chunks of the parent template.
ASYNC_FOR = "async for "
FROM_PARENT = "async for event in agen:"
# What it writes in asynchronous mode, and what a generator needs instead.
IN_GENERATORS = {
    "async ": "",
    "await ": "(yield from settled(",
    "await gen.aclose()": "gen.close()",
    "finally: await agen.aclose()": "finally: agen.close()",
    "for event in (await template._get_default_module_async())._body_stream:": (
        "for event in (yield from settled(template._get_default_module_async()))._body_stream:"
    ),
}
# How the calls end that begin with the replacement of "await ".
IMPORTS = ("make_module_async(", "_get_default_module_async(")
END_OF_RECURSION = ", loop)"

NextItem = Callable[[], Awaitable[Any]]


class Awaited:
    """What the code of a template yields to wait for a value.

    Arguments:
        awaitable: What to await.
    """

    __slots__ = ("_awaitable", "_error", "_value")

    def __init__(self, awaitable: Awaitable[Any]) -> None:
        self._awaitable = awaitable
        self._error: Exception | None = None

    async def settle(self) -> None:
        """Await the value. An exception is raised in the template."""
        try:
            self._value = await self._awaitable
        except Exception as error:
            self._error = error

    def result(self) -> Any:
        """Return the value."""
        if self._error is not None:
            raise self._error
        return self._value


def settled(awaitable: Awaitable[Any]) -> Generator[Awaited, None, Any]:
    """Wait for *awaitable* and return its value."""
    awaited = Awaited(awaitable)
    yield awaited
    return awaited.result()


class Chunks:
    """The text of a template or of a block, in chunks.

    The code of another template iterates over it. To Jinja it is an asynchronous generator.
    """

    __slots__ = ("_code",)

    def __init__(self, code: Generator[Any, None, None]) -> None:
        self._code = code

    async def collect(self) -> list[str]:
        """Return all chunks."""
        chunks: list[str] = []
        for chunk in self._code:
            if type(chunk) is Awaited:
                await chunk.settle()
            else:
                chunks.append(chunk)
        return chunks

    def __iter__(self) -> Iterator[Any]:
        return self._code

    def __aiter__(self) -> Chunks:
        return self

    async def __anext__(self) -> str:
        try:
            for chunk in self._code:
                if type(chunk) is not Awaited:
                    return chunk  # type: ignore[no-any-return]
                await chunk.settle()
        except StopAsyncIteration as error:
            # Out of here it would be the end of the template.
            raise RuntimeError("the template raised StopAsyncIteration") from error
        raise StopAsyncIteration

    def close(self) -> None:
        """End the code at its current position."""
        self._code.close()

    async def aclose(self) -> None:
        """End the code at its current position."""
        self._code.close()


def in_chunks(function: Callable[[Any], Generator[Any, None, None]]) -> Callable[[Any], Chunks]:
    """Return a function for the chunks of *function*, the code of a template or of a block."""

    def start(context: Any) -> Chunks:
        return Chunks(function(context))

    return start


def in_chunks_from_async(function: Callable[[Any], Any]) -> Callable[[Any], Chunks]:
    """Do what :func:`in_chunks` does for code that Jinja's own generator has written."""

    def code(context: Any) -> Generator[Any, None, None]:
        chunks = function(context)
        while True:
            try:
                chunk = yield from settled(chunks.__anext__())
            except StopAsyncIteration:
                return
            yield chunk

    return in_chunks(code)


def start_loop(iterable: Any) -> tuple[Iterator[Any], NextItem | None]:
    """Return an iterator for a loop, and a function if its items have to be awaited.

    If there is a function, the iterator is endless, and the function's results are the items.
    """
    if is_asynchronous(iterable):
        return repeat(None), aiter(iterable).__anext__
    return iter(iterable), None


def start_loop_context(
    iterable: Any, undefined: type[Undefined], *recursion: Any
) -> tuple[Iterator[Any], NextItem | None]:
    """Return what :func:`start_loop` returns, for a loop that uses the variable ``loop``."""
    if is_asynchronous(iterable):
        return repeat(None), AsyncLoopContext(iterable, undefined, *recursion).__anext__
    return LoopContext(iterable, undefined, *recursion), None


class TemplateCodeGenerator(CodeGenerator):
    """Writes generators, and tests the type of a value before it is awaited.

    In Jinja's synchronous mode it writes what Jinja writes.
    """

    # The indentation of each function that is being written, and whether it is a generator.
    _functions: list[tuple[int, bool]]
    _level = 0
    # Whether the function whose body begins next is a generator.
    _next_function: bool | None = None
    # The first line of a loop while it is written, and the stream outside of it.
    _first_line: StringIO | None = None
    _outer_stream: TextIO

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:
        """Write the module, which imports what its code needs."""
        self._functions = []
        super().visit_Template(node, frame)
        package = "quartpatterns.subclassing"
        self.writeline(f"from {package}.template_filters import PLAIN_TYPES, is_awaitable")
        names = "Awaited, in_chunks, settled, start_loop, start_loop_context"
        self.writeline(f"from {package}.template_code import {names}")
        if not self.environment.is_async:
            return
        self.writeline("root = in_chunks(root)")
        for name in self.blocks:
            self.writeline(f"block_{name} = in_chunks(block_{name})")
        self.writeline(
            f"blocks = {{{', '.join(f'{each!r}: block_{each}' for each in self.blocks)}}}"
        )

    # Which function is being written

    @property
    def _in_generator(self) -> bool:
        while self._functions and self._level <= self._functions[-1][0]:
            self._functions.pop()
        return bool(self._functions) and self._functions[-1][1]

    def func(self, name: str) -> str:
        """Return how a function begins: a template or a block is a generator."""
        self._next_function = name == "root" or name.startswith("block_")
        coroutine = self.environment.is_async and not self._next_function
        return f"async def {name}" if coroutine else f"def {name}"

    def indent(self) -> None:
        """Begin a block: the body of a loop, if its first line was collected."""
        if self._first_line is not None:
            self._begin_loop()
            return
        if self._next_function is not None:
            generator = self._next_function and self.environment.is_async
            self._functions.append((self._level, generator))
            self._next_function = None
        self._level += 1
        super().indent()

    def outdent(self, step: int = 1) -> None:
        """End *step* blocks."""
        self._level -= step
        super().outdent(step)

    # What Jinja writes, and what a generator needs

    def choose_async(self, async_value: str = "async ", sync_value: str = "") -> str:
        """Return the code for the function that is being written."""
        value = super().choose_async(async_value, sync_value)
        return IN_GENERATORS.get(value, value) if self._in_generator else value

    def write(self, x: str) -> None:
        """Write code. The end of a call that began with the replacement of "await " is added."""
        if self._in_generator and (x.startswith(IMPORTS) or x == END_OF_RECURSION):
            x += AWAIT_END
        super().write(x)

    def writeline(self, x: str, node: nodes.Node | None = None, extra: int = 0) -> None:
        """Write a line. The first line of a loop is collected until its body begins."""
        if self._in_generator:
            if x == FROM_PARENT:
                super().writeline("yield from agen", node, extra)
                x = "if 0:"  # Jinja writes the body of its loop.
            x = IN_GENERATORS.get(x, x)
        if x != ASYNC_FOR:
            super().writeline(x, node, extra)
            return
        super().writeline("", node, extra)
        self._outer_stream, self._first_line = self.stream, StringIO()
        self.stream = self._first_line

    def visit_Block(self, node: nodes.Block, frame: Frame) -> None:
        """Write the call of a block, as in synchronous mode if its chunks are yielded."""
        if not self._in_generator or frame.buffer is not None:
            super().visit_Block(node, frame)
            return
        environment = self.environment
        self.environment = environment.synchronous  # type: ignore[attr-defined]
        try:
            super().visit_Block(node, frame)
        finally:
            self.environment = environment

    def simple_write(self, s: str, frame: Frame, node: nodes.Node | None = None) -> None:
        """Write a value into the output. A chunk of another template can be an ``Awaited``."""
        if s == "event" and frame.buffer is not None and self._in_generator:
            self.writeline("if type(event) is Awaited: yield event", node)
            self.writeline(f"else: {frame.buffer}.append(event)")
        else:
            super().simple_write(s, frame, node)

    def _begin_loop(self) -> None:
        assert self._first_line is not None
        line = self._first_line.getvalue()
        self.stream, self._first_line = self._outer_stream, None
        target, _, iterable = line.removesuffix(":").partition(" in ")
        if iterable.startswith("AsyncLoopContext("):
            start = f"start_loop_context({iterable.removeprefix('AsyncLoopContext(')}"
        else:
            start = f"start_loop({iterable.removeprefix('auto_aiter')})"
        items, next_item, item = (self.temporary_identifier() for _ in range(3))
        self.write(f"{items}, {next_item} = {start}")
        self.writeline(f"for {item} in {items}:")
        self.indent()
        self.writeline(f"if {next_item} is not None:")
        self.indent()
        awaited = (
            f"yield from settled({next_item}())" if self._in_generator else f"await {next_item}()"
        )
        self.writeline(f"try: {item} = {awaited}")
        self.writeline("except StopAsyncIteration: break")
        self.outdent()
        self.writeline(f"{target} = {item}")

    # Expressions that can return an awaitable

    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:
        """Write the access to an attribute."""
        self._write_inline(super().visit_Getattr, node, frame)

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:
        """Write the access to an item."""
        self._write_inline(super().visit_Getitem, node, frame)

    def visit_Filter(self, node: nodes.Filter, frame: Frame) -> None:
        """Write the application of a filter."""
        self._write_inline(super().visit_Filter, node, frame)

    def visit_Test(self, node: nodes.Test, frame: Frame) -> None:
        """Write a test."""
        self._write_inline(super().visit_Test, node, frame)

    def visit_Call(self, node: nodes.Call, frame: Frame, forward_caller: bool = False) -> None:
        """Write a call."""
        visit = partial(super().visit_Call, forward_caller=forward_caller)
        self._write_inline(visit, node, frame)

    def _write_inline(self, visit: Callable[..., None], node: nodes.Expr, frame: Frame) -> None:
        """Write what *visit* writes, with a test of the type before anything is awaited."""
        self.write("")  # The line and its indentation belong to what comes before.
        stream, self.stream = self.stream, StringIO()
        try:
            visit(node, frame)
            code = self.stream.getvalue()
        finally:
            self.stream = stream
        if code.startswith(AWAIT_BEGIN) and code.endswith(AWAIT_END):
            value = self.temporary_identifier()
            expression = code[len(AWAIT_BEGIN) : -len(AWAIT_END)]
            test = f"type({value} := {expression}) in PLAIN_TYPES"
            if self._in_generator:
                test += f" or not is_awaitable({value})"
                code = f"({value} if {test} else (yield from settled({value})))"
            else:
                code = f"({value} if {test} else await auto_await({value}))"
        self.write(code)
