"""The features of ``quartpatterns new``, alone and together."""

from __future__ import annotations

import itertools
import json
import random
import re
import sys
from pathlib import Path

import pytest

from quartpatterns.packaging import FEATURES, REQUIRED, new_project
from tests.packaging.building import ROOT, Environment, run

# The same triples in each process of a run.
TRIPLES = random.Random(13).sample([*itertools.combinations(FEATURES, 3)], 6)
COMBINATIONS = [
    ",".join(features)
    for features in (
        (),
        *((feature,) for feature in FEATURES),
        *itertools.combinations(FEATURES, 2),
        *TRIPLES,
        tuple(FEATURES),
    )
]
ALL = ",".join(FEATURES)


@pytest.fixture(scope="module")
def created(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder with a project for each combination, and the problem of each."""
    folder = tmp_path_factory.mktemp("projects")
    program = [sys.executable, "-B", "-m", "tests.packaging.create_projects"]
    env = {"PYTHONPATH": str(ROOT), "QUART_SECRET_KEY": "only for tests"}  # for asgi.py
    output = run(*program, str(folder), *COMBINATIONS, cwd=folder, env=env).stdout
    problems: dict[str, str] = json.loads(output)
    return folder, problems


# One process creates and imports all of them: most of the time is that of its start.
@pytest.mark.slow
@pytest.mark.xdist_group("projects")
@pytest.mark.timeout(900)
@pytest.mark.checks("DI-8", "DI-11")
def test_created_twice(created: tuple[Path, dict[str, str]]) -> None:
    """Each combination can be imported, makes two applications, and all its pages work.

    No module has the name of an object in its package, so ``from shop import tasks`` has one
    meaning.
    """
    _, problems = created
    assert [*problems] == COMBINATIONS
    failed = {combination: problem for combination, problem in problems.items() if problem}
    assert not failed, "\n".join(f"{name}:\n{problem}" for name, problem in failed.items())


@pytest.mark.slow
@pytest.mark.xdist_group("projects")
@pytest.mark.timeout(900)
@pytest.mark.checks("DI-8", "DI-11")
def test_style(created: tuple[Path, dict[str, str]]) -> None:
    """ruff finds nothing in the code of each combination."""
    folder, _ = created
    for tool in (["check"], ["format", "--check"]):
        run(sys.executable, "-m", "ruff", *tool, "--no-cache", ".", cwd=folder)


@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.timeout(600)
@pytest.mark.checks("DI-8", "DI-11")
@pytest.mark.parametrize("features", COMBINATIONS[1 + len(FEATURES) : -1])
def test_suites_of_combinations(features: str, environment: Environment, tmp_path: Path) -> None:
    """The tests of the projects with two or three features succeed."""
    project = new_project("demo", tmp_path, features=features.split(","))
    environment.install_alone("--editable", project.folder)
    output = run(environment.python, "-m", "pytest", "-q", cwd=project.folder).stdout
    assert re.search(r"\d+ passed", output)
    assert not re.search("skipped|warning", output)


@pytest.mark.checks("DI-11")
def test_required(tmp_path: Path) -> None:
    """The features that others need are added, once, and named with those that need them."""
    project = new_project("demo", tmp_path, features=["api", "login"])
    assert project.features == ("login", "forms", "api", "sqlalchemy")
    assert project.added == {"forms": ("login",), "sqlalchemy": ("login", "api")}
    assert new_project("other", tmp_path, features=project.features).added == {}
    # One step is enough to find all of them.
    assert all(not REQUIRED.get(needed) for names in REQUIRED.values() for needed in names)


@pytest.mark.checks("DI-11")
def test_translated(tmp_path: Path) -> None:
    """The German catalog has exactly the texts of the project, and all of them."""
    for features in (["i18n"], [*FEATURES]):
        folder = new_project(f"demo{len(features)}", tmp_path, features=features).folder
        catalog = next(folder.rglob("messages.po")).read_text()
        translations = dict(re.findall(r'^msgid "(.+)"\nmsgstr "(.+)"$', catalog, re.MULTILINE))
        code = [path.read_text() for kind in ("py", "html") for path in folder.rglob(f"*.{kind}")]
        used = {text for source in code for text in re.findall(r'\b_\("([^"]+)"', source)}
        assert used == translations.keys()
        for text, translation in translations.items():
            variables = [re.findall(r"%\(\w+\)s", one) for one in (text, translation)]
            assert variables[0] == variables[1]


@pytest.mark.checks("DI-11")
def test_no_secret(tmp_path: Path) -> None:
    """No file contains a secret key. The next commands set one."""
    project = new_project("demo", tmp_path, features=["forms"])
    assert any(command.startswith("export QUART_SECRET_KEY=$(") for command in project.commands)
    for path in project.folder.rglob("*"):
        if path.is_file() and "tests" not in path.parts:
            assert not re.search(r"SECRET_KEY\"?\s*[:=]\s*[\"'\w]+[\"']", path.read_text()), path


@pytest.mark.checks("DI-11")
def test_form_helpers(tmp_path: Path) -> None:
    """The template that READMEs and Flask's page import is part of a project with forms."""
    project = new_project("demo", tmp_path, features=["forms"])
    helpers = (project.folder / "demo/templates/_formhelpers.html").read_text()
    assert "macro render_field(field)" in helpers
    assert "macro render_summary(form)" in helpers
