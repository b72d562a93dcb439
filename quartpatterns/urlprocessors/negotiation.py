"""Which of our languages a client prefers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

__all__ = ["lookup"]

LONGEST = 64  # characters of a range; BCP 47 knows no longer tags than about 35


def lookup(wanted: Iterable[tuple[str, float]], languages: Collection[str], default: str) -> str:
    """The language that is wanted most, of those there are (RFC 4647, 3.4).

    Each range is asked for in turn, with its last subtags taken away one by one: ``de-AT`` is
    answered with ``de`` before ``en``, which is wanted less, is looked at. ``pt`` is answered with
    ``pt-BR`` where there is no ``pt``. A language with a quality of 0 is not chosen.

    Arguments:
        wanted: Language ranges, as in ``Accept-Language``, and their qualities; best first.
        languages: The tags of the languages that there are, the most important first.
        default: The one of them for a client that wants none of them.
    """
    ranges = [(_normal(name), quality) for name, quality in wanted if len(name) <= LONGEST]
    offered = {_normal(tag): tag for tag in languages if not _refused(_normal(tag), ranges)}
    for name, quality in ranges:
        for tag in (*_shortened(name), *_lengthened(name, offered)):
            if quality > 0 and tag in offered:
                return offered[tag]
    return default if default in offered.values() else next(iter(offered.values()), default)


def _normal(tag: str) -> str:
    return tag.lower().replace("_", "-")


def _refused(tag: str, ranges: Iterable[tuple[str, float]]) -> bool:
    """Whether the longest range that *tag* is in has a quality of 0."""
    own = ((len(name), q) for name, q in ranges if f"{tag}-".startswith(f"{name}-"))
    return max(own, default=(0, 1.0))[1] <= 0


def _shortened(name: str) -> Iterator[str]:
    """*name*, then without its last subtag, and so on."""
    while name:
        yield name
        name = name.rpartition("-")[0]


def _lengthened(name: str, offered: Iterable[str]) -> Iterator[str]:
    return (tag for tag in offered if tag.startswith(f"{name}-"))
