"""CPU time of one request in process: Flask, Quart and FaithfulQuart.

.. code-block:: sh

    python -m quartpatterns.subclassing.example.speed

Each request is sent many times to the three applications in turn, without server and network. The
table has the microseconds of the fastest round.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import flask
import quart
from quart import Quart

from quartpatterns.compare.bench_in_process import measure_cpu_times
from quartpatterns.compare.case import Step
from quartpatterns.compare.request import prepare_request
from quartpatterns.subclassing import FaithfulQuart

__all__ = ["main", "measure"]

TEMPLATE = "<ul>{% for item in items %}<li>{{ item }}</li>{% endfor %}</ul>"

STEPS = {
    "hello": Step("/"),
    "JSON": Step("/json"),
    "template": Step("/template"),
    "form POST": Step("/form", method="POST", form={"name": "Ann", "text": "x" * 100}),
    "static 10 kB": Step("/static/file.css"),
}


def flask_app(root: str) -> Any:
    """Return the application in Flask."""
    app = flask.Flask(__name__, root_path=root)
    app.add_url_rule("/", "hello", lambda: "hello")
    app.add_url_rule("/json", "json", lambda: {"id": 1, "name": "Ann", "tags": ["a", "b"]})
    app.add_url_rule(
        "/template", "template", lambda: flask.render_template("list.html", items=range(10))
    )
    app.add_url_rule("/form", "form", lambda: flask.request.form["name"], methods=["POST"])
    return app


def quart_app(root: str, cls: type[Quart]) -> Quart:
    """Return the application in Quart, or in a subclass."""
    app = cls(__name__, root_path=root)

    @app.get("/")
    async def hello() -> str:
        return "hello"

    @app.get("/json")
    async def data() -> dict[str, Any]:
        return {"id": 1, "name": "Ann", "tags": ["a", "b"]}

    @app.get("/template")
    async def template() -> str:
        return await quart.render_template("list.html", items=range(10))

    @app.post("/form")
    async def form() -> str:
        return str((await quart.request.form)["name"])

    return app


def measure(*, rounds: int = 9, seconds: float = 0.1) -> dict[str, list[float]]:
    """Return the microseconds of each request, for Flask, Quart and FaithfulQuart."""
    with tempfile.TemporaryDirectory() as root:
        _write_files(Path(root))
        return asyncio.run(_measure(root, rounds, seconds))


async def _measure(root: str, rounds: int, seconds: float) -> dict[str, list[float]]:
    original = flask_app(root)
    ports = quart_app(root, Quart), quart_app(root, FaithfulQuart)
    found: dict[str, list[float]] = {}
    with ThreadPoolExecutor(1) as thread:
        for name, step in STEPS.items():
            request = await prepare_request(step)
            times = [
                await measure_cpu_times(
                    original, port, request, thread, rounds=rounds, seconds=seconds
                )
                for port in ports
            ]
            first = min(min(each.original) for each in times)
            found[name] = [first, *(min(each.port) for each in times)]
    return found


def _write_files(root: Path) -> None:
    (root / "static").mkdir()
    (root / "templates").mkdir()
    (root / "static/file.css").write_bytes(b"x" * 10_000)
    (root / "templates/list.html").write_text(TEMPLATE)
    time.sleep(2.1)  # A file that has just changed is not kept in memory.


def table(found: dict[str, list[float]]) -> str:
    """Return the measurements as a table in Markdown."""
    lines = ["| request | Flask | Quart | FaithfulQuart |", "| --- | ---: | ---: | ---: |"]
    lines += [
        f"| {name} | {' | '.join(f'{value:.0f} µs' for value in values)} |"
        for name, values in found.items()
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    click.echo(table(measure()))


if __name__ == "__main__":
    main()
