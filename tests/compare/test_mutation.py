"""Mutants of small applications: what the cases notice, what they do not, and what hangs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

from quartpatterns.compare import Case, Step
from quartpatterns.compare.case import Comparison
from quartpatterns.compare.files import CaseFileError
from quartpatterns.compare.mutation import (
    MutantResult,
    MutationError,
    MutationResult,
    MutationTarget,
    explain,
    run_mutation,
)
from quartpatterns.compare.mutation_python import python_mutants
from quartpatterns.compare.mutation_reasons import Reason, read_reasons

SERVER = "quartpatterns.compare.mutation_server"
OLD = """
from flask import Flask, render_template

import mutated_shared


def create_app(config):
    app = Flask(__name__)
    app.config.from_object("mutated_settings")

    @app.get("/")
    def index():
        return {"sum": mutated_shared.add(2, 2), "job": config["job"]}

    @app.get("/page")
    def page():
        return render_template("page.html", name="Ada", mark=app.config["MARK"])

    @app.get("/visits")
    def visits():
        return mutated_shared.visit(config["file"])

    return app
"""
NEW = """
from quart import Quart, abort, render_template

from mutated import jobs, texts
import mutated_shared


def create_app(config):
    app = Quart(__name__, template_folder="../templates")
    app.config.from_object("mutated_settings")

    @app.get("/")
    async def index():
        return {"sum": mutated_shared.add(2, 2), "job": config["job"]}

    @app.get("/page")
    async def page():
        name = await texts.name()
        return await render_template("page.html", name=name, mark=app.config["MARK"])

    @app.get("/visits")
    async def visits():
        return mutated_shared.visit(config["file"])

    @app.get("/private")
    async def private():
        abort(403)

    return app
"""
TEXTS = """
async def name():
    letters = "Ada"
    found = ""
    while letters:
        found = found[:3] + letters[0]
        letters = letters[1:]
    if found or letters:
        return found
"""
JOBS = """
def job():
    return "done"
"""
SHARED = """
from pathlib import Path


def add(a, b):
    return a + b


def visit(name):
    file = Path(name)
    visits = file.read_text() + "x" if file.exists() else "x"
    file.write_text(visits)
    return visits
"""
# The job runs in another process, as that of a worker. To start one for each change takes long.
ARRANGE = """
import contextlib
import os
import subprocess
import sys

from quartpatterns.compare import Arrangement


@contextlib.asynccontextmanager
async def arrange(folder):
    command = [sys.executable, "-c", "from mutated.jobs import job; print(job())"]
    job = "done"
    if "jobs.py" in os.environ.get("QUARTPATTERNS_MUTANT", ""):
        job = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    yield Arrangement(
        original={"file": str(folder / "old"), "job": "done"},
        port={"file": str(folder / "new"), "job": job},
    )
"""
PAGE = '<p class="hello">Hello {{ name }}{{ mark }}{% if name == "Eve" %}!{% endif %}</p>\n'
FILES = {
    "mutated_old.py": OLD,
    "mutated_shared.py": SHARED,
    "mutated_settings.py": 'MARK = "!"\n',
    "mutated_arrange.py": ARRANGE,
    "mutated/__init__.py": "",
    "mutated/new.py": NEW,
    "mutated/texts.py": TEXTS,
    "mutated/jobs.py": JOBS,
    "templates/page.html": PAGE,
}
CASES = [Case("start page", Step("/", compare="json")), Case("page", Step("/page"))]
CASES += [Case("visits", Step("/visits"), Step("/visits"))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of two applications, as the current folder."""
    folder = tmp_path_factory.mktemp("applications")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(dedent(text).lstrip("\n"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        yield folder
        for name in [name for name in sys.modules if name.startswith("mutated")]:
            del sys.modules[name]


def comparison(cases: list[Case] = CASES) -> Comparison:
    from mutated_arrange import arrange  # type: ignore[import-not-found]

    return Comparison("it", "mutated_old:create_app", "mutated.new:create_app", cases, arrange)


def target(folder: Path) -> MutationTarget:
    return MutationTarget(folder, folder, folder)


STALE = Reason("mutated/new.py", "a line of old", "1 -> 2", "It was so.")
EXPLAINED = Reason(
    "mutated/texts.py", "if found or letters:", "found or letters -> True", "A name has letters."
)


@pytest.fixture(scope="module")
def result(folder: Path) -> MutationResult:
    return run_mutation(
        comparison(), target(folder), reasons=[STALE, EXPLAINED], jobs=2, least_limit=2.0
    )


def find(result: MutationResult, file: str, text: str, change: str) -> MutantResult:
    (found,) = (
        each
        for each in result.mutants
        if (each.mutant.file, each.mutant.text, each.mutant.change) == (file, text, change)
    )
    return found


@pytest.mark.parametrize(
    ("file", "text", "change", "outcome", "noticed_by"),
    [
        # Any difference of a response.
        ("mutated/new.py", '@app.get("/page")', '"/page" -> "/mutant"', "caught", "page"),
        # The application cannot be made.
        ("mutated/new.py", "return app", "app -> None", "caught", "start or end"),
        # Another module of the port, and one that the original uses, too.
        ("mutated/texts.py", 'letters = "Ada"', '"Ada" -> "mutant"', "caught", "page"),
        ("mutated_shared.py", "return a + b", "+ -> -", "caught", "start page"),
        ("mutated_settings.py", 'MARK = "!"', '"!" -> "mutant"', "caught", "page"),
        # It never ends.
        (
            "mutated/texts.py",
            "letters = letters[1:]",
            "without letters = letters[1:]",
            "caught",
            "time limit",
        ),
        # No case can notice, and no case asks.
        ("mutated/texts.py", "if found or letters:", "or -> and", "caught", "page"),
        (
            "mutated/texts.py",
            "if found or letters:",
            "found or letters -> True",
            "survived",
            "",
        ),
        ("mutated/new.py", "abort(403)", "403 -> 418", "not reached", ""),
        # A process that the arrangement starts imports the changed module.
        ("mutated/jobs.py", 'return "done"', '"done" -> "mutant"', "caught", "start page"),
        # A template that the original renders, too.
        ("templates/page.html", PAGE.strip(), 'without class="hello"', "caught", "page"),
        ("templates/page.html", PAGE.strip(), "Hello -> mutant", "caught", "page"),
        ("templates/page.html", PAGE.strip(), 'name -> "mutant"', "caught", "page"),
        ("templates/page.html", PAGE.strip(), 'name == "Eve" -> true', "caught", "page"),
        ("templates/page.html", PAGE.strip(), 'name == "Eve" -> false', "survived", ""),
    ],
)
def test_outcomes(
    result: MutationResult, file: str, text: str, change: str, outcome: str, noticed_by: str
) -> None:
    found = find(result, file, text, change)
    assert (found.outcome, found.noticed_by) == (outcome, noticed_by), found.detail


def test_each_mutant_starts_anew(result: MutationResult) -> None:
    """The files that mutants write do not reach the next one: the cases pass at the end, too."""
    assert result.reliable
    assert sum(each.noticed_by == "visits" for each in result.mutants) < 12


def test_the_original_is_not_changed(result: MutationResult) -> None:
    files = {each.mutant.file for each in result.mutants}
    assert files == {
        "mutated/jobs.py",
        "mutated/new.py",
        "mutated/texts.py",
        "mutated_settings.py",
        "mutated_shared.py",
        "templates/page.html",
    }


def test_reasons(result: MutationResult) -> None:
    explained = [each for each in result.mutants if each.reason]
    assert [each.mutant.change for each in explained] == ["found or letters -> True"]
    assert explained[0].reason == "A name has letters."
    assert explained[0] not in result.unexplained
    assert result.stale == (STALE,)


def test_reason_for_equal_lines() -> None:
    """A reason without a function explains no line if a case notices an equal one."""
    text = "def one():\n    return 1\n\n\nclass A:\n    def two(self):\n        return 1\n"
    one, two = [each for each in python_mutants("a.py", text) if each.change == "1 -> 2"]
    assert (one.within, two.within) == ("one", "A.two")
    results = [MutantResult(one, "caught", "page"), MutantResult(two, "survived")]
    everywhere = Reason("a.py", "return 1", "1 -> 2", "It is so.")
    (_, found), stale = explain(results, [everywhere])
    assert (found.reason, stale) == (None, (everywhere,))
    here = Reason("a.py", "return 1", "1 -> 2", "It is so.", "A.two")
    (_, found), stale = explain(results, [here])
    assert (found.reason, stale) == ("It is so.", ())
    both = [MutantResult(one, "survived"), MutantResult(two, "survived")]
    explained, _ = explain(both, [everywhere])
    assert [each.reason for each in explained] == ["It is so."] * 2


def test_decorated_function() -> None:
    """The line of a decorator is a part of the function."""
    (mutant,) = [
        each for each in python_mutants("a.py", "@deco\ndef f():\n    pass\n") if each.line == 1
    ]
    assert mutant.within == "f"


def test_files_are_not_touched(folder: Path, result: MutationResult) -> None:
    for name, text in FILES.items():
        assert (folder / name).read_text() == dedent(text).lstrip("\n")


def test_cases_that_fail_anyway(folder: Path) -> None:
    """Nothing can be learnt from cases that fail on the unchanged port."""
    with pytest.raises(MutationError, match="must pass before anything is changed.*differs"):
        run_mutation(comparison([Case("differs", Step("/private"))]), target(folder))


COUNTING = """
from pathlib import Path

from quart import Quart

app = Quart(__name__)


@app.get("/")
async def index():
    file = Path("visits")
    visits = file.stat().st_size if file.exists() else 0
    file.write_text("x" * (visits + 1))
    return "few" if visits < 3 else "many"
"""


def test_a_state_outside(folder: Path) -> None:
    """A file that every run changes makes the cases fail on the unchanged port at the end."""
    (folder / "mutated_counting.py").write_text(COUNTING)
    (folder / "mutated_few.py").write_text(
        "from flask import Flask\n\napp = Flask(__name__)\napp.get('/')(lambda: 'few')\n"
    )
    counting = Comparison("it", "mutated_few:app", "mutated_counting:app", [Case("a", Step("/"))])
    assert not run_mutation(counting, target(folder)).reliable


def test_interrupted(folder: Path) -> None:
    """Ctrl-C ends the processes, too."""

    def interrupt(done: int, survivors: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_mutation(comparison(), target(folder), on_progress=interrupt)
    children = psutil.Process().children(recursive=True)
    assert not [each for each in children if SERVER in " ".join(each.cmdline())]


STARTING = """
import subprocess

from quart import Quart

app = Quart(__name__)


@app.get("/")
async def index():
    subprocess.Popen(["sleep", "86413"])
    return "few"
"""


def test_started_programs_end(folder: Path) -> None:
    """What the port starts and does not stop ends with the process of the mutant."""
    (folder / "mutated_starting.py").write_text(STARTING)
    (folder / "mutated_few.py").write_text(
        "from flask import Flask\n\napp = Flask(__name__)\napp.get('/')(lambda: 'few')\n"
    )
    starting = Comparison("it", "mutated_few:app", "mutated_starting:app", [Case("a", Step("/"))])
    run_mutation(starting, target(folder))
    commands = [each.info["cmdline"] for each in psutil.process_iter(["cmdline"])]
    assert ["sleep", "86413"] not in commands


def test_application_that_does_not_start(folder: Path) -> None:
    (folder / "mutated_broken.py").write_text("1 +\n")
    broken = Comparison("it", "mutated_old:create_app", "mutated_broken:app", CASES)
    with pytest.raises(MutationError, match="mutated_broken"):
        run_mutation(broken, target(folder))


def test_files_of_an_application(folder: Path) -> None:
    """The folder of the package, with templates beside it; the folder of a single module."""
    package = MutationTarget.of_application("mutated.new:create_app")
    assert (package.code, package.templates) == (folder / "mutated", folder)
    module = MutationTarget.of_application("mutated_old:create_app")
    assert (module.code, module.base) == (folder, folder)
    with pytest.raises(MutationError, match="sys"):
        MutationTarget.of_application("sys:app")


def test_files_of_a_pattern() -> None:
    target = MutationTarget.of_pattern("flashing")
    assert (target.code / "port.py").is_file()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[survivor]]\nfile = 'a'", "Object missing required field `line`"),
        ("[[survivor]", "Expected"),
        (
            "[[survivor]]\nfile = 'a'\nline = 'b'\nchange = 'c'\nreason = ' '",
            "a: 'b', c has no reason",
        ),
        (
            "[[survivor]]\nfile = 'a'\nline = 'b'\nchange = 'c'\nreason = 'd'\n" * 2,
            "is there twice",
        ),
    ],
)
def test_malformed_reasons(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "survivors.toml"
    file.write_text(text)
    with pytest.raises(CaseFileError, match=f"survivors.toml[:0-9]*: .*{message}"):
        read_reasons(file)


def test_missing_reasons(tmp_path: Path) -> None:
    with pytest.raises(CaseFileError, match="No such file"):
        read_reasons(tmp_path / "survivors.toml")
