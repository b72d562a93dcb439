"""Builds of the original, with setuptools, and of the port, with current tools."""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from email.parser import Parser
from pathlib import Path
from textwrap import dedent

import httpx
import pytest
from packaging.version import Version

from quartpatterns.compare.processes import StartError
from quartpatterns.packaging import check_resources
from tests.packaging.building import Environment, Kind, build, create_project, run, served

RESOURCES = {
    "yourapplication/notice.txt",
    "yourapplication/static/style.css",
    "yourapplication/static/wheel.svg",
    "yourapplication/templates/index.html",
}
SERVE: Mapping[Kind, Sequence[str]] = {
    "original": ("-m", "flask", "--app", "yourapplication", "run", "--port", "{port}"),
    "port": ("-m", "hypercorn", "--bind", "127.0.0.1:{port}", "yourapplication:create_app()"),
}
SETUPTOOLS = """
    [build-system]
    requires = ["setuptools>=80"]
    build-backend = "setuptools.build_meta"

    [project]
    name = "yourapplication"
    version = "1.0"

    [tool.setuptools]
    packages = ["yourapplication"]
"""
each_kind = pytest.mark.parametrize("kind", ["original", "port"])


@pytest.fixture
def project(kind: Kind, tmp_path: Path) -> Path:
    return create_project(kind, tmp_path / "project")


def metadata(wheel: Path) -> Mapping[str, list[str]]:
    """The fields of *wheel*'s metadata."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        message = Parser().parsestr(archive.read(name).decode())
    return {key: message.get_all(key, []) for key in message}


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def pages(url: str) -> dict[str, httpx.Response]:
    paths = ("/", "/static/style.css", "/static/wheel.svg", "/version")
    return {path: httpx.get(url + path, trust_env=False, timeout=20) for path in paths}


@each_kind
@pytest.mark.checks("DI-1")
def test_sdist_and_wheel(project: Path, kind: Kind) -> None:
    """Both have name and version, and contain packages at any depth."""
    deep = project / "yourapplication" / "admin" / "forms"
    deep.mkdir(parents=True)
    for folder in (deep, deep.parent):
        (folder / "__init__.py").touch()
    wheel = build(project)
    (sdist,) = (project / "dist").glob("*.tar.gz")
    fields = metadata(wheel)
    assert fields["Name"] == ["yourapplication"]
    assert Version(fields["Version"][0]).release == (1, 0)
    assert "yourapplication/admin/forms/__init__.py" in names(wheel)
    assert fields["Version"][0] in sdist.name and fields["Version"][0] in wheel.name
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert RESOURCES < inside


@pytest.mark.slow
@each_kind
@pytest.mark.wire
@pytest.mark.checks("DI-2")
def test_installed(project: Path, kind: Kind, environment: Environment, tmp_path: Path) -> None:
    """The installed application has all its files, without the folder of the project."""
    wheel = build(project)
    assert names(wheel) > RESOURCES
    assert check_resources(wheel, source=project / "yourapplication") == []
    environment.install_alone(wheel)
    (version,) = metadata(wheel)["Version"]
    project.rename(tmp_path / "moved")
    with served(environment, *SERVE[kind], folder=tmp_path / "elsewhere") as url:
        answers = pages(url)
    assert {answer.status_code for answer in answers.values()} == {200}
    assert "contains its data files" in answers["/"].text
    assert "max-width" in answers["/static/style.css"].text
    assert answers["/version"].json() == {"name": "yourapplication", "version": version}


def without_manifest(project: Path) -> None:
    (project / "MANIFEST.in").unlink()


def without_include_package_data(project: Path) -> None:
    setup = project / "setup.py"
    setup.write_text(setup.read_text().replace("    include_package_data=True,\n", ""))


def ignored(project: Path) -> None:
    (project / ".gitignore").write_text("notice.txt\nstatic/\ntemplates/\n")


def excluded(project: Path) -> None:
    with (project / "pyproject.toml").open("a") as file:
        file.write('exclude = ["notice.txt", "static", "templates"]\n')


def without_package_data(project: Path) -> None:
    (project / "pyproject.toml").write_text(dedent(SETUPTOOLS))


@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.checks("DI-2")
@pytest.mark.parametrize(
    ("kind", "remove"),
    [
        pytest.param("original", without_manifest, id="original without MANIFEST.in"),
        pytest.param(
            "original", without_include_package_data, id="original without include_package_data"
        ),
        pytest.param("port", ignored, id="port with .gitignore"),
        pytest.param("port", excluded, id="port with exclude"),
        pytest.param("port", without_package_data, id="port of setuptools without package-data"),
    ],
)
def test_not_declared(
    project: Path, kind: Kind, remove: object, environment: Environment, tmp_path: Path
) -> None:
    """Without a declaration the files are missing, and the check names them."""
    assert callable(remove)
    remove(project)
    wheel = build(project, "--wheel")
    missing = check_resources(wheel)
    assert {one.path for one in missing} == RESOURCES - {
        # Only the template, which is missing itself, refers to these.
        "yourapplication/static/style.css",
        "yourapplication/static/wheel.svg",
    }
    assert all(one.used_in.startswith("yourapplication/__init__.py:") for one in missing)
    all_missing = check_resources(wheel, source=project / "yourapplication")
    assert {one.path for one in all_missing} == RESOURCES

    environment.install_alone(wheel)
    elsewhere = tmp_path / "elsewhere"
    if kind == "original":  # It fails when a client sends a request.
        with served(environment, *SERVE[kind], folder=elsewhere) as url:
            assert httpx.get(url, trust_env=False).status_code == 500
        return
    with pytest.raises(StartError):  # It does not start.
        with served(environment, *SERVE[kind], folder=elsewhere):
            pass
    log = elsewhere.with_suffix(".log").read_text()
    assert "yourapplication/templates/index.html (used in yourapplication/__init__.py:" in log
    assert "Make them data of the package and build again" in log


@pytest.mark.checks("DI-2")
@pytest.mark.parametrize("kind", ["port"])
@pytest.mark.parametrize(
    ("declared", "change"),
    [
        pytest.param(
            '\n[tool.setuptools.package-data]\nyourapplication = ["**/*"]\n',
            without_package_data,
            id="package-data",
        ),
        pytest.param(
            'artifacts = ["notice.txt", "static", "templates"]\n', ignored, id="artifacts"
        ),
    ],
)
def test_declared(project: Path, declared: str, change: object) -> None:
    """With the declarations in README.md the wheel contains the files."""
    assert callable(change)
    change(project)
    with (project / "pyproject.toml").open("a") as file:
        file.write(declared)
    assert check_resources(build(project, "--wheel"), source=project / "yourapplication") == []


def add_to_index(index: Path, name: str, version: str) -> None:
    """Add an empty wheel to a private package index."""
    info = f"{name}-{version}.dist-info"
    folder = index / name.lower()
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    links = "".join(f'<a href="{file.name}">{file.name}</a>\n' for file in folder.glob("*.whl"))
    (folder / "index.html").write_text(links)


@each_kind
@pytest.mark.checks("DI-3")
def test_ranges(project: Path, kind: Kind, tmp_path: Path) -> None:
    """The newest version in the range of a dependency is installed from a private index."""
    wheel = build(project, "--wheel")
    index = tmp_path / "index"
    for version in ("0.6", "0.9", "1.1"):
        add_to_index(index, "BrokenPackage", version)
    for name, version in (("Flask", "3.1.3"), ("quart", "0.22.1"), ("quart", "0.23.0")):
        add_to_index(index, name, version)
    add_to_index(index, "quartpatterns", "0.1.0")
    environment = Environment.empty(tmp_path / "empty")
    where = ("--no-config", "--default-index", index.as_uri())
    environment.install(*where, wheel)
    found = {path.name.lower() for path in environment.packages.glob("*.dist-info")}
    expected = {"brokenpackage-0.9.dist-info"}
    expected |= {"flask-3.1.3.dist-info"} if kind == "original" else {"quart-0.22.1.dist-info"}
    assert expected < found
    assert len(found) == {"original": 3, "port": 4}[kind]


@each_kind
@pytest.mark.checks("DI-3")
def test_out_of_range(project: Path, kind: Kind, tmp_path: Path) -> None:
    """If no version is in the range, nothing is installed and the error names the range."""
    wheel = build(project, "--wheel")
    index = tmp_path / "index"
    for name, version in (("BrokenPackage", "1.1"), ("Flask", "3"), ("quart", "0.22.0")):
        add_to_index(index, name, version)
    add_to_index(index, "quartpatterns", "0.1.0")
    environment = Environment.empty(tmp_path / "empty")
    output = environment.install(
        "--no-config", "--default-index", index.as_uri(), wheel, code=1
    ).lower()
    assert "brokenpackage>=0.7,<=1.0" in output.replace(" ", "")
    assert not list(environment.packages.glob("*.dist-info"))


def render_index(environment: Environment, folder: Path) -> str:
    """Return the front page, rendered by a new process."""
    code = """
        import asyncio, inspect
        from yourapplication import create_app

        async def get():
            response = create_app().test_client().get("/")
            if inspect.isawaitable(response):
                response = await response
            text = response.get_data(as_text=True)
            print(await text if inspect.isawaitable(text) else text)

        asyncio.run(get())
    """
    folder.mkdir(exist_ok=True)
    return run(environment.python, "-c", dedent(code), cwd=folder).stdout


@pytest.mark.slow
@each_kind
@pytest.mark.checks("DI-4")
@pytest.mark.parametrize("editable", [True, False], ids=["editable", "installed"])
def test_editable(
    project: Path, kind: Kind, editable: bool, environment: Environment, tmp_path: Path
) -> None:
    """Changes of code, templates and data are effective only in an editable installation."""
    environment.install_alone(*(["--editable"] if editable else []), project)
    package = project / "yourapplication"
    edits = {
        "__init__.py": "name=NAME",
        "templates/index.html": "Packaging",
        "notice.txt": "contains",
    }
    assert "edited" not in render_index(environment, tmp_path / "elsewhere")
    for name, word in edits.items():
        after = "name='edited'" if name == "__init__.py" else "edited"
        file = package / name
        file.write_text(file.read_text().replace(word, after))
    assert render_index(environment, tmp_path / "elsewhere").count("edited") == (
        4 if editable else 0
    )


@pytest.mark.checks("DI-5")
@pytest.mark.parametrize("kind", ["original"])
def test_versions_of_the_original(project: Path, kind: Kind) -> None:
    """A build has the date in its version. ``setup.py release`` builds a release."""
    assert re.fullmatch(r"1\.0\.dev\d{8}", metadata(build(project))["Version"][0])
    run(sys.executable, "setup.py", "release", "sdist", "bdist_wheel", cwd=project)
    built = {path.name for path in (project / "dist").iterdir()}
    assert {"yourapplication-1.0.tar.gz", "yourapplication-1.0-py3-none-any.whl"} < built


@pytest.mark.checks("DI-5")
@pytest.mark.parametrize("kind", ["port"])
def test_versions_of_the_port(project: Path, kind: Kind) -> None:
    """A build has the date of its commit. A tag or RELEASE_BUILD=1 makes it a release."""
    env = {"SOURCE_DATE_EPOCH": "1900000000"}
    assert "1.0.dev20300317" in build(project, "--wheel", env=env).name
    assert build(project, "--wheel", env={"RELEASE_BUILD": "1"}).name.startswith(
        "yourapplication-1.0-"
    )

    (project / ".gitignore").write_text("dist/\n")
    git(project, "init", "--quiet")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "First")
    assert "1.0.dev20250102" in build(project, "--wheel", env=env).name
    git(project, "tag", "v1.0")
    assert build(project, "--wheel", env=env).name.startswith("yourapplication-1.0-")


@pytest.mark.checks("DI-5")
@pytest.mark.parametrize("kind", ["port"])
def test_source_distribution_keeps_its_version(project: Path, kind: Kind, tmp_path: Path) -> None:
    """A wheel that is built from a source distribution has its version."""
    sdist = build(project, "--sdist", env={"SOURCE_DATE_EPOCH": "1900000000"})
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert "1.0.dev20300317" in build(unpacked, "--wheel").name


def git(project: Path, *arguments: str) -> str:
    when = "2025-01-02T03:04:05Z"
    who = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b", "GIT_AUTHOR_DATE": when}
    who |= {"GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@b", "GIT_COMMITTER_DATE": when}
    return run("git", *arguments, cwd=project, env=who).stdout
