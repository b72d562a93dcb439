"""What the examples of a page import, and what its ``pip install`` lines install."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from quartpatterns.catalog import PATTERNS
from tests.reading.page import NAME, blocks

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
HELPERS = {
    each.name: each.name for each in PATTERNS if each.name in PROJECT["optional-dependencies"]
}
"""The extra of each helper that needs one has its name."""

EXTRAS = {
    "quartpatterns.sqlalchemy.migrations": "migrations",
    "quartpatterns.urlprocessors.messages": "i18n",
    "quartpatterns.viewdecorators.passwords": "passwords",
    **{f"quartpatterns.{name}": name for name in HELPERS},
}
"""The extras of modules; the longest name counts."""


def imported(page: Path) -> set[str]:
    """Return the modules that the examples of *page* import, without their own files."""
    python = [block for block in blocks(page) if block.language == "python"]
    own = {named[1].partition("/")[0] for block in python if (named := NAME.match(block.text))}
    own = {name.removesuffix(".py") for name in own}
    found = {name for block in python for name in _modules(ast.parse(block.text))}
    return {name for name in found if name.partition(".")[0] not in own | sys.stdlib_module_names}


def _modules(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def installed(page: Path) -> set[NormalizedName]:
    """Return the distributions that the ``pip install`` lines of *page* install.

    ``the extra `redis``` in the text counts as such a line.
    """
    text = page.read_text()
    found = set(_closure("quartpatterns", ()))
    for extras in re.findall(r"pip install '\.\[([\w,]+)\]'", text):
        found |= _closure("quartpatterns", tuple(extras.split(",")))
    for extra in re.findall(r"the extra `(\w+)`", text):
        found |= _closure("quartpatterns", (extra,))
    for name in re.findall(r"pip install ([a-z][\w-]*)", text):
        found |= _closure(name, ())
    return found


@cache
def _closure(name: str, extras: tuple[str, ...]) -> frozenset[NormalizedName]:
    if name == "quartpatterns":
        optional = PROJECT["optional-dependencies"]
        lines = PROJECT["dependencies"] + [line for extra in extras for line in optional[extra]]
    else:
        try:
            lines = requires(name) or []
        except PackageNotFoundError:
            lines = []
    found = {canonicalize_name(name)}
    for requirement in map(Requirement, lines):
        marker = requirement.marker
        environments = [{"extra": extra} for extra in (*extras, "")]
        if marker is None or any(marker.evaluate(each) for each in environments):
            found |= _closure(requirement.name, tuple(sorted(requirement.extras)))
    return frozenset(found)


def missing(page: Path) -> set[str]:
    """Return the modules that the examples import and that the page does not say to install."""
    names = {name: {*map(canonicalize_name, own)} for name, own in packages_distributions().items()}
    here = installed(page)
    found = set()
    for module in imported(page):
        top = module.partition(".")[0]
        if top == "quartpatterns":
            known = [name for name in EXTRAS if f"{module}.".startswith(f"{name}.")]
            extra = EXTRAS[max(known, key=len)] if known else None
            if extra and not _closure("quartpatterns", (extra,)) <= here:
                found.add(module)
        elif not names.get(top, {top}) & here:
            found.add(module)
    return found
