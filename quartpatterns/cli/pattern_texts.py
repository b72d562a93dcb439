"""What the commands ``list`` and ``show`` print about a pattern, read without importing it."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, cast

from quartpatterns import catalog
from quartpatterns._shared.import_lines import import_line
from quartpatterns.cli.errors import comparison_extras, explain

__all__ = ["cases", "file_text", "pattern_data", "public_names", "readme"]

FLASK = "https://flask.palletsprojects.com/"
# Pages that Flask's documentation has no more are in that of an older version.
VERSIONS = {"HEAD": "en/stable/", "2.0": "en/2.0.x/", "0.10": "en/0.12.x/"}


def folder(pattern: catalog.Pattern) -> Traversable:
    """Return the folder of *pattern*."""
    return resources.files("quartpatterns") / pattern.name


def file_text(pattern: catalog.Pattern, name: str) -> str:
    """Return the text of a file in the folder of *pattern*."""
    return folder(pattern).joinpath(*name.split("/")).read_text(encoding="utf-8")


def public_names(pattern: catalog.Pattern) -> list[str]:
    """Return the names that the helper of *pattern* exports."""
    for node in ast.parse(file_text(pattern, "__init__.py")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def readme(pattern: catalog.Pattern) -> str:
    """Return the README of *pattern*, as Markdown."""
    return file_text(pattern, "README.md")


def pages(pattern: catalog.Pattern) -> list[str]:
    """Return the addresses of the pages of Flask's documentation that *pattern* implements."""
    return [f"{FLASK}{VERSIONS[page.versions[-1]]}patterns/{page.name}/" for page in pattern.pages]


def pattern_data(pattern: catalog.Pattern) -> dict[str, Any]:
    """Return what the catalogue says about *pattern*, in the types of JSON."""
    return {
        "name": pattern.name,
        "title": pattern.title,
        "group": pattern.group,
        "summary": pattern.summary,
        "import": import_line(pattern.name, readme(pattern)),
        "names": public_names(pattern),
        "extras": list(pattern.extras),
        "services": list(pattern.services),
        "uses": list(pattern.uses),
        "flask": pages(pattern),
        "folder": str(folder(pattern)),
    }


def cases(pattern: catalog.Pattern) -> tuple[list[dict[str, Any]], str | None]:
    """Return the cases of *pattern* with their differences, or why they cannot be read."""
    try:
        from quartpatterns.compare.case import pattern_comparison

        found = pattern_comparison(pattern.name).cases
    except Exception as error:
        if (reason := explain(error, *comparison_extras(pattern.name))) is None:
            raise
        return [], reason
    return [
        {
            "name": case.name,
            "extra": case.extra,
            "checks": list(case.checks),
            "requests": [f"{step.method} {step.path}" for step in case.steps],
            "differences": [
                {
                    "aspect": each.aspect,
                    "original": _value(each.original),
                    "port": _value(each.port),
                    "reason": each.reason,
                    "kind": each.kind,
                }
                for each in case.differs
            ],
        }
        for case in found
    ], None


def _value(value: Any) -> Any:
    """Return a declared value in the types of JSON. A regular expression is its text."""
    if isinstance(value, re.Pattern):
        return f"/{cast('re.Pattern[str]', value).pattern}/"
    if isinstance(value, Mapping):
        return {str(key): _value(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_value(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
