"""``{% cache %}`` in templates, also where templates are rendered asynchronously."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from jinja2 import Environment, Undefined, nodes
from jinja2.exceptions import TemplateSyntaxError, UndefinedError
from jinja2.ext import Extension
from jinja2.parser import Parser

from quartpatterns.caching.keys import make_template_fragment_key
from quartpatterns.caching.lookup import Wanted
from quartpatterns.caching.results import Keep, resulted
from quartpatterns.caching.settings import seconds_of
from quartpatterns.caching.versions import call_version

if TYPE_CHECKING:
    from quartpatterns.caching.extension import Cache

__all__ = ["CacheExtension", "install"]

ATTRIBUTE = "_quartpatterns_cache"


class CacheExtension(Extension):
    """``{% cache timeout, key, more keys %} ... {% endcache %}``.

    Without a key it is the name of the template and the line. With ``"del"`` as the timeout what
    is kept is deleted, and the block rendered.
    """

    tags = {"cache"}

    def parse(self, parser: Parser) -> nodes.Node:
        """Read the tag and its block."""
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
        call = self.call_method("_cached", [timeout, *keys])
        return nodes.CallBlock(call, [], [], body).set_lineno(lineno)

    async def _cached(self, seconds: Any, *keys: Any, caller: Callable[[], Awaitable[str]]) -> str:
        for number, key in enumerate(keys, 1):
            if isinstance(key, Undefined):
                raise UndefinedError(f"key {number} of {{% cache %}} is undefined")
        cache = cast("Cache", getattr(self.environment, ATTRIBUTE))
        shelf = cache.shelf()
        name = make_template_fragment_key(str(keys[0]), keys[1:])
        if seconds == "del" or not shelf.store.keeps:
            await cache.delete(name)
            return await caller()

        async def make() -> str:
            return str(await caller())

        lasting = seconds_of(seconds, shelf.settings.default_timeout)
        wanted = Wanted(name, lasting, versions={call_version(name): lasting})
        text, _ = await resulted(shelf, wanted, make, Keep())
        return cast("str", text)


def install(environment: Environment, cache: Cache) -> None:
    """Give the templates of *environment* the tag, with *cache* behind it."""
    setattr(environment, ATTRIBUTE, cache)
    environment.add_extension(CacheExtension)
