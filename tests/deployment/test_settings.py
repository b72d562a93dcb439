"""Valid and invalid settings in deploy.toml and pyproject.toml."""

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
    """Only the name and the hosts are required."""
    settings = parse()
    assert settings.app == "my_shop.asgi:app"
    first, second = settings.hosts
    assert (first.name, first.address, first.port, first.user) == ("web1", "10.0.0.1", None, "demo")
    assert (second.address, second.port) == ("10.0.0.2", 2222)
    assert str(first.folder) == "/srv/my-shop"
    assert first.bind == ("127.0.0.1:8000",)
    assert (settings.health.path, settings.keep, settings.supervisor) == ("/health", 5, "process")


@pytest.mark.checks("FA-4")
def test_settings_of_a_host() -> None:
    """A host overrides the settings of all hosts. Paths of files can contain its name."""
    hosts = {"web1": {"folder": "/opt/x", "bind": "[::]:80", "environment": "one.env"}, "web2": {}}
    settings = parse(hosts=hosts, environment="all.env", files={"app.cfg": "config/{host}.cfg"})
    first, second = settings.hosts
    assert (str(first.folder), first.bind) == ("/opt/x", ("[::]:80",))
    assert (first.environment, second.environment) == (Path("/p/one.env"), Path("/p/all.env"))
    assert second.files == {"app.cfg": Path("/p/config/web2.cfg")}


def test_proxies() -> None:
    """The settings for proxies are environment variables; the health check has the prefix."""
    assert parse().variables == {}
    settings = parse(**{"proxies": 2, "prefix": "/my/shop", "secure-cookies": True})
    assert settings.variables == {
        "QUART_PROXIES": "2",
        "QUART_PREFIX": "/my/shop",
        "QUART_SECURE_COOKIES": "true",
    }
    assert settings.health.path == "/my/shop/health"
    own = parse(**{"prefix": "/shop", "proxies": 0, "health": {"path": "/shop/up"}})
    assert own.variables == {"QUART_PROXIES": "0", "QUART_PREFIX": "/shop"}
    assert own.health.path == "/shop/up"


def test_longest_folder() -> None:
    """The path of a folder has at most 70 characters."""
    longest = "/srv/" + "x" * 65
    assert str(parse(folder=longest).hosts[0].folder) == longest
    with pytest.raises(SettingsError, match="at most 70 characters"):
        parse(folder=f"{longest}x")


def test_select() -> None:
    settings = parse(groups={"all": ["web2", "web1"], "one": "web2"})
    assert [host.name for host in settings.select(["all"])] == ["web1", "web2"]
    assert [host.name for host in settings.select(["one"])] == ["web2"]
    assert len(settings.select()) == 2
    with pytest.raises(
        SettingsError, match="'web9' is unknown. The settings have web1, web2, all, one"
    ):
        settings.select(["web9"])
    with pytest.raises(SettingsError, match=r"have no hosts. Add \[hosts\]"):
        parse(hosts={}).select()


@pytest.mark.checks("FA-11")
@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"prefx": "/a"}, "the setting 'prefx' is unknown. Did you mean prefix?"),
        ({"proxies": -1}, "proxies must be a whole number of 0 or more, not -1"),
        ({"proxies": True}, "proxies must be a whole number of 0 or more, not True"),
        ({"prefix": "shop"}, "prefix must be a string that matches"),
        ({"prefix": "/shop/"}, "prefix must be a string that matches"),
        ({"secure-cookies": "yes"}, "secure-cookies must be true or false, not 'yes'"),
        ({"kep": 3}, "the setting 'kep' is unknown. Did you mean keep?"),
        (
            {"hosts": {"a": {"prot": 1}}},
            "hosts a: the setting 'prot' is unknown. Did you mean port?",
        ),
        ({"health": {"pat": "/"}}, "health: the setting 'pat' is unknown. Did you mean path?"),
        *(
            ({"hosts": {"a": address}}, "the user and the port are settings of their own")
            for address in (
                "shop@web1",
                "shop@web1:2222",
                "web1:2222",
                "web1:",
                "[::1]",
                "[::1]:22",
                "10.0.0.1:22",
                "ssh://web1",
                "web 1",
            )
        ),
        ({"keep": 0}, "keep must be a whole number of 1 or more, not 0"),
        ({"keep": True}, "keep must be a whole number of 1 or more, not True"),
        ({"keep": "3"}, "keep must be a whole number of 1 or more, not '3'"),
        ({"graceful": 0}, "graceful must be a number of seconds, more than 0, not 0"),
        ({"graceful": -1}, "graceful must be a number of seconds, more than 0, not -1"),
        ({"app": ["x"]}, "app must be a string of one line, not"),
        ({"user": "root; rm -rf /"}, "user must be a string that matches .* not 'root; rm -rf /'"),
        ({"name": "../x"}, "name must be a string that matches .* not '../x'"),
        ({"bind": "8000"}, "bind must be a list of addresses such as .* not '8000'"),
        ({"bind": ["localhost:80", 3]}, "bind must be a list"),
        ({"folder": "srv/demo"}, "folder must be a path like \"/srv/demo\" .* not 'srv/demo'"),
        ({"folder": "/"}, "folder must be a path .* not '/'"),
        ({"folder": "/srv/../etc"}, "folder must be a path"),
        ({"folder": "/srv/" + "x" * 80}, "of at most 70 characters"),
        ({"folder": "/srv/$HOME"}, 'without " \\$ ` and'),
        ({"folder": "/srv/a\\b"}, 'without " \\$ ` and'),
        (
            {"python": "3"},
            "python must be a version such as \"3.12\", or an absolute path, not '3'",
        ),
        ({"supervisor": "runit"}, "supervisor must be .*process|systemd.* not 'runit'"),
        ({"hosts": {"-x": {}}}, "a name must be letters, digits"),
        ({"hosts": {"a": 3}}, "hosts a must be a table, not 3"),
        ({"hosts": {"a": {"port": 0}}}, "port must be a port: .* from 1 to 65535, not 0"),
        ({"hosts": {"a": {"port": 70000}}}, "port must be a port: .* to 65535, not 70000"),
        ({"hosts": {"a": {"port": True}}}, "port must be a port: .* to 65535, not True"),
        (
            {"bind": "127.0.0.1:70000"},
            "bind must be .* ports from 1 to 65535 .* not '127.0.0.1:70000'",
        ),
        ({"bind": ["a:80", "a:0"]}, "bind must be .* ports from 1 to 65535 .* not 'a:0'"),
        ({"bind": "[::1]:65536"}, "bind must be .* ports from 1 to 65535 .*"),
        ({"bind": "[12345::1]:80"}, "bind must be .* valid hosts"),
        ({"bind": "[.]:80"}, "bind must be .* valid hosts"),
        ({"bind": "localhost:٣"}, "bind must be .* not 'localhost:٣'"),
        ({"bind": "unix:/" + "x" * 107}, "paths of at most 107 bytes"),
        ({"bind": []}, "bind must be a list with an address"),
        ({"groups": {"g": ["nobody"]}}, "g must be a list of hosts .web1, web2., not 'nobody'"),
        ({"groups": {"web1": ["web2"]}}, "a name must be different from the names of hosts"),
        ({"files": {"../x": "y"}}, "must be a path below shared/"),
        ({"files": {"env": "y"}}, "other than env"),
        ({"files": {"a": "{hots}/a"}}, "a must be a path without other braces .* not '{hots}/a'"),
        ({"files": {"a": "{host.name}"}}, "a must be a path without other braces"),
        ({"files": {"a": "{"}}, "a must be a path without other braces"),
        ({"workers": {"mail": 1}}, "workers: mail must be a string of one line, not 1"),
        ({"health": "x"}, "health must be a table, not 'x'"),
    ],
    ids=str,
)
def test_invalid(data: dict[str, Any], text: str) -> None:
    """The error names the setting and says what is valid."""
    with pytest.raises(SettingsError, match=text.replace("?", r"\?")):
        parse(**data)


def test_files(tmp_path: Path) -> None:
    """deploy.toml takes precedence. The name of the project comes from pyproject.toml."""
    with pytest.raises(SettingsError, match="cannot be read.*Write a deploy.toml"):
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
    with pytest.raises(SettingsError, match="deploy.toml is not valid TOML: .*line 1"):
        read_settings(tmp_path)


def test_name_is_required() -> None:
    with pytest.raises(SettingsError, match="name is missing. Add name"):
        parse_settings({}, root=Path("/p"))
