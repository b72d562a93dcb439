"""``quartpatterns bench --waiting``: requests that wait, behind all servers."""

from __future__ import annotations

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
from quartpatterns.compare.example.scenarios import scenarios
from quartpatterns.compare.servers import ensure_installed
from quartpatterns.compare.waiting import (
    WaitingResult,
    estimated_seconds,
    measure_waiting,
    variants,
)
from quartpatterns.compare.waiting_report import waiting_data, waiting_tables
from quartpatterns.compare.wrk import wrk_program

__all__ = ["run_mode"]

SECONDS = 0.1  # that a request waits
CONNECTIONS = 200
THREADS = 16
OPTIONS = ("names", "seconds", "runs", "connections", "workers", "threads")


def run_mode(options: BenchOptions) -> bool:
    """Measure or read, and show the tables; return whether everything was measured."""
    path = options.file_instead_of_measuring("--waiting", *OPTIONS)
    check_place(options.write, "waiting")
    result = read_result(path, "waiting", WaitingResult) if path else _measure(options)
    tables = waiting_tables(result)
    show(tables, waiting_data(result), as_json=options.as_json)
    write_tables(options.write, "waiting", tables)
    return result.passed


def _measure(options: BenchOptions) -> WaitingResult:
    connections = options.connections or CONNECTIONS
    settings = BenchmarkSettings(
        workers=options.workers or 1,
        threads=options.threads or THREADS,
        connections=connections,
        seconds=options.seconds or 3,
        runs=options.runs or 3,
    )
    wrk_program()
    chosen = variants(settings.threads, connections)
    for variant in chosen:
        ensure_installed(variant.server)
    selected = select_by_name(scenarios(SECONDS, connections), options.names, "--waiting")
    seconds = estimated_seconds(selected, settings, len(chosen))
    print_estimate(f"{len(selected)} case(s) behind {len(chosen)} servers", seconds)
    return run(measure_waiting(selected, settings, print_progress))
