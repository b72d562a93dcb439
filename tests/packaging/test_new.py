"""``quartpatterns new`` and the projects that it creates."""

from __future__ import annotations

import json
import keyword
import os
import re
import socket
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from hypercorn.config import Config
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

import quartpatterns
from quartpatterns._shared.installed_from import installed_from
from quartpatterns.cli.new import command as new_command
from quartpatterns.packaging import (
    FEATURES,
    SERVERS,
    ProjectError,
    ProjectNameError,
    check_resources,
    new_project,
)
from quartpatterns.packaging.projects import check_name
from tests.packaging.building import ROOT, Environment, build, clean_environment, run, served

FEATURE_SETS = [
    pytest.param(features, id="+".join(features) or "bare")
    for features in ((), *((name,) for name in FEATURES), tuple(FEATURES))
]


def new(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [sys.executable, "-m", "quartpatterns", "new", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, env=clean_environment(env), timeout=60
    )


def files(folder: Path) -> dict[str, str]:
    """Return the files in *folder* and their texts."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A cache of mypy, so that it checks Quart and SQLAlchemy only once."""
    return {"MYPY_CACHE_DIR": str(tmp_path_factory.mktemp("mypy"))}


@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.timeout(600)
@pytest.mark.checks("DI-8")
@pytest.mark.parametrize("features", FEATURE_SETS)
def test_suites(features: tuple[str, ...], environment: Environment, tmp_path: Path) -> None:
    """The tests of the project succeed."""
    project = new_project("demo", tmp_path, features=features)
    environment.install_alone("--editable", project.folder)
    output = run(environment.python, "-m", "pytest", "-q", cwd=project.folder).stdout
    assert re.search(r"\d+ passed", output)
    assert not re.search("skipped|warning", output)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.checks("DI-8")
@pytest.mark.parametrize("features", FEATURE_SETS)
def test_types(
    features: tuple[str, ...], environment: Environment, tmp_path: Path, mypy_cache: dict[str, str]
) -> None:
    """mypy succeeds, with its option --strict."""
    project = new_project("demo", tmp_path, features=features)
    environment.install_alone("--editable", project.folder)
    run(environment.python, "-m", "mypy", cwd=project.folder, env=mypy_cache)


@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.timeout(600)
@pytest.mark.checks("DI-8")
@pytest.mark.parametrize("features", [(), ("sqlalchemy",)])
@pytest.mark.parametrize("server", ["uvicorn", "granian"])
def test_other_servers(
    server: str, features: tuple[str, ...], environment: Environment, tmp_path: Path
) -> None:
    """With another server the tests of the project succeed, and it serves with its options."""
    project = new_project("demo", tmp_path, features=features, server=server)
    environment.install_alone("--editable", project.folder)
    for tool in (["mypy"], ["ruff", "check"], ["ruff", "format", "--check"]):
        run(environment.python, "-m", *tool, cwd=project.folder)
    output = run(environment.python, "-m", "pytest", "-q", cwd=project.folder).stdout
    assert re.search(r"\d+ passed", output)
    command = ("-m", "demo", "--port", "{port}")
    with served(environment, *command, folder=project.folder) as url:
        response = httpx.get(f"{url}/health", headers={"X-Forwarded-Proto": "https"})
        page = httpx.get(f"{url}/", trust_env=False)
    assert (response.status_code, response.json()["status"]) == (200, "ok")
    assert page.headers["Server"] == server


@pytest.mark.checks("DI-8")
@pytest.mark.parametrize("server", ["uvicorn", "granian"])
def test_files_of_other_servers(server: str, tmp_path: Path) -> None:
    """Only its own server is in the files of a project, and the extra installs it."""
    project = new_project("demo", tmp_path, features=[*FEATURES], server=server)
    assert project.server == server
    pyproject = tomllib.loads((project.folder / "pyproject.toml").read_text())
    requirements = map(Requirement, pyproject["project"]["dependencies"])
    found = {requirement.name: requirement for requirement in requirements}
    assert found.keys() == {"quart", "quartpatterns"}
    assert server in found["quartpatterns"].extras
    others = {"hypercorn", "uvicorn", "granian"} - {server}
    texts = "".join(files(project.folder).values()).lower() + str(project.files)
    assert not [name for name in others if name in texts]
    for tool in (["check"], ["format", "--check"]):
        run(sys.executable, "-m", "ruff", *tool, ".", cwd=project.folder)


def test_unknown_server(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="'daphne' is unknown. The servers are hypercorn, uvi"):
        new_project("demo", tmp_path, server="daphne")


@pytest.mark.checks("DI-8")
@pytest.mark.parametrize("name", ["x", "a2345678901234567890123456789z"])
def test_style_for_any_name(name: str, tmp_path: Path) -> None:
    """The style of the code is right for short and long names."""
    project = new_project(name, tmp_path, features=[*FEATURES])
    for tool in (["check"], ["format", "--check"]):
        run(sys.executable, "-m", "ruff", *tool, ".", cwd=project.folder)


@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.checks("DI-8")
@pytest.mark.parametrize("installed", ["editable", "wheel"])
def test_served(installed: str, environment: Environment, tmp_path: Path) -> None:
    """The project serves from a checkout, and from a wheel in an empty folder."""
    project = new_project("demo", tmp_path, features=["sqlalchemy"])
    editable = installed == "editable"
    wheel = None if editable else build(project.folder, "--wheel")
    environment.install_alone(*([wheel] if wheel else ["--editable", project.folder]))
    elsewhere = project.folder if editable else tmp_path / "elsewhere"
    command = ("-m", "demo", "--bind", "127.0.0.1:{port}")
    with served(environment, *command, folder=elsewhere) as url:
        with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
            health = client.get("/health")
            added = client.post("/notes/", data={"text": "Milk"})
            assert "Milk" in client.get("/notes/").text
            assert "max-width" in client.get("/static/style.css").text
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    assert re.fullmatch(r"0\.1\.0\.dev\d{8}", health.json()["version"])
    assert added.status_code == 303
    if wheel:
        assert check_resources(wheel, source=project.folder / "demo") == []
        assert list(elsewhere.iterdir()) == []


@pytest.mark.checks("DI-8")
def test_shape(tmp_path: Path) -> None:
    """The project has the usual files, and no placeholder is left."""
    bare = files(new_project("bare", tmp_path).folder)
    assert {
        "pyproject.toml",
        "hypercorn.toml",
        "README.md",
        "bare/__init__.py",
        "bare/asgi.py",
        "bare/blueprints/site.py",
        "bare/templates/index.html",
        "bare/static/style.css",
        "bare/py.typed",
        "tests/test_site.py",
    } < bare.keys()
    full = files(new_project("full", tmp_path, features=[*FEATURES]).folder)
    assert {
        "migrations/env.py",
        "migrations/versions/0002_users.py",
        "full/accounts.py",
        "full/background.py",
        "full/blueprints/api.py",
        "full/caching.py",
        "full/languages.py",
        "full/models.py",
        "full/protection.py",
        "full/storage.py",
        "full/templates/_formhelpers.html",
        "full/translations/de/LC_MESSAGES/messages.po",
    } < full.keys()
    for text in [*bare.values(), *full.values()]:
        assert not re.search(r"yourapplication|@\{|# \{%", text)


@pytest.mark.checks("DI-8")
def test_hypercorn_keys(tmp_path: Path) -> None:
    """All keys in hypercorn.toml exist, because Hypercorn ignores unknown keys."""
    project = new_project("demo", tmp_path)
    keys = tomllib.loads((project.folder / "hypercorn.toml").read_text())
    assert keys
    assert all(hasattr(Config, key) for key in keys)


@pytest.mark.checks("DI-3", "DI-8")
def test_dependencies(tmp_path: Path) -> None:
    """The project requires this version of quartpatterns, with extras, and the same quart."""
    project = new_project("demo", tmp_path, features=["tasks", "sqlalchemy"])
    project = tomllib.loads((project.folder / "pyproject.toml").read_text())["project"]
    required = {one.name: one for one in map(Requirement, project["dependencies"])}
    requirement = required["quartpatterns"]
    assert requirement.extras == {"migrations", "postgresql", "sqlalchemy", "tasks"}
    assert requirement.specifier.contains(quartpatterns.__version__)
    assert not requirement.specifier.contains("99")
    own = [Requirement(line) for line in metadata.requires("quartpatterns") or ()]
    (quart,) = (one for one in own if one.name == "quart" and not one.marker)
    assert required["quart"].specifier == quart.specifier


@pytest.mark.checks("DI-9")
def test_command(tmp_path: Path) -> None:
    """The output contains the folder and the next commands, by choice as JSON."""
    result = new("demo", "--with", "sqlalchemy, tasks,", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert str(tmp_path / "demo") in result.stdout
    install = f"pip install --editable '.[dev]' {ROOT}"
    for command in ("cd demo", ". .venv/bin/activate", install, "pytest", "python -m demo"):
        assert f"  {command}\n" in result.stdout
    assert f"quartpatterns is installed from {ROOT}.\n" in result.stdout
    result = new("shop", "--json", "--in", str(tmp_path / "demo"), cwd=tmp_path)
    data = json.loads(result.stdout)
    assert data["added"] == {}
    assert data["name"] == "shop" and data["with"] == [] and len(data["next"]) == 6
    assert data["quartpatterns"] == str(ROOT)
    assert set(data["files"]) == files(Path(data["folder"])).keys()
    assert Path(data["folder"]) == tmp_path / "demo" / "shop"


@pytest.mark.checks("DI-9")
def test_several_features(tmp_path: Path) -> None:
    """Features can be given in one option, and in several."""
    arguments = ["--with", "caching,tasks", "--with", "i18n", "--with=tasks"]
    data = json.loads(new("demo", "--json", *arguments, cwd=tmp_path).stdout)
    assert data["with"] == ["i18n", "tasks", "caching"]


@pytest.mark.checks("DI-8")
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (None, None),
        ({"url": "file:///a%20b", "dir_info": {"editable": True}}, "/a b"),
        ({"url": "file:///w/q-1-py3-none-any.whl", "archive_info": {}}, "/w/q-1-py3-none-any.whl"),
        (
            {"url": "https://host/q", "vcs_info": {"vcs": "git", "commit_id": "12ab"}},
            "git+https://host/q@12ab",
        ),
    ],
)
def test_installed_from(
    source: object, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The metadata of an installed distribution say where it came from, as pip writes them."""
    pretend_installed(tmp_path, source, monkeypatch)
    assert installed_from() == expected


def pretend_installed(folder: Path, source: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the metadata of a quartpatterns that was installed from *source*, and use them."""
    information = folder / "quartpatterns-0.1.0.dist-info"
    information.mkdir()
    if source:
        (information / "direct_url.json").write_text(json.dumps(source))
    monkeypatch.setattr(metadata, "distribution", lambda _: metadata.PathDistribution(information))


@pytest.mark.checks("DI-9")
@pytest.mark.parametrize("there", [True, False])
def test_wheel_that_is_gone(there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the wheel is gone, the project is installed in the environment of quartpatterns."""
    wheel = tmp_path / "quartpatterns-0.1.0-py3-none-any.whl"
    if there:
        wheel.touch()
    pretend_installed(tmp_path, {"url": wheel.as_uri(), "archive_info": {}}, monkeypatch)
    output = CliRunner().invoke(new_command, ["demo", "--in", str(tmp_path)]).output
    assert ("It is not there any more" in output) != there
    assert (f". {sys.prefix}/bin/activate\n" in output) != there
    assert (f"pip install --editable '.[dev]' {wheel}\n" in output) == there


@pytest.mark.checks("DI-9")
def test_help(tmp_path: Path) -> None:
    output = new("--help", cwd=tmp_path).stdout
    assert all(feature in output for feature in FEATURES)
    assert "--with sqlalchemy,tasks" in output and "Exit code" in output


@pytest.mark.checks("DI-9")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["my-shop"], "hyphen cannot be imported. Try 'my_shop'", id="hyphen"),
        pytest.param(["class"], "a keyword of Python. Try 'class_app'", id="keyword"),
        pytest.param(["calendar"], "standard library. Try 'calendar_app'", id="library"),
        pytest.param(["Grüße"], "should be ASCII. Try 'grusse'", id="not ASCII"),
        pytest.param(["магазин"], "Try 'my_app'", id="no ASCII at all"),
        pytest.param(["Shop"], "lower-case letters, digits and underscores", id="capital"),
        pytest.param(["2shops"], "Try 'shops'", id="digit"),
        pytest.param(["shop_"], "Try 'shop'", id="underscore"),
        pytest.param(["../shop"], "Try 'shop'", id="path"),
        pytest.param([""], "Try 'my_app'", id="empty"),
        pytest.param(["quart"], "hide a module of the installed package Quart", id="installed"),
        pytest.param(["tests"], "reserved. Try 'tests_app'", id="folder"),
        pytest.param(["con"], "reserved. Try 'con_app'", id="device"),
        pytest.param(["a" * 31], "at most 30 characters", id="long"),
        pytest.param(["x\ny"], "Try 'x_y'", id="line"),
        pytest.param(
            ["shop", "--with", "sqlalchmy"], "'sqlalchmy' is unknown. The features are", id="with"
        ),
        pytest.param(["shop", "--in", "nowhere"], "'nowhere' does not exist", id="in"),
        pytest.param([], "Missing argument 'NAME'", id="nothing"),
    ],
)
def test_invalid_call(arguments: list[str], message: str, tmp_path: Path) -> None:
    """An invalid call has exit code 2, says what is valid, and writes nothing."""
    result = new(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr and not result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.checks("DI-9")
@given(st.text(max_size=40))
def test_suggestions(name: str) -> None:
    """The suggestion for any text is a valid name."""
    try:
        check_name(name)
    except ProjectNameError as error:
        (suggestion,) = re.findall(r"Try '(\w+)'$", str(error))
        check_name(suggestion)
    else:
        assert name.isidentifier() and name.islower() and not keyword.iskeyword(name)


@pytest.mark.checks("DI-9")
def test_never_overwritten(tmp_path: Path) -> None:
    """Existing files are listed and not changed, and no file is added."""
    folder = tmp_path / "demo"
    (folder / "demo").mkdir(parents=True)
    (folder / "README.md").write_text("mine")
    (folder / "demo" / "__init__.py").write_text("mine too")
    (folder / "notes.txt").write_text("no conflict")
    before = files(tmp_path)
    result = new("demo", cwd=tmp_path)
    assert result.returncode == 2
    assert (
        "It contains README.md, demo/__init__.py. Nothing was overwritten. Choose another name"
        in result.stderr
    )
    assert files(tmp_path) == before
    (folder / "README.md").unlink()
    (folder / "demo" / "__init__.py").unlink()
    assert (
        "It contains demo, notes.txt. Nothing was overwritten" in new("demo", cwd=tmp_path).stderr
    )


@pytest.mark.checks("DI-9")
def test_existing_project(tmp_path: Path) -> None:
    new_project("demo", tmp_path)
    with pytest.raises(ProjectError, match=r"\.gitignore, README\.md, .* and \d+ more\. Nothing"):
        new_project("demo", tmp_path)


@pytest.mark.checks("DI-9")
def test_empty_folder(tmp_path: Path) -> None:
    """An existing empty folder is used. The umask applies to all files."""
    (tmp_path / "demo").mkdir()
    before = os.umask(0o027)
    try:
        project = new_project("demo", tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(project.folder.stat().st_mode) == 0o750
    assert stat.S_IMODE((project.folder / "demo/__init__.py").stat().st_mode) == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


@pytest.mark.checks("DI-9")
@pytest.mark.parametrize("kind", ["file", "link"])
def test_existing_file(kind: str, tmp_path: Path) -> None:
    """A file or a link with that name is not changed."""
    path = tmp_path / "demo"
    path.write_text("mine") if kind == "file" else path.symlink_to("nowhere")
    with pytest.raises(ProjectError, match="demo exists already. Move it away"):
        new_project("demo", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


@pytest.mark.checks("DI-9")
@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that is not writable")
def test_not_writable() -> None:
    with pytest.raises(ProjectError, match="/proc/demo cannot be created: "):
        new_project("demo", "/proc")


@pytest.mark.checks("DI-9")
def test_full_disk(tmp_path: Path) -> None:
    """If the disk is full, no file is left."""
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500));"
        "from quartpatterns.cli import main; main(['new', 'demo'])"
    )
    result = run(sys.executable, "-B", "-c", code, cwd=tmp_path, code=2)
    assert "demo cannot be created: File too large" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


each_server = pytest.mark.parametrize(
    "server",
    [
        pytest.param(server, marks=[] if server == "hypercorn" else pytest.mark.slow)
        for server in SERVERS
    ],
)


def installed_project(tmp_path: Path, **options: Any) -> Path:
    """Create a project, with the metadata of an installed one, and return its folder."""
    folder = new_project("demo", tmp_path, **options).folder
    information = folder / "demo-0.1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Name: demo\nVersion: 0.1.0\n")
    return folder


@pytest.mark.checks("DI-8")
@each_server
def test_taken_port(server: str, taken_port: int, tmp_path: Path) -> None:
    """If the port is taken, the command says so in one line, and runs nothing."""
    folder = installed_project(tmp_path, features=["sqlalchemy"], server=server)
    option = "--bind HOST:PORT" if server == "hypercorn" else "--host and --port"
    address = f"127.0.0.1:{taken_port}"
    given = [f"--bind={address}"] if server == "hypercorn" else [f"--port={taken_port}"]
    command = [sys.executable, "-m", "demo", *given]
    result = run(*command, cwd=folder, code=1, env={"QUART_INSTANCE_PATH": str(tmp_path)})
    reason = f"{address}: Address already in use. Choose another one with {option}."
    assert result.stdout + result.stderr == f"Cannot listen on {reason}\n"
    assert not list(tmp_path.glob("*.sqlite*")) + list(tmp_path.glob("*.db"))


@pytest.mark.slow
@pytest.mark.checks("DI-8")
@pytest.mark.parametrize("server", ["uvicorn", "granian"])
def test_unix_socket(server: str, taken_port: int, tmp_path: Path) -> None:
    """A server on a Unix socket needs no port."""
    folder = installed_project(tmp_path, server=server)
    command = [sys.executable, "-m", "demo", f"--port={taken_port}", "--uds=socket", "--nope"]
    # The server has no such option, and says so instead of listening.
    assert "--nope" in run(*command, cwd=folder, code=2).stderr


@pytest.mark.checks("DI-8")
def test_another_configuration(taken_port: int, tmp_path: Path) -> None:
    """``--config`` replaces hypercorn.toml, also its address."""
    folder = installed_project(tmp_path)
    address = f"127.0.0.1:{taken_port}"
    (folder / "other.toml").write_text(f'bind = "{address}"\n')
    command = [sys.executable, "-m", "demo", "--config"]
    result = run(*command, "other.toml", cwd=folder, code=1)
    assert result.stderr.startswith(f"Cannot listen on {address}: Address already in use.")
    result = run(*command, "nope.toml", cwd=folder, code=1)
    assert result.stderr == "nope.toml: No such file or directory\n"


@pytest.mark.checks("DI-8")
@each_server
def test_help_of_project(server: str, tmp_path: Path) -> None:
    """The command of the project has a help of its own, which names the address."""
    folder = installed_project(tmp_path, server=server)
    output = run(sys.executable, "-m", "demo", "--help", cwd=folder).stdout
    assert output.startswith("usage: python -m demo ")
    assert "5000" in output and f"`{server} --help`" in output and "QUART_TITLE" in output
