"""What all commands have in common: help, exit codes, errors, colours, closed pipes, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from quartpatterns import catalog
from quartpatterns.cli import main
from quartpatterns.cli.ending import BROKEN_PIPE, INTERRUPTED
from quartpatterns.cli.list_patterns import _table
from tests.serving import TIMEOUT

COMMAND = [sys.executable, "-m", "quartpatterns"]
# An application whose import is interrupted, as with Ctrl-C.
INTERRUPTED_APP = "import os, signal; os.kill(os.getpid(), signal.SIGINT)\n"


def commands() -> Iterator[tuple[str, ...]]:
    """Yield the names of all commands, with those of their groups."""

    def walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield path
        if isinstance(command, click.Group):
            ctx = click.Context(command, info_name="quartpatterns")
            for name in command.list_commands(ctx):
                found = command.get_command(ctx, name)
                assert found
                yield from walk(found, (*path, name))

    yield from walk(main, ())


def run(*arguments: str, **env: str | None) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="quartpatterns", env=env)


def start(*arguments: str, folder: Path | None = None, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        **options,
    )


@pytest.fixture(autouse=True)
def default_signal() -> Iterator[None]:
    """SIGINT reaches the commands, even if the tests run under nohup."""
    before = signal.getsignal(signal.SIGINT)
    if before == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_help() -> None:
    """The help of each command has an example and its exit codes."""
    for path in commands():
        result = run(*path, "--help")
        assert result.exit_code == 0
        example = r"^ +" + " ".join(["quartpatterns", *path])
        assert re.search(example, result.output, re.MULTILINE), result.output
        assert re.search(r"Exit codes?( of all commands)?:", result.output), result.output


def test_misspelt_option() -> None:
    """A misspelt option is one line that names the right one, and where the help is."""
    for path in commands():
        result = run(*path, "--hlep")
        assert result.exit_code == 2
        (line,) = result.stderr.splitlines()
        assert "'--hlep'" in line and "'--help'" in line
        assert line.endswith(f"See: {' '.join(['quartpatterns', *path])} --help")
        assert result.stdout == ""


def choices() -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield each option of each command that takes one of several names, and such a name."""
    for path in commands():
        command: click.Command = main
        for name in path:
            assert isinstance(command, click.Group)
            command = command.get_command(click.Context(command), name) or command
        for parameter in command.params:
            if isinstance(parameter, click.Option) and isinstance(parameter.type, click.Choice):
                yield path, parameter.opts[0], max(parameter.type.choices, key=len)


def test_misspelt_choice() -> None:
    """Where an option takes one of several names, the error names the closest."""
    found = [*choices()]
    assert len(found) > 5
    for path, option, name in found:
        result = run(*path, option, f"{name[0]}{name[2:]}")
        assert result.exit_code == 2
        (line,) = result.stderr.splitlines()
        assert f"did you mean {name}" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lst",), "unknown command 'lst'; did you mean list?"),
        (("show", "Streeming"), "unknown pattern 'Streeming'; did you mean streaming?"),
        (("parity", "cachin"), "unknown pattern 'cachin'; did you mean caching?"),
        (("bench", "cachin"), "unknown pattern 'cachin'; did you mean caching?"),
        (("bench", "streaming", "--case", "large csv"), "no case 'large csv'; did you mean large"),
        (("bench", "--waiting", "--case", "sleap"), "no case 'sleap'; did you mean sleep?"),
        (("bench", "--summary", "--pairing", "granien:granian"), "did you mean granian"),
        (("new", "shop", "--with", "tsks"), "did you mean tasks?"),
        (("worker", "quartpatterns.tasks.example.prt"), "no module 'quartpatterns.tasks.example"),
        (("completion", "bsh"), "did you mean bash"),
    ],
)
def test_misspelt_name(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("lst", "--json"),
        ("list", "--json", "--wide"),
        ("show", "--json"),
        ("show", "streeming", "--json"),
        ("parity", "streeming", "--json"),
        ("parity", "--json", "--table"),
        ("bench", "streaming", "--case", "nothing of that name", "--json"),
        ("new", "no name", "--json"),
        ("deploy", "status", "--json", "--config", "/"),
        ("tasks", "list", "nowhere:app", "--json"),
        ("tasks", "stats", "--json"),
    ],
    ids=" ".join,
)
def test_json_errors(arguments: tuple[str, ...]) -> None:
    """With ``--json``, an error is JSON, too, and nothing else is on the output."""
    result = run(*arguments)
    assert result.exit_code == 2
    data = json.loads(result.stdout)
    assert data["exit_code"] == 2
    assert result.stderr == f"Error: {data['error']}\n"


def test_no_arguments() -> None:
    """Without a command, the help is shown."""
    result = run()
    assert result.exit_code == 2
    assert "quartpatterns parity streaming --wire" in result.output
    assert "Error" not in result.output


def test_list() -> None:
    """A line for each pattern; in a pipe it is not wrapped."""
    title, *lines = run("list").output.splitlines()
    assert title.split() == ["pattern", "group", "extras", "summary"]
    for line, pattern in zip(lines, catalog.PATTERNS, strict=True):
        assert line.startswith(f"{pattern.name} ") and line.endswith(pattern.summary)
    names = [line.split()[0] for line in run("list", "--group", "data").output.splitlines()[1:]]
    assert names == [each.name for each in catalog.PATTERNS if each.group == "data"]


def test_list_on_a_terminal() -> None:
    """A narrow terminal gets fewer columns, and no line is longer than it."""
    name, summary = "sqlalchemy", "An asynchronous session per context, models, pages."
    rows = [("pattern", "group", "extras", "summary"), (name, "data", "ajax,migrations", summary)]
    wide = [click.unstyle(line) for line in _table(rows, 80)]
    narrow = [click.unstyle(line) for line in _table(rows, 60)]
    assert wide[0].split() == ["pattern", "group", "extras", "summary"]
    assert wide[1].startswith("sqlalchemy  data   ajax,migrations  An asynchronous")
    assert [line.split() for line in narrow][0] == ["pattern", "summary"]
    assert narrow[2].startswith(" " * 12)
    for lines, width in ((wide, 80), (narrow, 60)):
        assert max(map(len, lines)) <= width


def test_list_as_json() -> None:
    data = json.loads(run("list", "--json").stdout)
    assert [each["name"] for each in data] == [each.name for each in catalog.PATTERNS]
    for each in data:
        names = each["import"].partition(" import ")[2].split(", ")
        assert names and set(names) <= set(each["names"]), each["import"]
        assert each["flask"] and each["summary"]
        assert (Path(each["folder"]) / "README.md").exists()


@pytest.mark.parametrize("name", [pattern.name for pattern in catalog.PATTERNS])
def test_show(name: str) -> None:
    """What a pattern is, its import line, and its README; all in lines of plain text."""
    output = run("show", name, "--readme").output
    readme = catalog.__file__.replace("catalog.py", f"{name}/README.md")
    assert output.strip() == Path(readme).read_text().strip()
    assert "\x1b" not in output


def test_show_all() -> None:
    output = run("show", "streaming").output
    for text in (
        "streaming: Streaming contents",
        "import   from quartpatterns.streaming import coalesce, stream_with_context",
        "Flask    https://flask.palletsprojects.com/en/stable/patterns/streaming/",
        "port     ",
        "compare  quartpatterns parity streaming",
        "# Streaming contents",
        "large.csv with many rows",
        "Granian knows the length of a stream",
    ):
        assert text in output


def test_parts() -> None:
    """Each option shows one part only."""
    assert run("show", "favicon", "--port").output.startswith('"""')
    assert "Flask(" in run("show", "favicon", "--original").output
    cases = run("show", "favicon", "--cases").output
    differences = run("show", "favicon", "--differences").output
    assert "GET /favicon.ico" in cases and "original  " not in cases
    assert "original  " in differences and "GET " not in differences
    assert "None: port and original" in run("show", "packages", "--differences").output
    both = json.loads(run("show", "favicon", "--cases", "--port", "--json").stdout)
    assert both["cases"][0]["requests"] and "create_app" in both["port"]
    assert "readme" not in both
    everything = json.loads(run("show", "favicon", "--json").stdout)
    assert {"readme", "cases", "differences", "import"} <= everything.keys()


COLOR = "\x1b["


@pytest.mark.parametrize(
    ("arguments", "env", "colored"),
    [
        (("list",), {}, False),
        (("list",), {"FORCE_COLOR": "1"}, True),
        (("list",), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (("show", "favicon"), {"FORCE_COLOR": "1"}, True),
    ],
)
def test_colors(arguments: tuple[str, ...], env: dict[str, str], colored: bool) -> None:
    """Without a terminal there are no colours, unless FORCE_COLOR asks for them."""
    env = {**os.environ, "FORCE_COLOR": "", "NO_COLOR": "", **env}
    with start(*arguments, env=env) as done:
        output, _ = done.communicate(timeout=TIMEOUT)
    assert (COLOR in output) == colored


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("show", "sqlalchemy"),
        ("--help",),
        ("parity", "--help"),
        pytest.param(("parity", "favicon"), marks=pytest.mark.slow),
        pytest.param(("parity", "favicon", "--json"), marks=pytest.mark.slow),
        pytest.param(("parity", "subclassing", "--names"), marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_closed_pipe(arguments: tuple[str, ...]) -> None:
    """If nobody reads the output any more, the command ends without a traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, *arguments], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT
    )
    os.close(writer)
    assert done.stderr == ""
    assert done.returncode == BROKEN_PIPE


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(
            ("parity", "--flask", "shop:app", "--quart", "shop:app"), marks=pytest.mark.slow
        ),
        ("parity", "--flask", "shop:app", "--quart", "shop:app", "--json"),
        pytest.param(
            ("bench", "--flask", "shop:app", "--quart", "shop:app"), marks=pytest.mark.slow
        ),
        pytest.param(("worker", "shop:app"), marks=pytest.mark.slow),
        pytest.param(("tasks", "stats", "shop:app", "--json"), marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_ctrl_c(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Ctrl-C ends a command with the code 130 and one line."""
    (tmp_path / "shop.py").write_text(INTERRUPTED_APP)
    with start(*arguments, folder=tmp_path) as done:
        output, errors = done.communicate(timeout=TIMEOUT)
    assert errors.strip() == "Error: interrupted"
    assert done.returncode == INTERRUPTED
    if "--json" in arguments:
        assert json.loads(output) == {"error": "interrupted", "exit_code": INTERRUPTED}
    else:
        assert output == ""


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("status",), ("bootstrap",), ("rollback", "--json")])
def test_ctrl_c_of_deploy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """A command that waits for a host that never answers can be interrupted."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        (tmp_path / "deploy.toml").write_text(
            f'user = "demo"\nfolder = "/srv/demo"\n[hosts]\n'
            f'web1 = {{ address = "127.0.0.1", port = {port} }}\n'
        )
        (tmp_path / "pyproject.toml").write_text('[project]\nname = "demo"\nversion = "1"\n')
        with start("deploy", *arguments, folder=tmp_path) as done:
            silent.settimeout(TIMEOUT)
            connection, _ = silent.accept()
            done.send_signal(signal.SIGINT)
            output, errors = done.communicate(timeout=TIMEOUT)
            connection.close()
    assert done.returncode == INTERRUPTED, errors
    assert errors.splitlines()[-1].startswith("Error: interrupted")
    assert "Traceback" not in errors
    if "--json" in arguments:
        assert json.loads(output)["exit_code"] == INTERRUPTED
