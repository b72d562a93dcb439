"""``quartpatterns bench --summary``: geometric means, wins and losses, behind several servers."""

from __future__ import annotations

from collections.abc import Sequence

from quartpatterns._shared.suggestions import did_you_mean
from quartpatterns.cli.bench_options import BenchOptions
from quartpatterns.cli.bench_output import (
    check_place,
    print_estimate,
    print_progress,
    run,
    show,
    write_picture,
    write_tables,
)
from quartpatterns.cli.errors import UsageProblem
from quartpatterns.cli.selection import select
from quartpatterns.compare.bench import Pairing, bench_pairings, estimated_seconds
from quartpatterns.compare.bench_files import read_results
from quartpatterns.compare.bench_results import BenchmarkResult, BenchmarkSettings
from quartpatterns.compare.bench_selection import select_cases
from quartpatterns.compare.bench_summary import summarize, summary_data
from quartpatterns.compare.bench_summary_report import short_summary_table, summary_table
from quartpatterns.compare.servers import ASGI_SERVERS, WSGI_SERVERS, Server, ensure_installed
from quartpatterns.compare.wrk import wrk_program

__all__ = ["run_mode"]

PAIRINGS = (
    Pairing("granian-wsgi", "granian"),
    Pairing("gunicorn-gthread", "hypercorn"),
    Pairing("gunicorn-gthread", "granian"),
)
"""The best server that serves both, the usual one of each, and the best of the port."""

SERVED_CASES = 2  # of each pattern, if neither patterns nor cases were selected
SERVERS: tuple[Server, ...] = (*WSGI_SERVERS, *ASGI_SERVERS)


def run_mode(options: BenchOptions) -> bool:
    """Measure or read, and show the summary; return whether all cases passed."""
    options.refuse("original_server", "port_server", instead="one pairing; write --pairing")
    options.refuse_load_in_process()
    if options.read:
        options.refuse_other_than("--summary --from", "read", "as_json", "write", "plot")
    place = check_place(options.write, "summary", "short summary")
    results = read_results(options.read) if options.read else _measure(options)
    summary = summarize(results)
    if not summary.columns and options.plot:
        raise UsageProblem("--plot: nothing was measured")
    table = summary_table(summary)
    show([table], summary_data(summary), as_json=options.as_json)
    written = short_summary_table(summary) if place == "short summary" else table
    write_tables(options.write, place, [written], options.plot)
    if options.plot:
        from quartpatterns.compare.bench_summary_plot import summary_plot

        write_picture(options.plot, lambda: summary_plot(summary))
    return summary.passed


def _measure(options: BenchOptions) -> list[BenchmarkResult]:
    pairings = _pairings(options)
    connections = options.connections or BenchmarkSettings().connections
    chosen = options.patterns or options.flask or options.names
    settings = BenchmarkSettings(
        served=not options.in_process,
        workers=options.workers or 1,
        threads=options.threads or connections,
        connections=connections,
        seconds=options.seconds or 1,
        runs=options.runs or 3,
        served_cases=None if chosen else SERVED_CASES,
    )
    if settings.served:
        wrk_program()
        for pairing in pairings:
            ensure_installed(pairing.original)
            ensure_installed(pairing.port)
    selections, skipped = select_cases(select(*options.selection), options.names)
    cases = sum(len(selection.cases) for selection in selections)
    served = sum(len(selection.cases[: settings.served_cases]) for selection in selections)
    behind = f", {served} of them behind {len(pairings)} pairing(s)" if settings.served else ""
    print_estimate(f"{cases} case(s){behind}", estimated_seconds(selections, settings, pairings))
    coroutine = bench_pairings(
        selections, settings, pairings, skipped=skipped, progress=print_progress
    )
    return run(coroutine)


def _pairings(options: BenchOptions) -> Sequence[Pairing]:
    if options.in_process:
        return PAIRINGS[:1]
    return [_parse(text) for text in dict.fromkeys(options.pairings)] or PAIRINGS


def _parse(text: str) -> Pairing:
    names = {str(server): server for server in SERVERS}
    original, colon, port = text.partition(":")
    for name in (original, port) if colon else ():
        if name not in names:
            hint = did_you_mean(name, names, otherwise=f"the servers are {', '.join(names)}")
            raise UsageProblem(f"--pairing {text}: no server {name!r}; {hint}")
    if not colon:
        raise UsageProblem(
            f"--pairing {text!r}: write ORIGINAL:PORT, such as gunicorn-gthread:granian"
        )
    return Pairing(names[original], names[port])
