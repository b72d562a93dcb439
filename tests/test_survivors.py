"""The reasons in the ``survivors.toml`` of the patterns are for changes that exist.

``quartpatterns parity --mutate`` also says which of these changes a case notices by now.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import Environment

from quartpatterns import catalog
from quartpatterns.compare.mutation import MutationTarget
from quartpatterns.compare.mutation_imports import read_source
from quartpatterns.compare.mutation_python import Mutant, python_mutants
from quartpatterns.compare.mutation_reasons import NAME, read_reasons
from quartpatterns.compare.mutation_templates import template_mutants

FOLDERS = {
    pattern.name: MutationTarget.of_pattern(pattern.name).base for pattern in catalog.PATTERNS
}
FILES = [name for name, folder in FOLDERS.items() if (folder / NAME).exists()]


def mutants(file: Path) -> list[Mutant]:
    if file.suffix == ".py":
        return python_mutants(str(file), read_source(str(file)))
    environment = Environment(extensions=["jinja2.ext.do"])
    return template_mutants(str(file), file.read_text().rstrip("\n"), environment)


@pytest.mark.parametrize("name", FILES)
def test_reasons(name: str) -> None:
    """Each reason names a line of a file and a change of it, as the report shows them."""
    reasons = read_reasons(FOLDERS[name] / NAME)
    assert reasons
    for file in {reason.file for reason in reasons}:
        found = mutants(FOLDERS[name] / file)
        known = {(each.text, each.change, each.within) for each in found}
        known |= {(each.text, each.change, "") for each in found}
        wanted = {reason.key[1:] for reason in reasons if reason.file == file}
        assert wanted <= known, f"{file}: {sorted(wanted - known)}"


@pytest.mark.parametrize("name", FILES)
def test_reasons_are_sentences(name: str) -> None:
    for reason in read_reasons(FOLDERS[name] / NAME):
        assert reason.reason[0].isupper() and reason.reason.endswith("."), reason
