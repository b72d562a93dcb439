"""Rules without arguments are found by a look-up: no row, but the speed."""

# Quart's and Werkzeug's annotations leave type arguments out, and some names are private.
# pyright: reportPrivateUsage=false, reportUnknownMemberType=false

from __future__ import annotations

from typing import Any

from quart.routing import QuartMap
from werkzeug.routing import MapAdapter, Rule

__all__ = ["PlainMap", "PlainMapAdapter"]

# What a rule is found by: the subdomain, the path, the method, and whether it is a websocket.
Key = tuple[str | None, str, str, bool]


class PlainMapAdapter(MapAdapter):
    """An adapter that remembers what Werkzeug has found for a path that is a rule's own text.

    Only such paths are remembered, so that there are never more of them than rules: nothing that
    a client makes up is kept. It is for maps that do not match hosts.
    """

    map: PlainMap

    def match(self, *args: Any, **kwargs: Any) -> Any:
        """Match as :meth:`werkzeug.routing.MapAdapter.match` does, to the same result."""
        if args or kwargs != {"return_rule": True}:
            return super().match(*args, **kwargs)
        self.map.update()
        key = (self.subdomain, self.path_info, self.default_method, self.websocket)
        if (rule := self.map.plain.get(key)) is not None:
            return rule, {}
        found = super().match(return_rule=True)
        if self._is_plain(found[0]):
            self.map.plain[key] = found[0]
        return found

    def _is_plain(self, rule: Rule) -> bool:
        if rule.arguments or rule.methods is None:
            return False
        return rule.rule == self.path_info and rule.subdomain == self.subdomain


class PlainMap(QuartMap):
    """A map whose adapters are :class:`PlainMapAdapter`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.plain: dict[Key, Rule] = {}
        super().__init__(*args, **kwargs)

    def update(self) -> None:
        """Sort the rules where some are new, and forget what was found without them."""
        if self._remap:
            self.plain.clear()
        super().update()
