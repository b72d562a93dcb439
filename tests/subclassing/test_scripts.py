"""Command lines of applications: where the application is found, and which variables are read."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import flask
import flask.cli
import pytest
from click.testing import CliRunner
from quart import current_app, has_app_context
from quart.cli import NoAppException

from quartpatterns.subclassing import (
    FaithfulCliRunner,
    FaithfulQuart,
    names,
    scripts,
    with_appcontext,
)
from quartpatterns.subclassing.names import cli as names_cli
from quartpatterns.subclassing.names import testing as names_testing

APPLICATION = "from {module} import Flask\n{name} = Flask({value!r})\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make an empty folder the current one, and forget what is imported and set in the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before, environment = set(sys.modules), dict(os.environ)
    yield tmp_path
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(tmp_path)):
            del sys.modules[name]
    os.environ.clear()
    os.environ.update(environment)


def write(folder: Path, file: str, name: str = "app") -> None:
    """Write a module with an application, whose name is that of the file."""
    text = APPLICATION.format(module=names.__name__, name=name, value=file)
    (folder / file).write_text(text)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["wsgi.py"], "wsgi.py"),
        (["asgi.py"], "asgi.py"),
        (["app.py"], "app.py"),
        (["app.py", "asgi.py"], "asgi.py"),
        (["app.py", "asgi.py", "wsgi.py"], "wsgi.py"),
    ],
)
def test_files(folder: Path, files: list[str], found: str) -> None:
    """The application is found in the usual files of the current folder."""
    for file in files:
        write(folder, file)
    info = scripts.FaithfulScriptInfo()
    app = info.load_app()
    assert (app.name, info.load_app()) == (found, app)


def test_no_application() -> None:
    """Without an application the error names what can be done."""
    with pytest.raises(NoAppException, match=r"QUART_APP.*asgi\.py"):
        scripts.FaithfulScriptInfo().load_app()
    for arguments, code in [(["missing"], 2), (["--help"], 0)]:
        result = CliRunner().invoke(scripts.cli, arguments)
        assert result.exit_code == code
        assert "QUART_APP" in result.stderr
        assert "Traceback" not in result.output


@pytest.mark.parametrize("raising", [True, False])
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("absent", None),
        ("absent.below", None),
        ("good", None),
        ("good", "app"),
        ("good", "other"),
        ("good", "app("),
        ("failing", None),
        ("good.txt", None),
    ],
)
def test_locate_app(folder: Path, module: str, name: str | None, raising: bool) -> None:
    """A module is found, not found or fails in the same cases as in Flask."""
    for file in ("good.py", "failing.py"):
        write(folder, file)
    with (folder / "failing.py").open("a") as failing:
        failing.write("import does_not_exist\n")

    def outcome(locate: Any, flask_module: str) -> Any:
        text = (folder / "good.py").read_text()
        (folder / "good.py").write_text(text.replace(names.__name__, flask_module))
        sys.modules.pop("good", None)
        try:
            app = locate(module, name, raise_if_not_found=raising)
        except click.UsageError as error:
            return "While importing" in str(error), "Could not import" in str(error)
        return app and app.name

    assert outcome(scripts.locate_app, names.__name__) == outcome(flask.cli.locate_app, "flask")


def test_commands() -> None:
    """Commands of the group run in an application context, synchronous and asynchronous ones."""
    made: list[FaithfulQuart] = []

    def create_app() -> FaithfulQuart:
        made.append(FaithfulQuart("made"))
        return made[-1]

    @click.group(cls=scripts.FaithfulGroup, create_app=create_app)
    def cli() -> None:
        """Run my commands."""

    @cli.command()
    def sync() -> None:
        click.echo(current_app.name)

    @cli.command("async")
    async def asynchronous() -> None:
        click.echo(f"{current_app.name} {current_app.debug}")

    assert CliRunner().invoke(cli, ["sync"]).output == "made\n"
    assert CliRunner().invoke(cli, ["--debug", "async"]).output == "made True\n"
    assert "/static/<path:filename>" in CliRunner().invoke(cli, ["routes"]).output
    assert len(made) == 3


@pytest.mark.parametrize("quart_app", [None, "asgi.py"])
def test_variables_of_flask(
    folder: Path, monkeypatch: pytest.MonkeyPatch, quart_app: str | None
) -> None:
    """``FLASK_APP`` is used with a warning, unless ``QUART_APP`` is set."""
    for file in ("mine.py", "asgi.py"):
        write(folder, file)
    monkeypatch.setenv("FLASK_APP", "mine.py")
    if quart_app is not None:
        monkeypatch.setenv("QUART_APP", quart_app)
    else:
        monkeypatch.delenv("QUART_APP", raising=False)

    @click.command()
    def show() -> None:
        info = click.get_current_context().ensure_object(scripts.FaithfulScriptInfo)
        click.echo(info.load_app().name)

    group = scripts.FaithfulGroup()
    group.add_command(show)
    result = CliRunner().invoke(group, ["show"])
    assert result.stdout.splitlines()[-1] == (quart_app or "mine.py")
    assert ("rename it to QUART_APP" in result.stderr) is (quart_app is None)


def fake_dotenv(folder: Path) -> types.ModuleType:
    """Return what is used of python-dotenv."""
    module: Any = types.ModuleType("dotenv")

    def find_dotenv(name: str, usecwd: bool = False) -> str:
        return str(folder / name) if (folder / name).exists() else ""

    def dotenv_values(path: str, encoding: str) -> dict[str, str | None]:
        lines = Path(path).read_text(encoding=encoding).splitlines()
        pairs = [line.partition("=") for line in lines]
        return {name: value if equals else None for name, equals, value in pairs}

    module.find_dotenv, module.dotenv_values = find_dotenv, dotenv_values
    return module  # type: ignore[no-any-return]


@pytest.mark.parametrize("path", [None, "own", "absent"])
@pytest.mark.parametrize("defaults", [True, False])
def test_files_of_variables(
    folder: Path, monkeypatch: pytest.MonkeyPatch, path: str | None, defaults: bool
) -> None:
    """Files set the same variables as in Flask, and nothing that is set already."""
    monkeypatch.setitem(sys.modules, "dotenv", fake_dotenv(folder))
    (folder / ".flaskenv").write_text("T_A=flaskenv\nT_B=flaskenv\nT_C=flaskenv\nT_SET=flaskenv")
    (folder / ".env").write_text("T_B=env\nT_C=env\nT_NONE\nT_HAM=火腿", encoding="utf-8")
    (folder / "own").write_text("T_C=own")

    def outcome(load: Any) -> Any:
        for name in [name for name in os.environ if name.startswith("T_")]:
            del os.environ[name]
        os.environ["T_SET"] = "set"
        loaded = load(path, load_defaults=defaults)
        return loaded, {n: value for n, value in os.environ.items() if n.startswith("T_")}

    assert outcome(scripts.load_dotenv) == outcome(flask.cli.load_dotenv)


def test_without_python_dotenv(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without python-dotenv a file is named, and nothing is loaded."""
    monkeypatch.setitem(sys.modules, "dotenv", None)
    assert not scripts.load_dotenv()
    assert capsys.readouterr().err == ""
    (folder / ".quartenv").write_text("T_A=1")
    assert not scripts.load_dotenv()
    assert "Install python-dotenv" in capsys.readouterr().err
    assert "T_A" not in os.environ


def test_quartenv_precedence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``.env`` goes before ``.quartenv``, which goes before ``.flaskenv``."""
    monkeypatch.setitem(sys.modules, "dotenv", fake_dotenv(folder))
    (folder / ".flaskenv").write_text("T_A=flaskenv\nT_B=flaskenv\nT_C=flaskenv")
    (folder / ".quartenv").write_text("T_B=quartenv\nT_C=quartenv")
    (folder / ".env").write_text("T_C=env")
    CliRunner().invoke(scripts.FaithfulGroup(), ["routes"])
    assert [os.environ[name] for name in ("T_A", "T_B", "T_C")] == ["flaskenv", "quartenv", "env"]


def test_run_context(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command ``run`` has no application context, which all requests would share."""
    write(folder, "app.py")
    contexts: list[bool] = []

    def run(*args: Any, **options: Any) -> None:
        contexts.append(has_app_context())

    monkeypatch.setattr(FaithfulQuart, "run", run)
    result = CliRunner().invoke(scripts.cli, ["run"])
    assert (result.exit_code, contexts) == (0, [False])


def test_names() -> None:
    """``names.cli`` and ``names.testing`` have what this package has."""
    assert names_cli.with_appcontext is with_appcontext
    assert names_cli.FlaskGroup is scripts.FaithfulGroup
    assert names_cli.ScriptInfo is scripts.FaithfulScriptInfo
    assert names_cli.load_dotenv is scripts.load_dotenv
    assert names_cli.locate_app is scripts.locate_app
    assert names_testing.FlaskCliRunner is FaithfulCliRunner


def test_main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """``main`` runs the command line."""
    monkeypatch.setattr(sys, "argv", ["quart", "--help"])
    with pytest.raises(SystemExit):
        scripts.main()
    assert "Run commands of a Quart application." in capsys.readouterr().out
