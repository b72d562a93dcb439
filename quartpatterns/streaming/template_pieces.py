"""Templates that yield all pieces between two tags together.

Jinja yields each text and each value of a template for itself. On the way to the response each
of these pieces passes one asynchronous generator for the template, one for each template that it
extends, and one for each block. For a large table this takes longer than everything else.
"""

# Jinja's compiler has no complete types.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, cast

from jinja2 import Environment, nodes
from jinja2.compiler import CodeGenerator, Frame
from quart import Quart

__all__ = ["Joined", "streaming_environment"]

_KEY = "quartpatterns.streaming"


class Joined(str):
    """Pieces of a template that were joined.

    Attributes:
        pieces: Their number.
    """

    pieces: int


def join_pieces(pieces: list[str]) -> Joined:
    """Return *pieces* as one."""
    joined = Joined("".join(pieces))
    joined.pieces = len(pieces)
    return joined


class JoiningMixin(CodeGenerator):
    """Lets a code generator compile a template that yields the pieces between two tags together.

    A value that a function or a filter computes is not joined to the pieces before it, so that they
    do not wait for it.
    """

    def visit_Output(  # noqa: N802 - Jinja's name
        self, node: nodes.Output, frame: Frame
    ) -> None:
        """Write the code for *node*, which is what is between two tags."""
        if frame.buffer is not None or frame.require_output_check:
            super().visit_Output(node, frame)
            return
        for group in _groups(node):
            if len(group.nodes) == 1:
                super().visit_Output(group, frame)
                continue
            frame.buffer = self.temporary_identifier()
            self.writeline(f"{frame.buffer} = []")
            super().visit_Output(group, frame)
            self.writeline(f"yield environment.join_pieces({frame.buffer})")
            frame.buffer = None


def _groups(node: nodes.Output) -> Iterator[nodes.Output]:
    group: list[nodes.Expr] = []
    for child in node.nodes:
        if group and _waits(child):
            yield nodes.Output(group, lineno=node.lineno, environment=node.environment)
            group = []
        group.append(child)
    yield nodes.Output(group, lineno=node.lineno, environment=node.environment)


def _waits(child: nodes.Expr) -> bool:
    kinds: Any = nodes.Call, nodes.Filter
    return isinstance(child, kinds) or child.find(kinds) is not None


def streaming_environment(app: Quart) -> Environment:
    """Return the environment of *app*, with a cache of its own for templates that are streamed.

    It is made again if an option of the environment has changed.
    """
    environment: Environment = app.jinja_env
    state = _state(environment)
    known: tuple[dict[str, Any], Environment] | None = app.extensions.get(_KEY)
    if known is not None and known[0] == state:
        return known[1]
    overlay: Any = environment.overlay()
    overlay.join_pieces = join_pieces
    overlay.code_generator_class = _joining(cast("Any", environment.code_generator_class))
    overlay.bytecode_cache = None
    app.extensions[_KEY] = state, overlay
    return cast("Environment", overlay)


@lru_cache
def _joining(generator: type[CodeGenerator]) -> type[CodeGenerator]:
    return type(f"Joining{generator.__name__}", (JoiningMixin, generator), {})


def _state(environment: Environment) -> dict[str, Any]:
    return {**vars(environment), "cache": None, "extensions": tuple(environment.extensions)}
