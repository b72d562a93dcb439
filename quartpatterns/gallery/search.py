"""What a visitor searches for: patterns on the index, and declared differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quartpatterns import catalog
from quartpatterns.gallery.declared import DeclaredDifference
from quartpatterns.gallery.recorded import Benchmark, Parity

__all__ = ["SORTS", "Search"]

SORTS = {
    "": "By group",
    "name": "By name",
    "speed": "Fastest first",
    "differences": "Most differences first",
}
"""The orders of the index, by the value of ``sort``."""


@dataclass(frozen=True, slots=True)
class Search:
    """The query of a URL. Unknown values select nothing in particular.

    Arguments:
        q: Words, of which each must occur.
        group: A group of patterns.
        sort: A key of :data:`SORTS`.
        kind: A kind of declared differences.
        pattern: The name of a pattern.
    """

    q: str = ""
    group: str = ""
    sort: str = ""
    kind: str = ""
    pattern: str = ""

    @classmethod
    def of(cls, args: Mapping[str, str]) -> Search:
        """Return the search in the query of a URL."""
        return cls(**{name: args.get(name, "").strip()[:200] for name in cls.__slots__})

    @property
    def is_empty(self) -> bool:
        """Whether it selects everything."""
        return not (self.q or self.group or self.kind or self.pattern)

    @property
    def query(self) -> dict[str, str]:
        """The parts of the query that select something."""
        return {name: value for name in self.__slots__ if (value := getattr(self, name))}

    def _matches(self, *texts: str) -> bool:
        text = " ".join(texts).casefold()
        return all(word in text for word in self.q.casefold().split())

    def _patterns(self) -> list[catalog.Pattern]:
        return [
            pattern
            for pattern in catalog.PATTERNS
            if self.group in ("", pattern.group)
            and self._matches(
                pattern.name,
                pattern.title,
                pattern.summary,
                pattern.group,
                " ".join(pattern.extras),
                *pattern.services,
                *(text for page in pattern.pages for text in (page.name, *page.sections)),
            )
        ]

    def groups(
        self, comparisons: Mapping[str, Parity], speed: Benchmark
    ) -> dict[str, list[catalog.Pattern]]:
        """Return the patterns that match, by the heading under which they are shown."""
        found = self._patterns()
        if self.sort in SORTS and self.sort:
            return {SORTS[self.sort]: self._sorted(found, comparisons, speed)} if found else {}
        groups = {
            group.capitalize(): [pattern for pattern in found if pattern.group == group]
            for group in catalog.GROUPS
        }
        return {title: patterns for title, patterns in groups.items() if patterns}

    def _sorted(
        self,
        found: list[catalog.Pattern],
        comparisons: Mapping[str, Parity],
        speed: Benchmark,
    ) -> list[catalog.Pattern]:
        def cpu(pattern: catalog.Pattern) -> float:
            score = speed.cpu(pattern.name)
            return score.mean if score else float("inf")

        def differences(pattern: catalog.Pattern) -> int:
            comparison = comparisons.get(pattern.name)
            return -comparison.differences if comparison else 0

        keys = {"name": lambda pattern: pattern.title, "speed": cpu, "differences": differences}
        return sorted(found, key=keys[self.sort])

    def differences(self, everything: Sequence[DeclaredDifference]) -> list[DeclaredDifference]:
        """Return those of *everything* that match."""
        return [
            each
            for each in everything
            if self.kind in ("", each.difference.kind)
            and self.pattern in ("", each.pattern.name)
            and self._matches(
                each.pattern.name,
                each.pattern.title,
                each.case.name,
                each.difference.aspect,
                each.difference.reason,
                *(value.text or "" for value in each.values),
            )
        ]
