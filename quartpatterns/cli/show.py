"""``quartpatterns show``: show a pattern in the terminal."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import click

from quartpatterns import catalog
from quartpatterns._shared.extras import install_command
from quartpatterns.cli.groups import PatternName
from quartpatterns.cli.pattern_texts import cases, file_text, pattern_data, readme

__all__ = ["command"]

EPILOG = """
\b
  quartpatterns show streaming                  all but the code
  quartpatterns show streaming --cases          only what port and original are compared with
  quartpatterns show streaming --port           only the code of the port
  quartpatterns show streaming --json           for programs
\b
On a terminal, long output opens in the pager of the environment variable PAGER, by default less.
Exit code: 0; 2 for a usage error.
"""
PARTS = {
    "readme": "the README",
    "cases": "the cases, which compare the port with the original",
    "differences": "where the port differs from the original, and why",
    "port": "the code of the port",
    "original": "the code of the original",
}
DEFAULT_PARTS = ("readme", "cases", "differences")
LESS = "-FRX"
"""Options of less as git sets them: no pager for a short text, colours, no cleared screen."""
WIDTH = 100


def _part_options(function: Any) -> Any:
    for name, text in reversed(PARTS.items()):
        function = click.option(f"--{name}", is_flag=True, help=f"Only {text}.")(function)
    return function


@click.command(epilog=EPILOG)
@click.argument("name", metavar="PATTERN", type=PatternName())
@_part_options
@click.option("--pager/--no-pager", default=True, help="Use a pager on a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(ctx: click.Context, /, name: str, pager: bool, as_json: bool, **chosen: bool) -> None:
    """Show PATTERN: what it is, how to import it, its README, its cases and its differences."""
    pattern = catalog.get(name)
    parts = [part for part, given in chosen.items() if given]
    if as_json:
        data = pattern_data(pattern) | dict(_part_data(pattern, parts or DEFAULT_PARTS))
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        return
    lines = [] if parts else list(_facts(pattern))
    for part in parts or DEFAULT_PARTS:
        lines += _part_lines(pattern, part, titled=len(parts) != 1)
    text = "\n".join(lines)
    if pager and sys.stdout.isatty():
        os.environ.setdefault("LESS", LESS)
        click.echo_via_pager(text, color=ctx.color is not False)
    else:
        click.echo(text)


def _part_data(pattern: catalog.Pattern, parts: Any) -> Iterator[tuple[str, Any]]:
    for part in parts:
        if part in ("port", "original"):
            yield part, file_text(pattern, f"example/{part}.py")
        elif part == "readme":
            yield part, readme(pattern)
        else:
            found, problem = cases(pattern)
            yield part, found if part == "cases" else _differences(found)
            if problem:
                yield "problem", problem


def _differences(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"case": case["name"], **difference} for case in found for difference in case["differences"]
    ]


def _facts(pattern: catalog.Pattern) -> Iterator[str]:
    """Yield what everybody wants to know first."""
    data = pattern_data(pattern)
    yield click.style(f"{pattern.name}: {pattern.title}", bold=True)
    yield pattern.summary
    yield ""
    facts = {
        "import": data["import"],
        "install": install_command(*pattern.extras),
        "needs": ", ".join(pattern.services),
        "Flask": "  ".join(data["flask"]),
        "helper": data["folder"],
        "port": f"{data['folder']}/example/port.py",
        "try it": f"quartpatterns serve, then http://127.0.0.1:5000/{pattern.name}/",
        "compare": f"quartpatterns parity {pattern.name}",
    }
    for name, text in facts.items():
        if text:
            yield f"{click.style(name.ljust(8), fg='cyan')} {text}"
    yield ""


def _part_lines(pattern: catalog.Pattern, part: str, *, titled: bool) -> Iterator[str]:
    if part == "readme":
        yield _markdown(readme(pattern))
    elif part in ("port", "original"):
        if titled:
            yield from _title(f"example/{part}.py")
        yield file_text(pattern, f"example/{part}.py").rstrip()
    else:
        found, problem = cases(pattern)
        if titled:
            yield from _title(part.capitalize())
        if problem:
            yield f"They cannot be read: {problem}"
        elif part == "cases":
            yield from _case_lines(found)
        else:
            yield from _difference_lines(_differences(found))
    yield ""


def _title(text: str) -> Iterator[str]:
    yield click.style(text, bold=True, underline=True)
    yield ""


def _case_lines(found: list[dict[str, Any]]) -> Iterator[str]:
    width = max((len(case["name"]) for case in found), default=0)
    for case in found:
        more = len(case["requests"]) - 1
        rest = f" and {more} more" if more else ""
        yield f"{case['name'].ljust(width)}  {case['requests'][0]}{rest}"


def _difference_lines(found: list[dict[str, Any]]) -> Iterator[str]:
    if not found:
        yield "None: port and original answer all cases alike."
    for each in found:
        yield click.style(f"{each['case']}: {each['aspect']}", fg="cyan")
        yield f"  original  {_short(each['original'])}"
        yield f"  port      {_short(each['port'])}"
        yield from textwrap.wrap(each["reason"], WIDTH, initial_indent="  ", subsequent_indent="  ")
        yield ""


def _short(value: Any) -> str:
    text = "missing" if value is None else " ".join(str(value).split())
    return textwrap.shorten(text, WIDTH, placeholder=" ...") if text else "empty"


def _markdown(text: str) -> str:
    """Return *text* as a terminal shows it; without rich, or in a file, it stays Markdown."""
    color = click.get_current_context().color
    if not sys.stdout.isatty() and not color:
        return text.rstrip()
    try:
        from rich.console import Console
        from rich.markdown import Markdown
    except ImportError:
        return text.rstrip()
    console = Console(no_color=color is False, force_terminal=True)
    console.width = min(console.width, WIDTH)
    with console.capture() as capture:
        console.print(Markdown(text))
    return capture.get().rstrip()
