"""Finding references in code and templates, and the files that are missing."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from quart import Blueprint, Quart

import quartpatterns
from quartpatterns.packaging import MissingResourcesError, check_resources, require_resources
from quartpatterns.packaging.references import find_in_python, find_in_template
from tests.written import Write


def missing(files: Mapping[str, str], folder: Path, **options: list[str]) -> list[str]:
    """Return what is missing in *files*, checked as a wheel and as a folder."""
    wheel = folder / "shop-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    found = [str(one) for one in check_resources(wheel, **options)]  # type: ignore[arg-type]
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "unpacked")
    unpacked = check_resources(folder / "unpacked" / "shop", **options)  # type: ignore[arg-type]
    assert [str(one) for one in unpacked] == found
    return found


@pytest.mark.checks("DI-6")
@pytest.mark.parametrize(
    ("code", "path"),
    [
        pytest.param('render_template("a.html")', "templates/a.html", id="render_template"),
        pytest.param('quart.render_template("a.html", x=1)', "templates/a.html", id="attribute"),
        pytest.param('await stream_template("b/a.html")', "templates/b/a.html", id="stream"),
        pytest.param('render_template(["a.html", "b.html"])', "templates/a.html", id="several"),
        pytest.param('jinja_env.get_template("a.txt")', "templates/a.txt", id="get_template"),
        pytest.param('@templated("a.html")\ndef f(): pass', "templates/a.html", id="decorator"),
        pytest.param('Page.as_view("p", template="a.html")', "templates/a.html", id="option"),
        pytest.param('ErrorPages(a, templates={404: "4.html"})', "templates/4.html", id="table"),
        pytest.param('url_for("static", filename="a.js")', "static/a.js", id="static"),
        pytest.param('url_for(".static", filename="a.js")', "static/a.js", id="relative"),
        pytest.param('url_for("x.static", filename="a.js")', "static/a.js", id="blueprint"),
        pytest.param('app.send_static_file("a.js")', "static/a.js", id="send_static_file"),
        pytest.param('app.open_resource("schema.sql")', "schema.sql", id="open_resource"),
    ],
)
def test_in_python(code: str, path: str, tmp_path: Path) -> None:
    """Each kind of call and argument that names a file is found."""
    files = {"shop/__init__.py": f"\n{code}\n"}
    assert missing(files, tmp_path) == [f"shop/{path} (used in shop/__init__.py:2)"]
    assert missing({**files, f"shop/{path}": ""}, tmp_path) == []


@pytest.mark.checks("DI-6")
@pytest.mark.parametrize(
    ("text", "path"),
    [
        pytest.param('{% extends "a.html" %}', "templates/a.html", id="extends"),
        pytest.param("{%- include 'a.html' -%}", "templates/a.html", id="include"),
        pytest.param('{% import "a.html" as a %}', "templates/a.html", id="import"),
        pytest.param('{% from "a.html" import a %}', "templates/a.html", id="from"),
        pytest.param('{% cache 5 %}{% include "a.html" %}', "templates/a.html", id="own tag"),
        pytest.param("{{ url_for('static', filename='a.js') }}", "static/a.js", id="static"),
        pytest.param("{{ url_for( 'x.static',filename = 'a.js') }}", "static/a.js", id="spaces"),
    ],
)
def test_in_templates(text: str, path: str, tmp_path: Path) -> None:
    """References in templates are found, also in templates with tags of extensions."""
    files = {"shop/__init__.py": "", "shop/templates/index.html": f"<p>\n{text}"}
    assert missing(files, tmp_path) == [f"shop/{path} (used in shop/templates/index.html:2)"]
    assert missing({**files, f"shop/{path}": ""}, tmp_path) == []


@pytest.mark.checks("DI-6")
@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"shop/__init__.py": "render_template(name)"}, id="computed"),
        pytest.param({"shop/__init__.py": 'render_template("a" + b)'}, id="put together"),
        pytest.param({"shop/__init__.py": 'url_for("index", filename="a.js")'}, id="no static"),
        pytest.param({"shop/__init__.py": 'Theme(template="dark")'}, id="no file"),
        pytest.param({"shop/__init__.py": 'render_template("a.html"'}, id="no Python"),
        pytest.param({"shop/__init__.py": "\0"}, id="null"),
        pytest.param({"shop/__init__.py": "url_for()\nurl_for(*a)\nx()()"}, id="odd calls"),
        pytest.param({"shop/templates/a.html": '{% include "b.html" ignore missing %}'}, id="may"),
        pytest.param({"shop/templates/a.html": '{% load x from "b.html" %}'}, id="other tag"),
        pytest.param({"shop/templates/a.html": '{# {% include "b.html" %} #}'}, id="comment"),
        pytest.param(
            {"shop/templates/a.html": "{% raw %}{% include 'b.html' %}{% endraw %}"}, id="raw"
        ),
        pytest.param({"shop/templates/a.html": "{% include name %}{% include"}, id="cut off"),
        pytest.param({"shop/templates/a.html": "{{ url_for('static' }}"}, id="cut off call"),
        pytest.param({"shop/__init__.py": "", "shop/templates/a.html": "{{ ' }}"}, id="no Jinja"),
    ],
)
def test_ignored_references(files: dict[str, str], tmp_path: Path) -> None:
    """Computed names, optional files and invalid code are ignored."""
    assert missing({"shop/__init__.py": "", **files}, tmp_path) == []


@pytest.mark.checks("DI-6")
def test_alternatives(tmp_path: Path) -> None:
    """One of several alternative templates must exist."""
    code = 'select_template(["a.html", "b.html"])'
    assert missing({"shop/a.py": code, "shop/templates/b.html": ""}, tmp_path) == []


@pytest.mark.checks("DI-6")
def test_folders(tmp_path: Path) -> None:
    """Folders of applications and blueprints are relative to their modules."""
    files = {
        "shop/__init__.py": 'Quart(__name__, static_folder="../assets/web")',
        "shop/admin/views.py": 'Blueprint("admin", __name__, template_folder="pages")\n'
        'render_template("admin.html")\nurl_for("static", filename="a.css")',
    }
    wheel = tmp_path / "shop.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    assert [str(one) for one in check_resources(wheel)] == [
        "assets/web/a.css (used in shop/admin/views.py:3)",
        "shop/admin/pages/admin.html (used in shop/admin/views.py:2)",
    ]
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("assets/web/a.css", "")
        archive.writestr("shop/admin/pages/admin.html", "")
    assert check_resources(wheel) == []


@pytest.mark.checks("DI-6")
@pytest.mark.parametrize("folder", ['"/srv/web"', '"../../web"', "BASE / name", "path()"])
def test_unknown_folder(folder: str, tmp_path: Path) -> None:
    """Files in folders outside of the package, or in computed folders, are not missing."""
    code = f'Quart(__name__, static_folder={folder})\nurl_for("static", filename="a.css")'
    template = '\nrender_template("b.html")'
    assert missing({"shop/a.py": code + template}, tmp_path) == [
        "shop/templates/b.html (used in shop/a.py:3)"
    ]


@pytest.mark.checks("DI-6")
def test_module(tmp_path: Path) -> None:
    """For an application that is one module, Python files in folders below are ignored."""
    code = 'render_template("{}.html")'
    for name in ("app", "tests/test_app", "env/lib/x", ".tox/x", "node_modules/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.py").write_text(code.format(Path(name).name))
    for name in ("env/templates/a.html", "templates/app.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('{% include "b.html" %}')
    (tmp_path / "env" / "pyvenv.cfg").touch()
    (one,) = check_resources(tmp_path)
    assert (one.name, one.used_in) == ("b.html", f"{tmp_path.name}/templates/app.html:1")


@pytest.mark.checks("DI-6")
def test_module_in_a_wheel(tmp_path: Path) -> None:
    """The folders of a single module are at the top of the wheel."""
    wheel = tmp_path / "shop.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("shop.py", 'render_template("a.html")\nopen_resource("b.sql")')
    assert [one.path for one in check_resources(wheel)] == ["b.sql", "templates/a.html"]
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("templates/a.html", "")
        archive.writestr("b.sql", "")
    assert check_resources(wheel) == []


@pytest.mark.checks("DI-6")
def test_first_reference(tmp_path: Path) -> None:
    """A file is listed once, with its first reference."""
    files = {"shop/b.py": 'render_template("a.html")', "shop/a.py": '\nrender_template("a.html")'}
    assert missing(files, tmp_path) == ["shop/templates/a.html (used in shop/a.py:2)"]


@pytest.mark.checks("DI-6")
def test_ignored(tmp_path: Path) -> None:
    files = {"shop/a.py": 'render_template("security/login.html")\nrender_template("b.html")'}
    found = missing(files, tmp_path, ignore=["security/*"])
    assert found == ["shop/templates/b.html (used in shop/a.py:2)"]


@pytest.mark.checks("DI-6")
def test_source(tmp_path: Path) -> None:
    """Files without a literal reference are found by comparison with the source."""
    source = tmp_path / "shop"
    for name in ("templates/a.html", "static/x/a.js", "static/.DS_Store", "notes.txt"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    wheel = tmp_path / "shop.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("shop/__init__.py", "render_template(name)")
    assert check_resources(wheel) == []
    found = [str(one) for one in check_resources(wheel, source=source)]
    assert found == ["shop/static/x/a.js (in the source)", "shop/templates/a.html (in the source)"]


@pytest.mark.checks("DI-6")
@pytest.mark.parametrize("name", ["nowhere", "text.whl"])
def test_invalid_package(name: str, tmp_path: Path) -> None:
    (tmp_path / "text.whl").write_text("no archive")
    with pytest.raises(ValueError, match=f"{name} is neither a wheel nor a folder. Name"):
        check_resources(tmp_path / name)


@pytest.mark.parametrize("name", ["packages", "sqlalchemy", "streaming", "gallery", "packaging"])
def test_own_packages(name: str) -> None:
    """The packages of quartpatterns contain the files that they refer to."""
    assert check_resources(Path(quartpatterns.__file__).parent / name) == []


@given(st.text())
@example("{{ url_for('static', filename=")
def test_any_text(text: str) -> None:
    """No text raises an error."""
    list(find_in_template("a.html", text))
    list(find_in_python("a.py", text.encode(errors="replace")))


SHOP = """\
from quart import render_template

async def index():
    return await render_template("index.html")
"""


@pytest.mark.checks("DI-7")
async def test_start(app_class: type[Quart], write: Write) -> None:
    """An application with all its files starts."""
    folder = write({"shop/__init__.py": SHOP, "shop/templates/index.html": ""})
    app = app_class("shop", root_path=str(folder / "shop"))
    require_resources(app)
    async with app.test_app():
        pass


@pytest.mark.checks("DI-7")
async def test_no_start(app_class: type[Quart], write: Write) -> None:
    """An application with a missing file does not start, and the error says what to do."""
    folder = write({"shop/__init__.py": SHOP})
    app = app_class("shop", root_path=str(folder / "shop"))
    require_resources(app)
    with pytest.raises(MissingResourcesError, match="package-data or MANIFEST.in") as caught:
        await app.startup()
    (one,) = caught.value.missing
    assert (one.path, one.used_in) == ("shop/templates/index.html", "shop/__init__.py:4")


@pytest.mark.checks("DI-7")
async def test_other_packages(app_class: type[Quart], write: Write) -> None:
    """Templates in other packages are found, and ignored names may be missing."""
    folder = write(
        {
            "shop/__init__.py": SHOP + '\nrender_template("mail/text.txt")',
            "library/__init__.py": "",
            "library/templates/index.html": "",
        }
    )
    app = app_class("shop", root_path=str(folder / "shop"))
    pages = Blueprint(
        "pages", "library", template_folder="templates", root_path=str(folder / "library")
    )
    app.register_blueprint(pages)
    require_resources(app, ignore=["mail/*"])
    async with app.test_app():
        pass
