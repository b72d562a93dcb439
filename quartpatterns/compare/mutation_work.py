"""What a process does for ``parity --mutate``: survey the unchanged port, or test one mutant."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from quartpatterns._shared.threads import to_thread
from quartpatterns.compare.applications import load_application
from quartpatterns.compare.case import Comparison
from quartpatterns.compare.mutation_imports import (
    change_environment,
    install_change,
    is_own,
    read_source,
    record,
    without_changes,
)
from quartpatterns.compare.mutation_python import Mutant, python_mutants
from quartpatterns.compare.mutation_templates import template_mutants
from quartpatterns.compare.parity import compare_applications
from quartpatterns.compare.run_case import run_case
from quartpatterns.compare.transports import client


@dataclass(frozen=True, slots=True)
class MutationJob:
    """What the process is told.

    Arguments:
        comparison: The applications and the cases.
        roots: The folders of the port: what is imported from them is changed.
        templates: The folders with its templates.
        jobs: The number of mutants that run at the same time.
        least_limit: The shortest time limit of a mutant in seconds.
        pattern: The name of the pattern that arranges what the applications need.
    """

    comparison: Comparison
    roots: tuple[Path, ...]
    templates: tuple[Path, ...]
    jobs: int
    least_limit: float
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the cases noticed, and which of them, or why the application did not even start."""

    passed: bool
    noticed_by: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Survey:
    """What the port imported and rendered while the cases ran without a change."""

    modules: tuple[str, ...]  # the libraries
    mutants: tuple[Mutant, ...]
    statements: dict[str, set[int]]  # the statements that ran, by path


async def _compare(job: MutationJob, folder: Path) -> Verdict:
    """Send the cases to both applications until one of the cases notices a difference."""
    comparison = job.comparison
    async with comparison.configurations(folder) as (original_config, port_config):
        # The port first: the original may set the same environment variables and the like.
        others = forget(job.roots)
        port = await to_thread(load_application, comparison.port, port_config)
        own = forget(job.roots)
        sys.modules.update(others)
        with without_changes():
            original = await to_thread(load_application, comparison.original, original_config)
        sys.modules.update(own)
        results = compare_applications(original, port, comparison.cases)
        async with contextlib.aclosing(results):  # type: ignore[type-var]
            async for result in results:
                if not result.passed:
                    aspects = dict.fromkeys(finding.aspect for finding in result.findings)
                    return Verdict(False, result.case.name, ", ".join(aspects))
    return Verdict(True)


def check(job: MutationJob, folder: Path) -> Verdict:
    """Return whether the applications start, respond as the cases say, and stop."""
    try:
        return asyncio.run(_compare(job, folder))
    except BaseException as error:  # whatever a changed line raises, SystemExit included
        return Verdict(False, "start or end", f"{type(error).__name__}: {error}")


def forget(roots: tuple[Path, ...]) -> dict[str, ModuleType]:
    """Forget and return the modules below *roots*: the original may share some with the port."""
    own = {
        name: module
        for name, module in list(sys.modules.items())
        if name != "__main__" and is_own(getattr(module, "__file__", None), roots)
    }
    for name in own:
        del sys.modules[name]
    importlib.invalidate_caches()
    return own


def survey(job: MutationJob, folder: Path) -> Survey:
    """Send the cases to the unchanged port alone, and list what can be changed."""
    forget(job.roots)
    templates: dict[str, list[Mutant]] = {}

    def on_template(path: str, source: str, environment: Any) -> None:
        if path not in templates:
            templates[path] = template_mutants(path, source, environment)

    statements = record(job.roots, job.templates, on_template)
    asyncio.run(_send_to_port(job, folder))
    mutants: list[Mutant] = []
    for path in sorted(statements):
        mutants += python_mutants(path, read_source(path))
    for path in sorted(templates):
        mutants += templates[path]
    libraries = tuple(
        name
        for name, module in list(sys.modules.items())
        if not name.startswith("__") and not is_own(getattr(module, "__file__", None), job.roots)
    )
    return Survey(libraries, tuple(mutants), statements)


async def _send_to_port(job: MutationJob, folder: Path) -> None:
    async with job.comparison.configurations(folder) as (_, config):
        port = await to_thread(load_application, job.comparison.port, config)
        async with client(port) as http:
            for case in job.comparison.cases:
                await run_case(case, http)


def check_mutant(job: MutationJob, folder: Path, mutant: Mutant) -> Verdict:
    """Change this process and those that it starts, and return what the cases say."""
    change = (mutant.file, mutant.start, mutant.end, mutant.replacement)
    install_change(*change)
    change_environment(*change)
    return check(job, folder)
