"""Asking two applications for all of their rules, and what was not asked."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, jsonify, redirect, request, session
from quart import Quart

from quartpatterns.compare import Case, Step
from quartpatterns.compare.explore import REQUESTS_PER_RULE, Explorer, NotAsked, Side
from quartpatterns.compare.parity import ParityResult, compare_applications
from quartpatterns.compare.values import RuleValues

FORM = """
<form method=post enctype=multipart/form-data>
<input type=hidden name=csrf_token value="{token}">
<input name=name><select name=size><option>S<option>M</select><textarea name=text></textarea>
<input type=checkbox name=news value=yes><input type=file name=picture>
<button name=action value=save>Save</button><button name=action value=delete>Delete</button>
</form>
"""


def make_app(pages: dict[str, Any] | None = None) -> Flask:
    """Return an application with *pages*, by rule: texts, or views."""
    app = Flask("explored", static_folder=None)
    app.secret_key = "for the tests"
    for rule, page in (pages or {}).items():
        view = page if callable(page) else _view(page)
        methods = getattr(view, "methods", ["GET"])
        app.add_url_rule(rule, endpoint=rule.replace(".", "_"), view_func=view, methods=methods)
    return app


def _view(text: str) -> Callable[..., str]:
    return lambda **arguments: text


def post(view: Callable[..., Any]) -> Callable[..., Any]:
    view.methods = ["GET", "POST"]  # type: ignore[attr-defined]
    return view


def explore(explorer: Explorer, original: Any, port: Any) -> list[ParityResult]:
    """Run all cases, those that are found too, and return the results."""

    async def run() -> list[ParityResult]:
        return [
            explorer.learn(result)
            async for result in compare_applications(original, port, explorer.cases)
        ]

    return asyncio.run(run())


def names(
    pages: dict[str, Any], *, values: RuleValues | None = None, forms: bool = False
) -> tuple[list[str], list[NotAsked]]:
    """Explore an application and another one that is equal: the cases, and what was not asked."""
    original, port = make_app(pages), make_app(pages)
    explorer = Explorer(original, port, [], forms=forms)
    explorer.ask_rules()
    explorer.use(values or RuleValues())
    results = explore(explorer, original, port)
    assert all(result.passed for result in results), results
    return [result.case.name for result in results], explorer.not_asked()


def test_not_asked() -> None:
    """Each rule and method that no request reached, with the reason and the remedy."""
    pages = {"/": "", "/users/<int:id>": "", "/a/<x>/<y>": "", "/form": post(_view(""))}
    asked, missing = names(pages)
    assert asked == ["GET /", "GET /form"]
    both: tuple[Side, ...] = ("original", "port")
    assert missing == [
        NotAsked("/a/<x>/<y>", "GET", both, "no value for x and y: --values"),
        NotAsked("/form", "POST", both, "--forms sends the forms of the pages"),
        NotAsked("/users/<int:id>", "GET", both, "no value for id: --values"),
    ]


def test_of_one_application() -> None:
    """The original and the port can have other rules."""
    original, port = make_app({"/": "", "/a/<int:x>": ""}), make_app({"/": "", "/a/<x>": ""})
    explorer = Explorer(original, port, [])
    explorer.ask_rules()
    explore(explorer, original, port)
    assert [(each.rule, each.applications) for each in explorer.not_asked()] == [
        ("/a/<int:x>", ("original",)),
        ("/a/<x>", ("port",)),
    ]


def test_websocket() -> None:
    original, port = make_app({"/": ""}), Quart("port", static_folder=None)
    port.add_url_rule("/", endpoint="index", view_func=lambda: "")
    port.add_websocket("/feed", view_func=lambda: None)
    explorer = Explorer(original, port, [])
    explorer.ask_rules()
    explore(explorer, original, port)
    assert explorer.not_asked() == [NotAsked("/feed", "WEBSOCKET", ("port",), "a websocket")]


@pytest.mark.parametrize(
    "index",
    [
        pytest.param('<a href="/users/7">7</a>', id="link"),
        pytest.param(lambda: ("", 302, {"Location": "/users/7"}), id="redirect"),
        pytest.param(lambda: jsonify(users=[{"url": "/users/7"}]), id="JSON"),
        pytest.param('<a href="http://localhost/users/7#top">7</a>', id="absolute link"),
    ],
)
def test_links(index: Any) -> None:
    """RuleValues for arguments come from the links in answers."""
    asked, missing = names({"/": index, "/users/<int:id>": "", "/users/x": ""})
    assert asked == ["GET /", "GET /users/x", "GET /users/7"]
    assert missing == []


def test_link_of_a_link() -> None:
    pages = {"/": '<a href="/1">', "/<int:a>": '<a href="/1/2">', "/<int:a>/<int:b>": ""}
    assert names(pages) == (["GET /", "GET /1", "GET /1/2"], [])


@pytest.mark.parametrize(
    "link",
    [
        "http://other.example/users/7",
        "mailto:a@b",
        "javascript:go()",
        "http://[",
        "//other/users/7",
    ],
)
def test_other_links(link: str) -> None:
    """Nothing is sent to another host."""
    asked, _ = names({"/": f'<a href="{link}">', "/users/<int:id>": ""})
    assert asked == ["GET /"]


def test_many_links() -> None:
    """Of 1,000 links to one rule, a few are followed."""
    links = "".join(f'<a href="/users/{number}">' for number in range(1000))
    asked, missing = names({"/": links, "/users/<int:id>": links})
    assert len(asked) == 1 + REQUESTS_PER_RULE
    assert missing == []


def test_endless_redirects() -> None:
    """A redirect that always leads to another URL ends."""

    def further() -> Any:
        return redirect(f"/?page={int(request.args.get('page', 0)) + 1}")

    asked, _ = names({"/": further})
    assert asked == ["GET /", "GET /?page=1", "GET /?page=2"]


def test_values() -> None:
    values = RuleValues({"id": ["1", "x", "ü/a"]})
    asked, missing = names({"/": "", "/users/<int:id>": "", "/<any(a, b):kind>": ""}, values=values)
    assert asked == [
        "GET /",
        "GET /a",
        "GET /b",
        "GET /users/1",
        "GET /users/x",
        "GET /users/%C3%BC%2Fa",
    ]
    assert missing == []


def received() -> Any:
    """The view of a form that answers with what it received."""
    if request.method == "GET":
        return FORM.format(token="")
    files = {name: file.filename for name, file in request.files.items()}
    return jsonify(form=request.form.to_dict(flat=False), files=files)


def test_forms() -> None:
    """A form is sent with its fields and without them."""
    sent: list[Any] = []

    def view() -> Any:
        if request.method == "POST":
            sent.append((request.form.to_dict(), {**request.files}.keys()))
        return received()

    asked, missing = names({"/form": post(view)}, forms=True)
    assert asked == [
        "GET /form",
        "POST /form: the form of /form with its fields",
        "POST /form: the form of /form without its fields",
    ]
    assert missing == []
    fields = {"csrf_token": "", "name": "text", "size": "S", "text": "text", "news": "yes"}
    assert sent == [
        *[(fields | {"action": "save"}, {"picture"})] * 2,
        *[({"csrf_token": ""}, set())] * 2,
    ]


def test_form_fields() -> None:
    """The values of the user come first."""
    pages = {"/": '<form action="/search"><input name=q></form>', "/search": lambda: request.args}
    asked, _ = names(pages, values=RuleValues(fields={"q": "a&b"}), forms=True)
    assert asked[2:] == [
        "GET /search: the form of / with its fields",
        "GET /search: the form of / without its fields",
    ]


def test_no_forms() -> None:
    """Posting changes data, so it is not done without being asked for."""
    asked, missing = names({"/form": post(received)})
    assert asked == ["GET /form"]
    assert [each.method for each in missing] == ["POST"]


def with_token() -> Any:
    """The view of a form with a token that is in the session."""
    if request.method == "POST" and request.form.get("csrf_token") != session.get("csrf_token"):
        return "invalid token", 400
    token = session.setdefault("csrf_token", secrets.token_hex(8))
    meta = f'<meta name="csrf-token" content="{token}">'
    return meta + FORM.format(token=token) * 2


def test_tokens() -> None:
    """A token differs in each response: it is captured, and sent back."""
    original, port = make_app({"/form": post(with_token)}), make_app({"/form": post(with_token)})
    explorer = Explorer(original, port, [], forms=True)
    explorer.ask_rules()
    results = explore(explorer, original, port)
    assert [(result.case.name, result.findings) for result in results] == [
        ("GET /form", ()),
        ("POST /form: the form of /form with its fields", ()),
        ("POST /form: the form of /form without its fields", ()),
    ]
    assert explorer.not_asked() == []


def test_tokens_in_json() -> None:
    def view() -> Any:
        return jsonify(csrf_token=secrets.token_hex(8), nonce=secrets.token_hex(8), expires_in=60)

    assert names({"/token": view})[0] == ["GET /token"]


@pytest.mark.parametrize("key", ["id", "name"])
def test_no_token(key: str) -> None:
    """A random value that does not look like a token is a difference."""

    def view() -> Any:
        return jsonify({key: secrets.token_hex(8)})

    original, port = make_app({"/": view}), make_app({"/": view})
    explorer = Explorer(original, port, [])
    explorer.ask_rules()
    (result,) = explore(explorer, original, port)
    assert [finding.aspect for finding in result.findings] == ["body"]


def test_token_of_one_application() -> None:
    """A difference is no token if only one application has it."""
    original, port = make_app({"/form": with_token}), make_app({"/form": FORM.format(token="")})
    explorer = Explorer(original, port, [])
    explorer.ask_rules()
    (result,) = explore(explorer, original, port)
    assert not result.passed


def test_form_after_a_login() -> None:
    """A form is sent in the session that led to it."""

    def login() -> str:
        session["user"] = "ada"
        return ""

    statuses: list[int] = []

    def form() -> Any:
        statuses.append(200 if "user" in session else 403)
        return received() if request.method == "POST" else FORM.format(token="")

    original, port = (make_app({"/login": login, "/form": post(form)}) for _ in range(2))
    cases = [Case("log in", Step("/login"), Step("/form"))]
    explorer = Explorer(original, port, cases, links=False, forms=True)
    results = explore(explorer, original, port)
    assert [result.case.name for result in results[1:]] == [
        "POST /form: the form of /form with its fields",
        "POST /form: the form of /form without its fields",
    ]
    assert explorer.not_asked() == []
    assert set(statuses) == {200}


def test_many_forms() -> None:
    """Of many forms that are sent to one rule, a few are sent."""
    forms = "".join(f"<form action=/post method=post><input name=a{n}></form>" for n in range(100))
    asked, _ = names({"/": forms, "/post": post(_view(""))}, forms=True)
    assert len([name for name in asked if name.startswith("POST")]) == 2 * REQUESTS_PER_RULE


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("", "application/x-www-form-urlencoded"),
        ("enctype=multipart/form-data", "multipart/form-data"),
    ],
)
def test_media_type(kind: str, sent: str) -> None:
    seen: set[str] = set()

    def view() -> str:
        if request.method == "POST":
            seen.add(request.mimetype)
        return ""

    form = f"<form action=/post method=post {kind}><input name=a></form>"
    names({"/": form, "/post": post(view)}, forms=True)
    assert seen == {sent}


def test_given_requests() -> None:
    """If the user has given the requests, no links are followed."""
    original, port = (make_app({"/": '<a href="/1">', "/<int:id>": ""}) for _ in range(2))
    explorer = Explorer(original, port, [Case("one", Step("/"))], links=False)
    assert len(explore(explorer, original, port)) == 1
    assert [each.rule for each in explorer.not_asked()] == ["/<int:id>"]


def test_extra() -> None:
    """An extra reaches a rule of the port alone."""
    original, port = make_app({"/": ""}), make_app({"/": "", "/more": "x"})
    extra = Case("more", Step("/more", expected={"status": 200, "body": "x"}))
    explorer = Explorer(original, port, [Case("index", Step("/")), extra], links=False)
    assert all(result.passed for result in explore(explorer, original, port))
    assert explorer.not_asked() == []


def test_hosts() -> None:
    """URLRules of hosts are asked for with that host, and links lead from one to another."""

    def app() -> Flask:
        app = Flask("hosts", static_folder=None, host_matching=True)
        app.add_url_rule(
            "/",
            endpoint="index",
            host="a.example",
            view_func=_view('<a href="//ada.example/1">'),
        )
        app.add_url_rule("/<int:id>", endpoint="user", host="<user>.example", view_func=_view(""))
        return app

    original, port = app(), app()
    explorer = Explorer(original, port, [])
    explorer.ask_rules()
    results = explore(explorer, original, port)
    assert [result.case.name for result in results] == [
        "GET / of a.example",
        "GET /1 of ada.example",
    ]
    assert explorer.not_asked() == []
