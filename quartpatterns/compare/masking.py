"""Find the values in a response that the two applications generate, and replace them by names.

Ids, tokens and random values are not equal in two responses that mean the same. A step names the
places where they are (``capture`` and ``mask``), and only there the value is replaced by its name
in braces. Text that the application sends in this form is escaped, so it is not equal to a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field

from quartpatterns.compare.case import Capture, Step


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text that is replaced by the name of a captured value."""

    start: int
    end: int
    name: str


@dataclass(frozen=True, slots=True)
class Masks:
    """What is replaced in one response.

    Attributes:
        spans: The replaced parts, by place.
        names: The names of all values that are captured so far.
        errors: What the step names and the response does not have, by aspect.
    """

    spans: Mapping[str, list[Span]] = field(default_factory=dict[str, "list[Span]"])
    names: frozenset[str] = frozenset()
    errors: Mapping[str, str] = field(default_factory=dict[str, str])

    def replace(self, place: str, text: str) -> str:
        """Return *text*, that of *place*, with names in braces."""
        return self._replace(place, text, lambda name, _: f"{{{name}}}")

    def replace_in_json(self, place: str, text: str) -> str:
        """Return *text* with names that are valid JSON: outside of a string, a marked string."""
        return self._replace(
            place,
            text,
            lambda name, before: f"{{{name}}}" if _in_string(before) else f'"{BARE}{name}{BARE}"',
        )

    def surplus(self, place: str, text: str) -> int:
        """Return how many bytes the replaced parts of *text* are longer than their names."""
        return sum(
            len(text[span.start : span.end].encode(errors="surrogateescape"))
            - len(f"{{{span.name}}}")
            for span in self._ordered(place)
        )

    def _ordered(self, place: str) -> Iterable[Span]:
        """Yield the spans of *place* in order, without those that begin in another one."""
        end = 0
        for span in sorted(self.spans.get(place, ()), key=lambda span: span.start):
            if span.start >= end:
                yield span
                end = span.end

    def _replace(self, place: str, text: str, written: Callable[[str, str], str]) -> str:
        parts: list[str] = []
        position = 0
        for span in self._ordered(place):
            parts += [self._escape(text[position : span.start])]
            parts += [written(span.name, text[: span.start])]
            position = span.end
        return "".join([*parts, self._escape(text[position:])])

    def _escape(self, text: str) -> str:
        for name in self.names:
            text = text.replace(f"{{{name}}}", f"{{{{{name}}}}}")
        return text


BARE = "\ue000"
"""Encloses the name of a value in JSON that is not in a string; a private character of Unicode."""


def _in_string(before: str) -> bool:
    """Return whether JSON that begins with *before* goes on in a string."""
    return re.findall(r'\\.|"', before, re.DOTALL).count('"') % 2 == 1


def find_values(step: Step, places: Mapping[str, str], captured: MutableMapping[str, str]) -> Masks:
    """Return what is replaced in the response to *step*.

    Arguments:
        step: The step.
        places: The text of each place: of the body, and of each header.
        captured: The values that were captured before; those of this step are added.
    """
    spans: dict[str, list[Span]] = {}
    errors: dict[str, str] = {}
    for name, given in step.capture.items():
        capture = Capture.of(given)
        match = re.search(capture.pattern, places.get(capture.place, ""))
        if match is None or not match[1]:
            errors[f"capture:{name}"] = _no_match(capture)
            continue
        captured[name] = match[1]
        spans.setdefault(capture.place, []).append(Span(*match.span(1), name))
    for name, masks in step.mask.items():
        for capture in map(Capture.of, masks):
            matches = list(re.finditer(capture.pattern, places.get(capture.place, "")))
            if not matches:
                errors[f"mask:{name}"] = _no_match(capture)
            spans.setdefault(capture.place, []).extend(
                Span(*match.span(1), name)
                for match in matches
                if match[1] and match[1] == captured.get(name)
            )
    return Masks(spans, frozenset(captured), errors)


def _no_match(capture: Capture) -> str:
    return f"/{capture.pattern}/ matches nothing in {capture.place}"
