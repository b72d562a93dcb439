"""What may be written into deploy.toml and pyproject.toml, and what is said about the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quartpatterns.deployment import SettingsError, parse_settings, read_settings

HOSTS: dict[str, Any] = {"web1": "10.0.0.1", "web2": {"address": "10.0.0.2", "port": 2222}}


def parse(**data: Any) -> Any:
    return parse_settings({"hosts": HOSTS, "user": "demo", **data}, root=Path("/p"), name="my-shop")


@pytest.mark.checks("FA-1")
def test_defaults() -> None:
    """A name and hosts are enough."""
    settings = parse()
    assert settings.app == "my_shop.asgi:app"
    first, second = settings.hosts
    assert (first.name, first.address, first.port, first.user) == ("web1", "10.0.0.1", None, "demo")
    assert (second.address, second.port) == ("10.0.0.2", 2222)
    assert str(first.folder) == "/srv/my-shop"
    assert first.bind == ("127.0.0.1:8000",)
    assert (settings.health.path, settings.keep, settings.supervisor) == ("/health", 5, "process")


@pytest.mark.checks("FA-4")
def test_of_a_host() -> None:
    """A host says otherwise than what is said of all; files are named after it."""
    hosts = {"web1": {"folder": "/opt/x", "bind": "[::]:80", "environment": "one.env"}, "web2": {}}
    settings = parse(hosts=hosts, environment="all.env", files={"app.cfg": "config/{host}.cfg"})
    first, second = settings.hosts
    assert (str(first.folder), first.bind) == ("/opt/x", ("[::]:80",))
    assert (first.environment, second.environment) == (Path("/p/one.env"), Path("/p/all.env"))
    assert second.files == {"app.cfg": Path("/p/config/web2.cfg")}


def test_select() -> None:
    settings = parse(groups={"all": ["web2", "web1"], "one": "web2"})
    assert [host.name for host in settings.select(["all"])] == ["web1", "web2"]
    assert [host.name for host in settings.select(["one"])] == ["web2"]
    assert len(settings.select()) == 2
    with pytest.raises(SettingsError, match="'web9'; there is web1, web2, all, one"):
        settings.select(["web9"])
    with pytest.raises(SettingsError, match=r"no hosts: add \[hosts\]"):
        parse(hosts={}).select()


@pytest.mark.checks("FA-11")
@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"kep": 3}, "there is no setting 'kep'; do you mean keep?"),
        ({"hosts": {"a": {"prot": 1}}}, "hosts a: there is no setting 'prot'; do you mean port?"),
        ({"health": {"pat": "/"}}, "health: there is no setting 'pat'; do you mean path?"),
        ({"keep": 0}, "keep is 0: it should be a whole number, 1 or more"),
        ({"keep": True}, "keep is True: it should be a whole number"),
        ({"keep": "3"}, "keep is '3'"),
        ({"graceful": -1}, "graceful is -1: it should be seconds"),
        ({"app": ["x"]}, "app is .*: it should be a text of one line"),
        ({"user": "root; rm -rf /"}, "user is 'root; rm -rf /': it should match"),
        ({"name": "../x"}, "name is '../x': it should match"),
        ({"bind": "8000"}, "bind is '8000': it should be a list of texts that match"),
        ({"bind": ["localhost:80", 3]}, "bind is"),
        ({"folder": "srv/demo"}, "folder is 'srv/demo': it should be like \"/srv/demo\""),
        ({"folder": "/"}, "folder is '/'"),
        ({"folder": "/srv/../etc"}, "folder is"),
        ({"folder": "/srv/" + "x" * 80}, "of 70 characters at most"),
        ({"python": "3"}, "python is '3': it should be a version, \"3.12\", or an absolute path"),
        ({"supervisor": "runit"}, "supervisor is 'runit': it should be one of process, systemd"),
        ({"hosts": {"-x": {}}}, "be called with letters"),
        ({"hosts": {"a": 3}}, "hosts a is 3: it should be a table"),
        ({"hosts": {"a": {"port": 0}}}, "port is 0"),
        ({"groups": {"g": ["nobody"]}}, "g is 'nobody': it should be one of the hosts: web1, web2"),
        ({"groups": {"web1": ["web2"]}}, "not be called as a host is"),
        ({"files": {"../x": "y"}}, "it should be a path under shared/"),
        ({"files": {"env": "y"}}, "and not env"),
        ({"workers": {"mail": 1}}, "workers: mail is 1"),
        ({"health": "x"}, "health is 'x': it should be a table"),
    ],
    ids=str,
)
def test_refused(data: dict[str, Any], said: str) -> None:
    """A key or value that can't be used is an error that names it, and says what could be."""
    with pytest.raises(SettingsError, match=said.replace("?", r"\?").replace("(", r"\(")):
        parse(**data)


def test_files(tmp_path: Path) -> None:
    """deploy.toml comes before pyproject.toml; both know the project's name."""
    with pytest.raises(SettingsError, match="can't be read.*write a deploy.toml"):
        read_settings(tmp_path)
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text('[project]\nname = "shop"\n')
    with pytest.raises(SettingsError, match=r"has no \[tool.quartpatterns.deploy\]"):
        read_settings(tmp_path)
    pyproject.write_text('[project]\nname = "shop"\n[tool.quartpatterns.deploy]\nkeep = 2\n')
    assert (read_settings(tmp_path).name, read_settings(tmp_path).keep) == ("shop", 2)
    (tmp_path / "deploy.toml").write_text('keep = 3\n[hosts]\na = "b"\n')
    assert (read_settings(tmp_path).name, read_settings(tmp_path).keep) == ("shop", 3)
    assert read_settings(tmp_path / "deploy.toml").root == tmp_path
    (tmp_path / "deploy.toml").write_text("keep = \n")
    with pytest.raises(SettingsError, match="deploy.toml is not TOML: .*line 1"):
        read_settings(tmp_path)


def test_name_is_needed() -> None:
    with pytest.raises(SettingsError, match="name is missing: add name"):
        parse_settings({}, root=Path("/p"))
