"""Find tokens, random values that no two responses have in common, such as those against CSRF."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from quartpatterns.compare.case import Capture, Step
from quartpatterns.compare.pages import HTMLPage
from quartpatterns.compare.responses import StepResult

_NAME = re.compile("csrf|xsrf|token|nonce", re.I)
_COOKIE = "header:set-cookie"
_RANDOM = re.compile(r"\S{16,}")  # A token has at least 96 bits; "token_type": "bearer" is none.
_IN_JSON = re.compile(r'"([^"]+)":\s*"([^"]+)"')


def identifier(name: str) -> str:
    """Return *name* as the name of a captured value."""
    return re.sub(r"\W", "_", name)


def find_tokens(
    original: StepResult,
    port: StepResult,
    original_page: HTMLPage | None,
    port_page: HTMLPage | None,
) -> dict[str, Capture]:
    """Return the captures for the tokens in two responses, by their names.

    A token is in a hidden field, in a ``meta`` element, in JSON, or in the session. It has a name
    such as ``csrf_token``, and it differs between the two. The name of the capture of a hidden
    field is its :func:`identifier`.
    """
    found: dict[str, Capture] = {}
    if original_page is not None and port_page is not None:
        found |= _different(original_page.hidden, port_page.hidden, "input", "value")
        metas = _different(original_page.metas, port_page.metas, "meta", "content")
        found |= {f"meta_{name}": capture for name, capture in metas.items()}
    for prefix, place, *texts in (
        ("session", _COOKIE, *(str(each.aspects.get(_COOKIE)) for each in (original, port))),
        ("json", "body", *map(_json, (original, port))),
    ):
        for name in _names(*(dict(_IN_JSON.findall(text)) for text in texts)):
            pattern = rf'"{re.escape(name)}":\s*"([^"]+)"'
            found[f"{prefix}_{identifier(name)}"] = Capture(pattern, place)
    return {name: capture for name, capture in found.items() if name.isidentifier()}


def _json(done: StepResult) -> str:
    """Return the body of a response if it is JSON."""
    kinds = done.response.values("content-type")
    return done.response.text if kinds and "json" in kinds[0] else ""


def with_captures(step: Step, found: Mapping[str, Capture]) -> Step:
    """Return *step* with the tokens captured, wherever they are in the page."""
    masks = {name: [capture] for name, capture in found.items() if capture.place == "body"}
    return dataclasses.replace(step, capture={**step.capture, **found}, mask={**step.mask, **masks})


def _different(
    original: Mapping[str, str], port: Mapping[str, str], tag: str, attribute: str
) -> dict[str, Capture]:
    return {
        identifier(name): Capture(
            rf"""<{tag}\b(?=[^>]*\bname=["']?{re.escape(name)}["'\s>])"""
            rf"""[^>]*?\b{attribute}=["']?([^"'\s>]+)"""
        )
        for name in _names(original, port)
    }


def _names(original: Mapping[str, str], port: Mapping[str, str]) -> list[str]:
    """Return the names of tokens that both have, with different values that look random."""
    return [
        name
        for name, value in original.items()
        if _NAME.search(name)
        and value != port.get(name)
        and all(_RANDOM.fullmatch(each) for each in (value, port.get(name, "")))
    ]
