"""``quartpatterns bench --growth``: how time and memory grow with the work."""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Sequence
from pathlib import Path

from quartpatterns.cli.bench_options import BenchOptions
from quartpatterns.cli.bench_output import (
    check_place,
    print_estimate,
    print_progress,
    run,
    select_by_name,
    show,
    write_tables,
)
from quartpatterns.compare.bench_files import read_result
from quartpatterns.compare.bench_results import BenchmarkSettings
from quartpatterns.compare.example.growing import WORKS, settings
from quartpatterns.compare.example.scenarios import ORIGINAL, PORT
from quartpatterns.compare.growth import GrowthResult, Work, measure_growth
from quartpatterns.compare.growth_report import growth_data, growth_tables
from quartpatterns.compare.load_test import ServedApplication
from quartpatterns.compare.servers import ensure_installed

__all__ = ["run_mode"]

OPTIONS = ("names", "runs", "workers", "threads", "original_server", "port_server")
THREADS = 16
SPARE_FILES = 200  # that a process opens beside its connections
SECONDS = {"request": 5.0, "connections": 6.0}  # of a size of both applications, in each run


def run_mode(options: BenchOptions) -> bool:
    """Measure or read, and show the tables; return whether everything was measured."""
    path = options.file_instead_of_measuring("--growth", *OPTIONS)
    check_place(options.write, "growth")
    result = read_result(path, "growth", GrowthResult) if path else _measure(options)
    tables = growth_tables(result)
    show(tables, growth_data(result), as_json=options.as_json)
    write_tables(options.write, "growth", tables)
    return result.passed


def _measure(options: BenchOptions) -> GrowthResult:
    chosen = BenchmarkSettings(
        original_server=options.original_server,
        port_server=options.port_server,
        workers=options.workers or 1,
        threads=options.threads or THREADS,
        runs=options.runs or 3,
    )
    ensure_installed(chosen.original_server)
    ensure_installed(chosen.port_server)
    works = select_by_name(WORKS, options.names, "--growth")
    _allow_connections(works)
    seconds = sum(chosen.runs * SECONDS[work.kind] * len(work.sizes) for work in works)
    print_estimate(f"{len(works)} case(s)", seconds)
    with tempfile.TemporaryDirectory(prefix="quartpatterns-bench-") as name:
        config = settings(Path(name))
        applications = [
            ServedApplication(ORIGINAL, chosen.original_server, config, chosen.threads),
            ServedApplication(PORT, chosen.port_server, config, chosen.threads),
        ]
        return run(measure_growth(works, applications, chosen, Path(name), print_progress))


def _allow_connections(works: Sequence[Work]) -> None:
    """Raise the limit of open files, which servers inherit, as far as it may be raised."""
    needed = SPARE_FILES + max(
        (max(work.sizes) for work in works if work.kind == "connections"), default=0
    )
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        if allowed < needed:
            print_progress(
                f"only {allowed:,} files may be open, and {needed:,} are needed: the largest"
                f" sizes will not be answered; raise the limit with ulimit -n {needed}"
            )
