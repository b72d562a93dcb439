"""The tag ``{% cache %}`` for templates that are rendered asynchronously."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from jinja2 import Environment, Undefined, nodes
from jinja2.exceptions import TemplateSyntaxError, UndefinedError
from jinja2.ext import Extension
from jinja2.parser import Parser

from quartpatterns.caching.keys import call_version, make_template_fragment_key
from quartpatterns.caching.lookup import CacheRequest, ResultPolicy, cached_result
from quartpatterns.caching.recording import recording_context
from quartpatterns.caching.settings import timeout_seconds
from quartpatterns.caching.sharing import FunctionReads, watch_function
from quartpatterns.caching.visitor_parts import per_visitor

if TYPE_CHECKING:
    from quartpatterns.caching.extension import Cache

__all__ = ["CacheExtension", "install"]

log = logging.getLogger("quartpatterns.caching")
_CACHE = "_quartpatterns_cache"


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys of a fragment, which are evaluated now.

    Arguments:
        watching: Is closed when they are evaluated.
        reads: What they have read.
    """

    watching: ExitStack
    reads: FunctionReads


class CacheExtension(Extension):
    """``{% cache timeout, key, ... %} ... {% endcache %}``.

    Without a key the name of the template and the line are the key. The timeout ``"del"`` deletes
    the stored fragment and renders the block.
    """

    tags = {"cache"}

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._reported: set[str] = set()

    def parse(self, parser: Parser) -> nodes.Node:
        """Parse the tag and its block."""
        lineno = next(parser.stream).lineno
        timeout = parser.parse_expression()
        keys: list[nodes.Expr] = []
        while parser.stream.skip_if("comma"):
            keys.append(parser.parse_expression())
        if not keys:
            if parser.name is None:
                raise TemplateSyntaxError(
                    "a template without a name needs a key: {% cache 60, 'key' %}", lineno
                )
            keys = [nodes.Const(f"{parser.name}:{lineno}")]
        body = parser.parse_statements(("name:endcache",), drop_needle=True)
        # Called before the keys are evaluated, to record what they read.
        is_constant = all(isinstance(node, nodes.Const) for node in keys)
        started = nodes.Const(None) if is_constant else self.call_method("_start")
        # A user that is a text of the template does not record that it is used.
        names = {name.name for node in body for name in node.find_all(nodes.Name)}
        in_keys = {name.name for node in keys for name in node.find_all(nodes.Name)}
        shows_user = nodes.Const("current_user" in names - in_keys and len(keys) == 1)
        call = self.call_method("_fragment", [started, shows_user, timeout, *keys])
        return nodes.CallBlock(call, [], [], body).set_lineno(lineno)

    def _start(self) -> _Keys:
        stack = ExitStack()
        return _Keys(stack, stack.enter_context(watch_function()))

    async def _fragment(
        self,
        started: _Keys | None,
        shows_user: bool,
        timeout: Any,  # noqa: ASYNC109 - a time to live
        *keys: Any,
        caller: Callable[[], Awaitable[str]],
    ) -> str:
        covered = frozenset[str]()
        if started is not None:
            started.watching.close()
            covered = started.reads.covers()
        for number, key in enumerate(keys, 1):
            if isinstance(key, Undefined):
                raise UndefinedError(f"key {number} of {{% cache %}} is undefined")
        cache = cast("Cache", getattr(self.environment, _CACHE))
        app_cache = cache.app_cache()
        name = make_template_fragment_key(str(keys[0]), keys[1:])
        if timeout == "del" or not app_cache.store.enabled:
            await cache.delete(name)
            return await caller()

        if shows_user and "current_user" not in covered:
            self._report(str(keys[0]), ["current_user"])
            return await caller()

        async def render() -> str:
            return str(await caller())

        seconds = timeout_seconds(timeout, app_cache.settings.default_timeout)
        cache_request = CacheRequest(name, seconds, versions={call_version(name): seconds})
        policy = ResultPolicy(
            on_private=partial(self._report, str(keys[0])),
            covered=lambda: covered,
            args=keys[1:],
        )
        text, _ = await cached_result(app_cache, cache_request, render, policy)
        return cast("str", text)

    def _report(self, name: str, names: Iterable[str]) -> None:
        """Log, once for each fragment, what keeps it from being shared."""
        if name in self._reported:
            return
        self._reported.add(name)
        log.warning(
            "The template fragment %r is not shared, because it reads: %s. That may tell visitors"
            " apart: name the visitor in a further key, as in"
            ' {%% cache 60, "name", current_user.get_id() %%}, and the language as in'
            ' {%% cache 60, "name", g.lang_code %%} or current_language().',
            name,
            ", ".join(sorted(names)),
        )


def install(environment: Environment, cache: Cache) -> None:
    """Add the tag to the templates of *environment*; fragments are stored in *cache*."""
    setattr(environment, _CACHE, cache)
    environment.context_class = recording_context(cast("Any", environment.context_class))
    environment.add_extension(CacheExtension)
    environment.globals["per_visitor"] = cast("Any", per_visitor)
