"""What the views that wait need: another server, a database, a broker."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from quartpatterns.compare import services
from quartpatterns.compare.case import Arrangement, Case, Comparison, Step, same_settings
from quartpatterns.compare.processes import Process, accepts, free_port, in_thread
from quartpatterns.compare.resources import allocate_cores, pinned
from quartpatterns.compare.waiting import Scenario

__all__ = ["scenarios"]

ORIGINAL = "quartpatterns.compare.example.original:create_app"
PORT = "quartpatterns.compare.example.port:create_app"
SPARE = 20  # connections of PostgreSQL for itself and for tools


def scenarios(seconds: float, connections: int) -> list[Scenario]:
    """Return all scenarios.

    Arguments:
        seconds: How long a request waits.
        connections: The connections of clients, which is the size of the pool of connections to
            the database, too.
    """
    query = {"seconds": str(seconds)}

    def comparison(case: Case, arrange: object) -> Comparison:
        return Comparison("waiting", ORIGINAL, PORT, [case], arrange)  # type: ignore[arg-type]

    @contextlib.asynccontextmanager
    async def database(folder: Path) -> AsyncIterator[Arrangement]:
        async with in_thread(services.postgres(max_connections=connections + SPARE)) as url:
            engine = {"pool_size": connections, "max_overflow": 0, "pool_timeout": 60}
            yield Arrangement(
                original={
                    "SQLALCHEMY_DATABASE_URI": url.replace("postgresql:", "postgresql+psycopg:"),
                    "SQLALCHEMY_ENGINE_OPTIONS": engine,
                },
                port={"SQLALCHEMY_DATABASE_URI": url, "SQLALCHEMY_ENGINE_OPTIONS": engine},
            )

    return [
        Scenario(
            "sleep",
            f"a view that waits {seconds:g} s",
            comparison(Case("sleep", Step("/sleep", query=query)), same_settings()),
            seconds,
        ),
        Scenario(
            "upstream",
            f"another server, asked with HTTPX, which answers after {seconds:g} s",
            comparison(Case("upstream", Step("/upstream", query=query)), upstream),
            seconds,
        ),
        Scenario(
            "query",
            f"SELECT pg_sleep({seconds:g}) in PostgreSQL with pools of {connections} connections",
            comparison(Case("query", Step("/query", query=query)), database),
            seconds,
        ),
        Scenario(
            "streams",
            "event streams that are open and idle",
            comparison(Case("streams", Step("/events")), same_settings()),
            kind="streams",
        ),
        Scenario(
            "jobs",
            "a request that queues a background job: arq and Celery, on one Valkey",
            comparison(Case("jobs", Step("/jobs", method="POST")), broker),
        ),
    ]


@contextlib.asynccontextmanager
async def upstream(folder: Path) -> AsyncIterator[Arrangement]:
    """Run the server that answers late, on the cores of the load generator."""
    async with in_thread(_upstream(folder)) as url:
        yield Arrangement({"UPSTREAM": url}, {"UPSTREAM": url})


@contextlib.contextmanager
def _upstream(folder: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--no-access-log"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--backlog", "2048"]
    command += ["quartpatterns.compare.example.upstream:app"]
    env = {key: value for key, value in os.environ.items() if not key.startswith("GRANIAN_")}
    with (
        pinned(allocate_cores(1).load),
        Process(command, log=folder / "upstream.log", env=env) as process,
    ):
        process.wait_until(lambda: accepts(port))
        yield f"http://127.0.0.1:{port}/"


@contextlib.asynccontextmanager
async def broker(folder: Path) -> AsyncIterator[Arrangement]:
    """Run Valkey. No worker runs: the jobs stay in the queue."""
    async with in_thread(services.valkey(folder)) as url:
        yield Arrangement({"REDIS_URL": url}, {"REDIS_URL": url})
