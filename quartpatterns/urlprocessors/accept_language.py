"""The best language for an ``Accept-Language`` header."""

from __future__ import annotations

from collections.abc import Collection, Iterable

__all__ = ["lookup"]

MAX_RANGE_LENGTH = 64
"""Characters of a language range; longer ones are ignored. BCP 47 tags have about 35 at most."""


def lookup(
    accept_languages: Iterable[tuple[str, float]], languages: Collection[str], default: str
) -> str:
    """Return the language that the client prefers (RFC 4647, section 3.4).

    The ranges are tried in their order. Each range is tried with all its subtags, then with the
    last subtag removed, and so on: ``de-AT, en;q=0.5`` gives ``de`` before ``en``. A range also
    matches longer tags: ``pt`` gives ``pt-BR`` if there is no ``pt``. A language with a quality of
    0 is never returned, unless every language has it.

    Arguments:
        accept_languages: Language ranges and their qualities, best first, as
            ``request.accept_languages`` gives them.
        languages: The tags of the available languages, the most important first.
        default: The language to return if no range matches.

    .. versionadded:: 0.1
    """
    ranges = [
        (_normalized(name), quality)
        for name, quality in accept_languages
        if len(name) <= MAX_RANGE_LENGTH
    ]
    available = {
        _normalized(tag): tag for tag in languages if not _is_excluded(_normalized(tag), ranges)
    }
    for name, quality in ranges:
        if quality > 0:
            subtags = name.split("-")
            shorter = ["-".join(subtags[:count]) for count in range(len(subtags), 0, -1)]
            longer = [tag for tag in available if tag.startswith(f"{name}-")]
            for tag in shorter + longer:
                if tag in available:
                    return available[tag]
    return default if default in available.values() else next(iter(available.values()), default)


def _normalized(tag: str) -> str:
    return tag.lower().replace("_", "-")


def _is_excluded(tag: str, ranges: Iterable[tuple[str, float]]) -> bool:
    """Return whether the longest range that matches *tag* has a quality of 0."""
    matching = ((len(name), q) for name, q in ranges if f"{tag}-".startswith(f"{name}-"))
    return max(matching, default=(0, 1.0))[1] <= 0
