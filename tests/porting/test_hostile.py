"""Projects that are hard to read, to copy or to write: one clear line, and no traceback."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner, Result

from quartpatterns.cli import main
from quartpatterns.porting import FileChange, WriteError, make_plan, write
from tests.porting.ported import written

APP = """
from flask import Flask

app = Flask(__name__)


@app.get("/")
def index():
    return "hello"
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return written(tmp_path / "shop", {"app.py": APP})


def run(*arguments: str | Path) -> Result:
    found = CliRunner().invoke(main, ["port", *map(str, arguments)])
    assert "Traceback" not in found.output
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found


def refused(*arguments: str | Path) -> str:
    """Return the only line that the command prints."""
    found = run(*arguments)
    assert found.exit_code == 2, found.output
    assert found.output.count("\n") == 1, found.output
    return found.output


def skipped(folder: Path, name: str) -> str:
    """Return what the report says about a file that is not read."""
    [found] = [each for each in make_plan(folder).findings if each.file == name]
    assert found.kind == "skipped" and found.remedy
    return f"{found.line}: {found.why}; {found.remedy}"


# Reading


@pytest.mark.parametrize(
    "line",
    [
        "print 'a'",
        "print x, y",
        "exec 'a' in {}",
        "raise ValueError, 'a'",
        "x = 0777",
        "x = `y`",
        "if x <> y: pass",
        "x = ur'a'",
        "try: pass\nexcept OSError, e: pass",
        "try: pass\nexcept (OSError, IOError), e: pass",
    ],
)
def test_python_2(shop: Path, line: str) -> None:
    (shop / "old.py").write_text(f"import os\n{line}\n")
    found = skipped(shop, "old.py")
    assert found.startswith(f"{2 + line.count(chr(10))}: this is Python 2; convert it with 2to3")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"x = \xff\n", "the encoding is wrong"),
        (b"# coding: klingon\n", "the encoding is wrong: unknown encoding"),
        (b"# coding: undefined\nx = 1\n", "the encoding is wrong"),
        (b"# coding: rot13\nx = 1\n", "the encoding is wrong"),
        (b"# coding: utf-7\nx = '+2AA-'\n", "the encoding is wrong"),
        (b"# coding: utf-7\nx = '+AEE-'\n", "utf-7 would store its text in other bytes"),
        ("x = 1\n".encode("utf-16"), "the encoding is wrong"),
        (b"def f(:\n", f"it is not valid Python 3.{sys.version_info.minor}: "),
        (b"x = 1\0\n", "it is not valid Python"),
        (b"x = " + b"(" * 2_000 + b")" * 2_000, "1: "),
        (b"x = 1  # generated\n" * 300_000, "it is larger than 2,000,000 bytes"),
    ],
)
def test_unreadable(shop: Path, content: bytes, reason: str) -> None:
    (shop / "b.py").write_bytes(content)
    assert reason in skipped(shop, "b.py")
    assert "await" not in run(shop, "--write").output
    assert (shop / "b.py").read_bytes() == content
    assert b"async def index" in (shop / "app.py").read_bytes()


def test_invalid_name(shop: Path) -> None:
    os.rename(shop / "app.py", os.fsencode(shop) + b"/\xff.py")
    assert "�.py:1: its name is not valid UTF-8; give it another name" in refused(shop)


def test_warnings_of_the_parser(shop: Path) -> None:
    """Doubtful code gives no warnings of Python, which are errors in these tests."""
    written(shop, {"b.py": "x = '\\d' is 1\nassert (x, 'a')\n"})
    assert run(shop).exit_code == 0


def test_notebook(shop: Path) -> None:
    written(shop, {"notes/a.ipynb": "{}"})
    assert "notebooks are not ported" in skipped(shop, "notes/a.ipynb")


def test_folders(shop: Path) -> None:
    """Packages with the names of virtual environments are ported, and these are not."""
    written(
        shop,
        {
            "env/__init__.py": APP,
            "build/__init__.py": APP,
            "dist/b.py": APP,
            "venv/bin/activate": "",
            "venv/__init__.py": APP,
            "other/pyvenv.cfg": "",
            "other/b.py": APP,
            "a/node_modules/b.py": APP,
        },
    )
    (shop / "loop").symlink_to(shop)
    (shop / "env" / "up").symlink_to("..")
    (shop / "again.py").symlink_to("again.py")
    os.mkfifo(shop / "pipe.py")
    changed = [change.file for change in make_plan(shop).changes]
    assert changed == ["app.py", "build/__init__.py", "env/__init__.py"]


PLAIN = """from flask import Flask{sep}app = Flask(__name__){sep}{sep}
@app.get("/"){sep}def index():{sep}\treturn "é"{sep}"""


ENCODINGS = [
    ("", "utf-8"),
    ("", "utf-8-sig"),
    ("'''\x0cdoc'''\n\x0c\n", "utf-8"),
    ("# -*- coding: latin-1 -*-\n", "latin-1"),
    ("#!/usr/bin/env python\n# vim: set fileencoding=cp1252 :\n", "cp1252"),
]
# Python looks for the encoding in a line that does not end with "\r" alone.
FORMS = [(head, encoding, sep) for head, encoding in ENCODINGS for sep in ("\n", "\r\n")]
FORMS += [(head, encoding, "\r") for head, encoding in ENCODINGS if "coding" not in head]


@pytest.mark.parametrize(("head", "encoding", "sep"), FORMS)
@pytest.mark.parametrize("end", ["", " \t\x0c# no newline"])
def test_bytes(shop: Path, head: str, encoding: str, sep: str, end: str) -> None:
    """All else stays to the byte: the encoding, line ends, tabs, form feeds, the end."""
    before = (head + PLAIN).replace("\n", sep).replace("{sep}", sep) + end
    after = before.replace("from flask", "from quartpatterns.subclassing.names")
    after = after.replace("def index", "async def index")
    (shop / "app.py").write_bytes(before.encode(encoding))
    plan = make_plan(shop)
    assert [each.why for each in plan.findings] == []
    assert [each.after for each in plan.changes] == [after.encode(encoding)]


def test_patch(shop: Path) -> None:
    """What --diff prints is a patch that git applies, also to such files."""
    (shop / "a.py").write_bytes(b"\x0c\nfrom flask import g")
    (shop / "b.py").write_bytes(b"# coding: latin-1\r\nfrom flask import g  # \xe9\r\n")
    (shop / "pytest.ini").write_text("[pytest]")
    written(shop, {"test_a.py": "from app import app\n"})
    patch = CliRunner().invoke(main, ["port", str(shop), "--diff"]).stdout_bytes
    expected = {change.file: change.after for change in make_plan(shop).changes}
    assert len(expected) == 4
    subprocess.run(["git", "apply", "-"], cwd=shop, input=patch, check=True)
    assert {name: (shop / name).read_bytes() for name in expected} == expected


# Writing


@contextlib.contextmanager
def public_folder() -> Iterator[Path]:
    """Yield an empty folder that all users can reach."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """Run as a user with few permissions, also if root runs the tests."""
    if os.getuid():
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_unreadable_places(shop: Path) -> None:
    run(shop, "--run", "true")  # imports all that the other user perhaps cannot read
    with public_folder() as folder:
        written(folder, {"app.py": APP, "secret.py": APP, "hidden/b.py": APP})
        (folder / "secret.py").chmod(0)
        (folder / "hidden").chmod(0)
        try:
            with nobody():
                found = run(folder).output
                copied = run(folder, "--run", sys.executable).output
        finally:
            (folder / "hidden").chmod(0o755)
        assert "secret.py:1" in found and "hidden:1" in found and "Permission denied" in found
        assert "cannot be copied" in copied and "Permission denied" in copied
        folder.chmod(0)
        with nobody():
            assert f"{str(folder)!r} is not readable" in refused(folder)
        folder.chmod(0o755)


def test_read_only(shop: Path) -> None:
    run(shop, "--write")
    with public_folder() as folder:
        written(folder, {"app.py": APP, "test_app.py": "from app import app\n"})
        for path in (folder, folder / "app.py"):
            path.chmod(0o555)
        with nobody():
            found = run(folder, "--write")
        assert found.exit_code == 2
        assert re.search(r"\nError: .*app\.py is not writable\n$", found.output)
        assert sorted(path.name for path in folder.iterdir()) == ["app.py", "test_app.py"]
        assert (folder / "app.py").read_text() == APP.lstrip("\n")


def test_all_files_or_none(shop: Path) -> None:
    """If a file cannot be written, those before it are as they were."""
    plan = make_plan(shop)
    wrong = FileChange("nothing/b.py", None, b"")
    with pytest.raises(WriteError, match=r"nothing/b\.py: No such file"):
        write(dataclasses.replace(plan, changes=(*plan.changes, wrong)))
    assert (shop / "app.py").read_text() == APP.lstrip("\n")


def test_changed_between_commands(shop: Path) -> None:
    """Each command reads the files as they are."""
    assert "+async def index" in run(shop, "--diff").output
    written(shop, {"app.py": APP.replace("index", "start")})
    assert run(shop, "--write").exit_code == 0
    assert "async def start" in (shop / "app.py").read_text()


# Running


def test_run_copies(shop: Path) -> None:
    """Pipes and sockets are not copied, virtual environments are linked, the rest is there."""
    written(shop, {"static/dist/a.js": "", "env/pyvenv.cfg": "", ".git/config": ""})
    os.mkfifo(shop / "pipe")
    (shop / "broken").symlink_to("nothing")
    server = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(shop)  # The path of a socket must be short.
    server.bind("socket")
    os.chdir(here)
    code = (
        "import os, sys; names = sorted(os.listdir('.'));"
        "sys.exit(names != ['app.py', 'broken', 'env', 'static'] or not os.path.islink('env')"
        " or not os.path.exists('static/dist/a.js'))"
    )
    found = run(shop, "--run", shlex.join([sys.executable, "-c", code]))
    server.close()
    assert found.exit_code == 0, found.output


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "there is no command"),
        ("pytest 'a", "No closing quotation"),
        ("nothing_like_this", "No such file"),
        ("A=1 pytest", "for commands of a shell, write: sh -c"),
    ],
)
def test_commands(shop: Path, command: str, message: str) -> None:
    found = run(shop, "--run", command)
    assert found.exit_code == 2 and message in found.output


def test_timeout(shop: Path) -> None:
    """What the tests have started ends, too."""
    pid = shop.parent / "pid"
    command = shlex.join(["sh", "-c", f"sleep 1000 & echo $! > {pid}; wait"])
    found = run(shop, "--run", command, "--timeout", "1")
    assert found.exit_code == 2 and "took longer than 1 s: raise --timeout" in found.output
    with contextlib.suppress(psutil.NoSuchProcess):
        assert psutil.Process(int(pid.read_text())).wait(60) is None


# Configuration


@pytest.mark.parametrize(
    "text", ["[tool]\npytest = 1\n", "tool = 1\n", "tool.pytest.ini_options = 1\n", "= broken"]
)
def test_configuration(shop: Path, text: str) -> None:
    written(shop, {"pyproject.toml": text, "test_app.py": "from app import app\n"})
    assert run(shop).exit_code in (0, 2)


def test_rules(shop: Path) -> None:
    rules = shop.parent / "rules.toml"
    rules.write_bytes(b"x = '\xff'\n")
    assert "rules.toml" in refused(shop, "--rules", rules)


# Size

MODULE = """
from flask import Blueprint, g, render_template, request

from shop.module0 import login_required
from shop.module{previous} import Service as Previous

bp = Blueprint("b{number}", __name__)


class Service(Previous):
    def __init__(self, name):
        super().__init__(name)
        self.items = []

    def load_{number}(self, key):
        data = request.get_json(silent=True) or {{}}
        self.items.append(data.get(key))
        return self.load(key)

    def load(self, key):
        return super().load(key) or request.form.get(key)
"""
VIEW = """

@bp.route("/{number}/{view}", methods=["GET", "POST"])
@login_required
def view_{number}_{view}():
    service = Service("a")
    if request.method == "POST":
        name = request.form["name"]
        text = service.load_{number}(name)
        g.last = helper_{number}_{view}(text)
    return render_template("a.html", text=g.get("last"), service=service)


def helper_{number}_{view}(text):
    for part in (text or "").split():
        if part in request.args:
            return part
    return None
"""
FIRST = """
from functools import wraps

from flask import abort, request, session


def login_required(view):
    @wraps(view)
    def wrapped(*args, **kwargs):
        if "user" not in session:
            abort(401)
        return view(*args, **kwargs)

    return wrapped


class Service:
    def __init__(self, name):
        self.name = name

    def load(self, key):
        return request.values.get(key)
"""


TEST_CASES = """
import unittest
from shop import app


class ShopTests(unittest.TestCase):
    def setUp(self):
        self.client = app.test_client()
"""
TEST_METHOD = """
    def test_{number}(self):
        response = self.client.get("/{number}")
        self.assertEqual(response.status_code, 200)
        self.assertIn("{number}", response.get_data(as_text=True))
"""


@pytest.mark.slow
@pytest.mark.timeout(600)  # seconds, of which the other tests of this machine use most
def test_24_000_lines(tmp_path: Path) -> None:
    """A project of this size takes less than a minute, also on a loaded machine."""
    files = {"shop/__init__.py": APP, "shop/module0.py": FIRST}
    for number in range(1, 61):
        text = MODULE.format(number=number, previous=number - 1)
        text += "".join(VIEW.format(number=number, view=view) for view in range(22))
        files[f"shop/module{number}.py"] = text
    files["tests/test_shop.py"] = TEST_CASES + "".join(
        TEST_METHOD.format(number=number) for number in range(1_000)
    )
    written(tmp_path, files)
    lines = sum(text.count("\n") for text in files.values())
    assert lines > 24_000
    begin = time.process_time()
    plan = make_plan(tmp_path)
    seconds = time.process_time() - begin
    print(f"{lines} lines: {seconds:.1f} s of CPU time")  # noqa: T201
    assert len(plan.made_async) > 60 * 20
    assert seconds < 60
