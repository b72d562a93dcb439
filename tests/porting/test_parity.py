"""The end of ``--run``: the responses before and after the port are compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from quartpatterns.cli import main
from tests.porting.ported import written

APP = """
import uuid
from flask import Flask, render_template_string

app = Flask(__name__)


@app.get("/")
def index():
    return render_template_string("hello")


@app.get("/file")
def file():
    with open("text.txt") as text:
        return text.read()


@app.get("/fails")
def fails():
    raise ValueError


@app.errorhandler(500)
def failed(error):
    raise error


@app.get("/random")
def random():
    return str(uuid.uuid4())


@app.get("/token")
def token():
    return f'<form><input type="hidden" name="csrf_token" value="{uuid.uuid4()}"></form>'
"""
DIFFERENT = """

@app.get("/class")
def name_of_class():
    return type(app).__name__
"""


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["port", str(folder), "--run", "true", *arguments])


@pytest.mark.slow
def test_responses(tmp_path: Path) -> None:
    """Each difference is printed, and makes the command fail. What is random is not compared."""
    shop = written(tmp_path / "shop", {"shop/src/main.py": APP, "shop/text.txt": "text\n"})
    found = run(shop / "shop")
    assert found.exit_code == 0, found.output
    assert "Comparing the responses of main:app before and after the port." in found.stderr
    assert "Responses: 4 of 5 GET routes without arguments are equal, 0 differ." in found.stderr
    assert "GET /random is not compared: two processes" in found.stderr
    assert "1 of the equal ones are errors of the application" in found.stderr

    written(shop, {"shop/src/main.py": APP + DIFFERENT})
    found = run(shop / "shop", "--write")
    assert found.exit_code == 1
    assert "4 of 6 GET routes without arguments are equal, 1 differ." in found.stderr
    assert "1 of 1 case failed: GET /class: " in found.stderr
    assert "GET /class · body" in found.stderr
    assert "original  Flask\n    port      FaithfulQuart\n" in found.stderr
    assert "or responses differ. --force writes." in found.stderr
    assert run(shop / "shop", "--no-parity").exit_code == 0


def test_no_application(tmp_path: Path) -> None:
    """It is said in one line, and is no failure."""
    code = "import flask\n\n\ndef make():\n    app = flask.Flask(__name__)\n    return app\n"
    found = run(written(tmp_path, {"app.py": code}))
    assert found.exit_code == 0
    assert (
        "Responses are not compared: no application and no function create_app() was found.\n"
        in found.stderr
    )


def test_several_applications(tmp_path: Path) -> None:
    found = run(written(tmp_path, {f"{name}.py": APP for name in "abcd"}))
    assert found.exit_code == 0
    assert "more than 3 applications: a:app, b:app, c:app, d:app.\n" in found.stderr


def test_not_loaded(tmp_path: Path) -> None:
    found = run(written(tmp_path, {"app.py": f"{APP}\nraise OSError('no database')\n"}))
    assert found.exit_code == 0
    assert (
        "Responses are not compared: importing 'app' failed: OSError: no database.\n"
        in found.stderr
    )
    assert "Traceback" not in found.output


def test_nothing_to_do(tmp_path: Path) -> None:
    code = "from quartpatterns.subclassing.names import Flask\n\napp = Flask(__name__)\n"
    found = run(written(tmp_path, {"app.py": code}))
    assert found.exit_code == 0
    assert "Responses are not compared: the port changes nothing.\n" in found.stderr


def test_other_stages(tmp_path: Path) -> None:
    """Flask stays, so there is nothing to compare."""
    found = run(written(tmp_path, {"app.py": APP}), "--stage", "modernise")
    assert found.exit_code == 0 and "Responses" not in found.stderr
