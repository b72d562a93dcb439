"""``quartpatterns port``: bad input, writing, reports and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from quartpatterns.cli import main
from tests.porting.ported import written

APP = """
from flask import Flask, render_template_string

app = Flask(__name__)


@app.get("/")
def index():
    return render_template_string("hello")
"""
TESTS = """
from app import app


def test_index():
    assert app.test_client().get("/").data == b"hello"
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return written(tmp_path / "shop", {"app.py": APP, "test_app.py": TESTS})


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["port", *map(str, arguments)])


def test_report(shop: Path) -> None:
    """Nothing is written without --write."""
    before = {path: path.read_bytes() for path in shop.iterdir()}
    found = run(shop)
    assert found.exit_code == 0
    assert "2 Python files, 2 change, 1 new, 2 functions become asynchronous" in found.output
    assert "app.py:7: index: the application calls it for requests" in found.output
    assert {path: path.read_bytes() for path in shop.iterdir()} == before


def test_diff(shop: Path) -> None:
    found = run(shop, "--diff")
    assert "+    return await render_template_string" in found.output
    assert "--- /dev/null\n+++ b/pytest.ini\n" in found.output


def test_json(shop: Path) -> None:
    data = json.loads(run(shop, "--report", "json").output)
    assert data["done"] is False
    assert [change["file"] for change in data["changes"]] == ["app.py", "test_app.py", "pytest.ini"]
    assert data["made_async"][0]["name"] == "index"


def test_html(shop: Path) -> None:
    written(shop, {"b.py": "import flask\n\nx = lambda: flask.flash('<script>')\n"})
    page = run(shop, "--report", "html").output
    assert "<h2>breaks (1)</h2>" in page
    assert "<script" not in page and "&lt;script&gt;" in page


def test_check(shop: Path) -> None:
    assert run(shop, "--check").exit_code == 1
    assert run(shop, "--write").exit_code == 0
    assert run(shop, "--check").exit_code == 0
    # What breaks is left to do, although no file changes.
    written(shop, {"b.py": "from app import index\n\nx = lambda: index()\n"})
    assert run(shop, "--check").exit_code == 1


def test_backup(shop: Path) -> None:
    """Without git, the files from before are kept, also by the second run."""
    found = run(shop, "--write")
    assert "before-port.zip" in found.output
    written(shop, {"b.py": APP})
    assert "before-port-2.zip" in run(shop, "--write").output
    with zipfile.ZipFile(shop / "before-port.zip") as archive:
        assert sorted(archive.namelist()) == ["app.py", "test_app.py"]
        assert archive.read("app.py").decode() == APP.lstrip("\n")


def git(folder: Path, *arguments: str) -> None:
    name = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", "-C", folder, *name, *arguments], check=True, capture_output=True)


def test_git(shop: Path) -> None:
    """Uncommitted changes are refused; then git is the way back."""
    git(shop, "init")
    found = run(shop, "--write")
    assert found.exit_code == 2
    assert "uncommitted changes" in found.output and "--force" in found.output
    found = run(shop, "--write", "--run", "pytest -q")
    assert "uncommitted changes" in found.output and "Running the tests" not in found.output
    git(shop, "add", ".")
    git(shop, "commit", "-m", "before")
    assert "git has the files from before" in run(shop, "--write").output
    assert not (shop / "before-port.zip").exists()
    assert "uncommitted changes" in run(written(shop, {"b.py": APP}), "--write").output
    assert "before-port.zip" in run(shop, "--write", "--force").output


def test_ignored_by_git(shop: Path) -> None:
    """git has no copy of a file that it ignores. Backups are no uncommitted changes."""
    git(shop, "init")
    written(shop, {".gitignore": "b.py\n", "b.py": APP})
    git(shop, "add", ".")
    git(shop, "commit", "-m", "before")
    for backup in ("before-port.zip", "before-port-2.zip", "before-port-3.zip"):
        assert f"{backup}." in run(shop, "--write").output
        git(shop, "checkout", "app.py", "test_app.py")
        (shop / "pytest.ini").unlink()
        written(shop, {"b.py": APP})
    with zipfile.ZipFile(shop / "before-port-3.zip") as archive:
        assert archive.read("b.py").decode() == APP.lstrip("\n")


@pytest.mark.parametrize("option", [["--timeout", "5"], ["--force"], ["--no-parity"]])
def test_option_for_another(shop: Path, option: list[str]) -> None:
    found = run(shop, *option)
    assert found.exit_code == 2
    assert f"{option[0]} is for " in found.output and "--run" in found.output


def test_changed_meanwhile(shop: Path) -> None:
    from quartpatterns.porting import WriteError, make_plan, write

    plan = make_plan(shop)
    (shop / "test_app.py").write_text("changed")
    with pytest.raises(WriteError, match=r"test_app.py has changed since it was read"):
        write(plan)
    assert (shop / "app.py").read_text() == APP.lstrip("\n")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "there are no Python files"),
        ({"app.py": "import os\n"}, "no file imports Flask"),
        ({"app.py": "print 'Python 2'\n"}, "app.py:1: this is Python 2"),
        ({"app.py": "import flask\ndef f(:\n"}, "app.py:2: it is not valid Python"),
    ],
)
def test_unusable(tmp_path: Path, files: dict[str, str], message: str) -> None:
    tmp_path.joinpath("shop").mkdir()
    found = run(written(tmp_path / "shop", files))
    assert found.exit_code == 2
    assert message in found.output and "Traceback" not in found.output
    assert found.output.count("\n") == 1


def test_no_folder(tmp_path: Path) -> None:
    assert "there is no such folder" in run(tmp_path / "nothing").output


def test_hostile_tree(shop: Path) -> None:
    """Each file that cannot be read is one line of the report, and stays; the others are ported."""
    written(shop, {"old.py": "print 'hello'\n", "notes/a.ipynb": "{}", "empty.py": ""})
    (shop / "latin.py").write_bytes(b"# -*- coding: latin-1 -*-\nfrom flask import g  # \xe9\n")
    (shop / "wrong.py").write_bytes(b"x = '\xff'\n")
    (shop / "unknown.py").write_bytes(b"# coding: klingon\n")
    (shop / "bom.py").write_bytes(b"\xef\xbb\xbffrom flask import g\n")
    (shop / "huge.py").write_bytes(b"x = 1\n" * 400_000)
    (shop / "deep.py").write_text("x = " + "(" * 2_000 + ")" * 2_000)
    (shop / "chain.py").write_text("x = " + "+".join("1" * 30_000))
    (shop / "null.py").write_bytes(b"x = 1\0\n")
    (shop / "link.py").symlink_to(shop / "app.py")
    (shop / "loop").symlink_to(shop)
    (shop / "broken.py").symlink_to(shop / "nothing.py")
    (shop / ".venv" / "lib").mkdir(parents=True)
    (shop / ".venv" / "lib" / "b.py").write_text(APP)
    found = run(shop, "--write")
    assert found.exit_code == 0, found.output
    for name in ("old.py", "wrong.py", "unknown.py", "huge.py", "deep.py", "chain.py"):
        assert f"{name}:1: " in found.output
    assert (shop / "latin.py").read_bytes() == (
        b"# -*- coding: latin-1 -*-\nfrom quartpatterns.subclassing.names import g  # \xe9\n"
    )
    assert (shop / "bom.py").read_bytes().startswith(b"\xef\xbb\xbffrom quartpatterns")
    assert (shop / "link.py").is_symlink()
    assert (shop / ".venv" / "lib" / "b.py").read_text() == APP
    assert "await" in (shop / "app.py").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "rules.toml: "),
        ("[unknown]\n", "unknown key 'unknown'"),
        ("[names]\n'a.b' = { awaits = true }\n", "unknown key 'awaits'; the keys are"),
        ("[names]\n'a.b' = { await = 1 }\n", "awaited must be a bool"),
        ("[types]\n'a.b' = { await = 'x' }\n", "awaited must be a list"),
    ],
)
def test_wrong_rules(shop: Path, text: str, message: str) -> None:
    rules = shop.parent / "rules.toml"
    rules.write_text(text)
    found = run(shop, "--rules", rules)
    assert found.exit_code == 2 and message in found.output and "rules.toml" in found.output


def test_own_rules(shop: Path) -> None:
    """Users add rules for libraries of their own."""
    rules = shop.parent / "rules.toml"
    rules.write_text("[names]\n'library.load' = { await = true }\n")
    written(shop, {"b.py": "from library import load\n\n\ndef f():\n    return load()\n"})
    assert "+    return await load()" in run(shop, "--diff", "--rules", rules).output


OPTIONS = (
    b'asyncio_mode = "auto"\nasyncio_default_fixture_loop_scope = "session"\n'
    b'asyncio_default_test_loop_scope = "session"\n'
)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("pyproject.toml", b"[ tool.pytest.ini_options ]  # all\n", b'addopts = "-q"\n'),
        ("pyproject.toml", b"[tool.pytest]\n", b'addopts = ["-q"]\n'),
        ("pytest.toml", b"[pytest]\n", b'addopts = ["-q"]\n'),
        ("pytest.ini", b"# see [pytest]\n[pytest]\n", b"addopts = -q\n"),
        ("tox.ini", b"[tox]\n[pytest] # all\n", b"addopts =\n    -q\n"),
        ("setup.cfg", b"[metadata]\r\nname = \xe9\r\n[tool:pytest]\r\n", b"addopts = -q\r\n"),
    ],
)
def test_options_of_pytest(shop: Path, name: str, before: bytes, after: bytes) -> None:
    """They stand after the line of the section; all else stays to the byte."""
    (shop / name).write_bytes(before + after)
    assert run(shop, "--write").exit_code == 0
    options = OPTIONS if name.endswith(".toml") else OPTIONS.replace(b'"', b"")
    if b"\r\n" in before:
        options = options.replace(b"\n", b"\r\n")
    assert (shop / name).read_bytes() == before + options + after
    assert run(shop, "--check").exit_code == 0


def test_options_without_a_table(shop: Path) -> None:
    written(shop, {"pyproject.toml": "[tool.pytest]\nini_options = { addopts = '-q' }\n"})
    found = run(shop)
    assert found.exit_code == 2
    assert "write the options of pytest in a table [tool.pytest.ini_options]" in found.output


@pytest.mark.parametrize("stage", ["serve", "modernise"])
def test_stages(shop: Path, stage: str) -> None:
    """Flask stays. The stage serve adds asgi.py, which answers with Flask's response."""
    assert run(shop, "--stage", stage, "--write").exit_code == 0
    assert (shop / "app.py").read_text() == APP.lstrip("\n")
    assert (shop / "asgi.py").exists() is (stage == "serve")
    assert run(shop, "--stage", stage, "--check").exit_code == 0
    if stage == "serve":
        written(shop, {"app.py": APP.replace("app =", "app: Flask =")})
        (shop / "asgi.py").unlink()
        assert run(shop, "--stage", stage, "--write").exit_code == 0
        code = (
            "import asyncio, asgi\n"
            "async def get():\n"
            "    response = await asgi.app.test_client().get('/')\n"
            "    print(await response.get_data(as_text=True))\n"
            "asyncio.run(get())\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=shop, capture_output=True, text=True, check=False
        )
        assert done.stdout == "hello\n", done.stderr


def test_greenlets(shop: Path) -> None:
    """The option is refused for a project that waits for no database."""
    found = run(shop, "--stage", "serve", "--greenlets")
    assert found.exit_code == 2
    assert "--greenlets is for projects with SQLAlchemy" in found.output


CHECKS = """
import pytest
from app import app


@pytest.fixture
def client():
    return app.test_client()


def test_index(client):
    assert client.get("/").data == b"hello"
"""


@pytest.mark.parametrize("given", ["shop/checks", "checks", "checks/app_checks.py"])
def test_place_of_the_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """Tests without the usual names are named: relative to the current folder, or the project."""
    monkeypatch.chdir(tmp_path)
    shop = written(tmp_path / "shop", {"app.py": APP, "checks/app_checks.py": CHECKS})
    assert "await" not in (run("shop", "--diff").output.partition("app_checks")[2])
    assert run("shop", "--write", "--tests", given).exit_code == 0
    assert "await (await client.get" in (shop / "checks/app_checks.py").read_text()
    assert (shop / "pytest.ini").exists()
    assert run("shop", "--check", "--tests", given).exit_code == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nothing", "--tests: nothing: there is no such folder"),
        ("outside", "--tests: outside is not inside of shop: port a folder that contains"),
        ("shop", "--tests: shop is the whole project: name the folder of the tests"),
        ("empty", "--tests: empty: there are no Python files"),
    ],
)
def test_wrong_place_of_the_tests(
    shop: Path, monkeypatch: pytest.MonkeyPatch, given: str, message: str
) -> None:
    monkeypatch.chdir(shop.parent)
    (shop / "empty").mkdir()
    (shop.parent / "outside").mkdir()
    found = run("shop", "--tests", given)
    assert found.exit_code == 2
    assert message in found.output and found.output.count("\n") == 1


@pytest.mark.slow
def test_run(shop: Path) -> None:
    """The tests run before and after, in copies. Nothing is written if they fail."""
    tests = f"{sys.executable} -m pytest -q -p no:cacheprovider -p no:quartpatterns"
    found = run(shop, "--run", tests, "--write")
    assert found.exit_code == 0, found.output
    assert "Before: 1 passed" in found.output and "After: 1 passed" in found.output
    assert "await" in (shop / "app.py").read_text()

    written(shop, {"test_b.py": "def test_wrong():\n    assert False\n"})
    found = run(shop, "--run", tests, "--write")
    assert found.exit_code == 2 and "the tests fail before the port" in found.output


@pytest.mark.slow
def test_missed(shop: Path) -> None:
    """A failure that no finding names is reported with its place."""
    code = """
    from app import app

    def test_code():
        with app.test_request_context():
            assert app.view_functions["index"]() == "hello"
    """
    written(shop, {"test_b.py": code})
    tests = f"{sys.executable} -m pytest -q -p no:cacheprovider -p no:quartpatterns"
    found = run(shop, "--run", tests, "--write")
    assert found.exit_code == 1
    assert "missed" in found.output and "index()" in found.output
    assert "Nothing is written, because tests fail" in found.output
    assert (shop / "app.py").read_text() == APP.lstrip("\n")


def test_no_command(shop: Path) -> None:
    assert (
        "--run: nothing_like_this: No such file" in run(shop, "--run", "nothing_like_this").output
    )


@pytest.mark.parametrize("seconds", ["inf", "nan", "3000000"])
def test_long_timeout(shop: Path, seconds: str) -> None:
    """A time that no process can wait for is one line."""
    found = run(shop, "--run", "true", "--timeout", seconds)
    assert found.exit_code == 2 and "--timeout is at most 1e+06 seconds" in found.output


def test_parity_of_another_stage(shop: Path) -> None:
    """The stages that leave Flask compare no responses."""
    found = run(shop, "--stage", "serve", "--run", "true", "--no-parity")
    assert found.exit_code == 2 and "not for serve" in found.output
