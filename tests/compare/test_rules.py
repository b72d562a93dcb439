"""The URL rules of applications, and which of them a request reaches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from quart import Quart
from werkzeug.routing import BaseConverter

from quartpatterns.compare.rules import WEBSOCKET, URLRule, URLRules, host_and_target
from quartpatterns.subclassing import FaithfulQuart

each_framework = pytest.mark.parametrize("framework", [Flask, Quart, FaithfulQuart])


class Words(BaseConverter):
    """A converter of the user: words with hyphens."""

    regex = "[a-z]+(-[a-z]+)*"


def add(app: Any, path: str, *methods: str, **options: Any) -> None:
    """Add a rule; its view is never called."""
    endpoint = f"{path} {' '.join(methods)} {options}".replace(".", "_")
    app.add_url_rule(
        path, endpoint=endpoint, methods=methods or None, view_func=lambda: "", **options
    )


@each_framework
@pytest.mark.parametrize(
    ("rule", "path", "other"),
    [
        ("/users/<int:id>", "/users/7", "/users/x"),
        ("/users/<name>", "/users/a%20b", "/users/a/b"),
        ("/size/<float:size>", "/size/1.5", "/size/1"),
        ("/files/<path:name>", "/files/a/b", "/files"),
        ("/ids/<uuid:id>", "/ids/123e4567-e89b-12d3-a456-426614174000", "/ids/1"),
        ("/kinds/<any(a, 'b-c'):kind>", "/kinds/b-c", "/kinds/d"),
        ("/pages/<words:page>", "/pages/about-us", "/pages/About"),
    ],
)
def test_converters(framework: Any, rule: str, path: str, other: str) -> None:
    app = framework("app", static_folder=None)
    app.url_map.converters["words"] = Words
    add(app, rule)
    rules = URLRules(app)
    assert rules.all == [URLRule(rule, "GET")]
    assert rules.match("GET", f"{path}?q=1") == URLRule(rule, "GET")
    assert rules.match("GET", other) is None
    assert rules.match("POST", path) is None


@each_framework
def test_methods(framework: Any) -> None:
    """HEAD and OPTIONS are rules only if the view has asked for them."""
    app = framework("app", static_folder=None)
    add(app, "/a", "GET", "POST")
    add(app, "/b", "HEAD", "OPTIONS", provide_automatic_options=False)
    rules = URLRules(app)
    assert rules.all == [
        URLRule("/a", "GET"),
        URLRule("/a", "POST"),
        URLRule("/b", "HEAD"),
        URLRule("/b", "OPTIONS"),
    ]
    assert rules.match("HEAD", "/a") == URLRule("/a", "HEAD")
    assert rules.match("POST", "/a") == URLRule("/a", "POST")


@each_framework
def test_answered_without_a_view(framework: Any) -> None:
    """A redirect to the URL with a slash reaches no view."""
    app = framework("app", static_folder=None)
    add(app, "/a/")
    assert URLRules(app).match("GET", "/a") is None


@each_framework
def test_hosts(framework: Any) -> None:
    app = framework("app", static_folder=None, host_matching=True)
    add(app, "/", host="api.example.com")
    add(app, "/", host="<user>.example.com")
    rules = URLRules(app)
    assert rules.match("GET", "/", "api.example.com") == URLRule("/", "GET", "api.example.com")
    found = rules.match("GET", "/", "ada.example.com")
    assert found == URLRule("/", "GET", "<user>.example.com")
    assert found.arguments == ("user",)
    assert found.fill({"user": "bob"}) == ("bob.example.com", "/")
    assert rules.match("GET", "/") is None


@each_framework
def test_subdomains(framework: Any) -> None:
    app = framework("app", static_folder=None, subdomain_matching=True)
    app.config["SERVER_NAME"] = "example.com"
    add(app, "/")
    add(app, "/", subdomain="<user>")
    rules = URLRules(app)
    assert rules.match("GET", "/", "example.com") == URLRule("/", "GET", "example.com")
    assert rules.match("GET", "/", "localhost") == URLRule("/", "GET", "<user>.example.com")
    assert rules.match("GET", "/", "ada.example.com") == URLRule("/", "GET", "<user>.example.com")


def test_websocket() -> None:
    app = Quart("app", static_folder=None)
    app.add_websocket("/feed", view_func=lambda: None)
    rules = URLRules(app)
    assert rules.all == [URLRule("/feed", WEBSOCKET)]
    assert rules.match(WEBSOCKET, "/feed") == URLRule("/feed", WEBSOCKET)
    assert rules.match("GET", "/feed") is None


@each_framework
def test_static_folder(framework: Any, tmp_path: Path) -> None:
    """Every application has a rule for static files, also if it has none."""
    app = framework("app", static_folder=str(tmp_path), static_url_path="/static")
    assert URLRules(app).all == []
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "style.css").touch()
    assert URLRules(app).all == [URLRule("/static/<path:filename>", "GET")]


def test_other_applications() -> None:
    with pytest.raises(LookupError, match="function has no url_map: use --requests"):
        URLRules(lambda environ, start_response: [])


@pytest.mark.parametrize(
    ("path", "values", "filled"),
    [
        ("/a/<int:id>", {"id": "7"}, "/a/7"),
        ("/a/<name>", {"name": "a/b ü?"}, "/a/a%2Fb%20%C3%BC%3F"),
        ("/a/<name>", {"name": "100%25"}, "/a/100%25"),
        ("/a/<path:name>", {"name": "b/c"}, "/a/b/c"),
        ("/<int(fixed_digits=4):year>/<string(length=2):day>", {"year": "1", "day": "x"}, "/1/x"),
    ],
)
def test_fill(path: str, values: dict[str, str], filled: str) -> None:
    assert URLRule(path, "GET").fill(values) == ("", filled)


def test_choices() -> None:
    assert URLRule("/<any(a, 'b-c'):kind>/<id>", "GET").choices == {"kind": ["a", "b-c"]}


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://example.com:80/a?b=c", ("example.com:80", "/a?b=c")),
        ("http://example.com", ("example.com", "/")),
        ("/a", ("localhost", "/a")),
    ],
)
def test_host_and_target(url: str, parts: tuple[str, str]) -> None:
    assert host_and_target(url) == parts
