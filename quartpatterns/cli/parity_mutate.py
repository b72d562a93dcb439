"""The part of ``quartpatterns parity`` that ``--mutate`` adds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from quartpatterns import catalog
from quartpatterns.cli.console import OutputConsole
from quartpatterns.cli.errors import UsageProblem
from quartpatterns.cli.progress import progress
from quartpatterns.compare.case import Comparison
from quartpatterns.compare.mutation import (
    MutationError,
    MutationResult,
    MutationTarget,
    run_mutation,
)
from quartpatterns.compare.mutation_reasons import NAME, Reason, read_reasons
from quartpatterns.compare.mutation_report import as_data, counts, render

__all__ = ["mutate"]


def mutate(
    comparisons: Sequence[Comparison],
    not_run: Mapping[str, str],
    *,
    jobs: int,
    survivors: Path | None,
    as_json: bool,
    verbose: bool,
) -> int:
    """Change the ports piece by piece, print what no case notices, and return the exit code.

    Arguments:
        comparisons: What is compared.
        not_run: The patterns that cannot be compared, and why.
        jobs: The number of changes that are tested at the same time.
        survivors: The file with reasons, if it is not that of a pattern.
        as_json: Print JSON.
        verbose: Also print what noticed each change.
    """
    if survivors is not None and len(comparisons) > 1:
        raise UsageProblem("--survivors needs one comparison: name one pattern, or --quart")
    results: list[MutationResult] = []
    failures = dict(not_run)
    for comparison in comparisons:
        target, reasons = _target(comparison, survivors)
        with progress(f"{comparison.name}: looking for what to change") as show_progress:

            def show(done: int, survived: int, total: int, name: str = comparison.name) -> None:
                show_progress(f"{name}: {done} of {total} mutants, {survived} survivors")

            try:
                result = run_mutation(
                    comparison, target, reasons=reasons, jobs=jobs, on_progress=show
                )
            except MutationError as error:
                failures[comparison.name] = str(error)
                continue
        results.append(result)
        # All patterns take long. This shows what is finished, also if the rest is interrupted.
        totals = ", ".join(f"{count} {name}" for name, count in counts(result).items())
        click.echo(f"{comparison.name}: {totals}", err=True)
    passed = not any(result.unexplained for result in results)
    # What is noticed while the unchanged port fails proves nothing.
    reliable = all(result.reliable for result in results)
    exit_code = 1 if not passed else 2 if failures or not reliable else 0
    if as_json:
        data = as_data(results) | {"passed": exit_code == 0, "not_run": failures}
        click.echo(json.dumps(data, indent=2))
        return exit_code
    if results:
        OutputConsole().print(render(results, verbose=verbose))
    for name, reason in failures.items():
        click.secho(f"{name}: not run: {reason}", fg="red")
    return exit_code


def _target(
    comparison: Comparison, survivors: Path | None
) -> tuple[MutationTarget, Sequence[Reason]]:
    """Return the files to change, and the reasons for survivors."""
    if comparison.name in {pattern.name for pattern in catalog.PATTERNS}:
        target = MutationTarget.of_pattern(comparison.name)
        default = target.base / NAME
        survivors = survivors or (default if default.exists() else None)
    else:
        target = MutationTarget.of_application(comparison.port)
    return target, read_reasons(survivors) if survivors else ()
