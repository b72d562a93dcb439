"""Rules of the URL map that match only URLs with one of the languages."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any

from werkzeug.routing import Map, Rule

__all__ = ["language_of", "restrict_languages"]

# A variable of a rule: its converter with arguments, and its name. This is Werkzeug's grammar.
_VARIABLE = re.compile(r"<(?:([a-zA-Z_]\w*)(\(.*?\))?:)?([a-zA-Z_]\w*)>")


def restrict_languages(
    rule_class: type[Rule], name: str, languages: Collection[str], endpoints: str
) -> type[Rule]:
    """Return a class of rules in which the variable *name* matches only *languages*.

    ``/<lang_code>/`` would otherwise match any name at the top, such as ``/robots.txt``, and
    redirect it. The rule becomes ``/<any("en","de"):lang_code>/``. The other variables of the rule
    get the name of their converter too, because Quart-Schema joins ``<a>/<int:b>`` to ``{b}``.

    Arguments:
        rule_class: The class of the rules of the application.
        name: The name of the variable.
        languages: The tags of the languages.
        endpoints: The start of the endpoints that the class changes.
    """
    quoted = ",".join(f'"{language}"' for language in languages)
    languages_only = f"<any({quoted}):{name}>"

    def written(match: re.Match[str]) -> str:
        if match[1]:
            return match[0]
        return languages_only if match[3] == name else f"<default:{match[3]}>"

    class LanguageRule(rule_class):  # type: ignore[valid-type, misc]
        def __init__(self, string: str, *args: Any, **options: Any) -> None:
            variable = f"<{name}>" in string
            if variable and str(options.get("endpoint", "")).startswith(endpoints):
                string = _VARIABLE.sub(written, string)
            super().__init__(string, *args, **options)

    return LanguageRule


def language_of(
    url_map: Map, path: str, name: str, languages: Collection[str], endpoints: tuple[str, ...]
) -> str | None:
    """Return the language in *path*, which matches no rule, or None.

    It is where the rules with the variable *name* have it, such as in the first segment.

    Arguments:
        url_map: The URL map of the application.
        path: The path of the request.
        name: The name of the variable.
        languages: The tags of the languages.
        endpoints: The starts of the endpoints whose rules count.
    """
    segments = path.split("/")
    for rule in url_map.iter_rules():
        arguments: Iterable[Any] = rule.arguments  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if name in arguments and rule.endpoint.startswith(endpoints):
            place = _place(rule.rule, name)
            if len(place) < len(segments) and segments[len(place)] in languages:
                pairs = zip(place, segments, strict=False)
                if all(fixed in (None, segment) for fixed, segment in pairs):
                    return segments[len(place)]
    return None


@lru_cache(1024)
def _place(rule: str, name: str) -> tuple[str | None, ...]:
    """Return the segments before the variable *name*, with None for other variables."""
    segments: list[str | None] = []
    # The arguments of a converter can contain a slash.
    for segment in _VARIABLE.sub(lambda match: f"<{match[3]}>", rule).split("/"):
        if segment == f"<{name}>":
            break
        segments.append(None if "<" in segment else segment)
    return tuple(segments)
