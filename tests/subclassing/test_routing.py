"""Routing: cached matches are the same as Werkzeug's, and paths of clients are not cached."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quart import Quart, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, BuildError, MapAdapter, Rule

from quartpatterns.subclassing import FaithfulQuart, routing
from quartpatterns.subclassing.routing import (
    CachingMap,
    CachingMapAdapter,
    FaithfulMap,
    FaithfulRule,
    path_inside_mount,
)
from tests.examples import examples

RULES: list[dict[str, Any]] = [
    {"string": "/", "methods": ["GET"]},
    {"string": "/a", "methods": ["GET", "POST"]},
    {"string": "/a/", "methods": ["PUT"], "endpoint": "slash"},
    {"string": "/b/", "methods": ["GET"]},
    {"string": "/a", "methods": ["GET"], "websocket": True, "endpoint": "socket"},
    {"string": "/<word>", "methods": ["GET"]},
    {"string": "/page/", "methods": ["GET"], "defaults": {"number": 1}, "endpoint": "page"},
    {"string": "/page/<int:number>", "methods": ["GET"], "endpoint": "page"},
    {"string": "/old", "methods": ["GET"], "redirect_to": "/a"},
    {"string": "/a", "methods": ["GET"], "subdomain": "other", "endpoint": "other"},
]
PATHS = ["", "/", "//", "/a", "//a", "/a/", "/a//", "/b", "/b/", "/page", "/page/", "/page/1", "/x"]


def new_map() -> CachingMap:
    rules = [FaithfulRule(**{"endpoint": rule["string"], **rule}) for rule in RULES]
    return FaithfulMap(rules, host_matching=False)


MAP = new_map()


def outcome(adapter: MapAdapter) -> object:
    """Return rule and arguments, or the type of the error with its URL and methods."""
    try:
        rule, arguments = adapter.match(return_rule=True)
    except HTTPException as error:
        allowed = sorted(getattr(error, "valid_methods", None) or [])
        return type(error), getattr(error, "new_url", None), allowed
    return rule, dict(arguments)


METHODS = ["GET", "HEAD", "POST", "PUT", "OPTIONS", "get", "FOO"]
SCHEMES = ["http", "ws"]
SUBDOMAINS = ["", "other", "none"]


def check_match(path: str, method: str, scheme: str, subdomain: str) -> None:
    """Compare the result with Werkzeug's, before and after it is cached."""
    arguments = (MAP, "example.com", "/", subdomain, scheme, path, method)
    expected = outcome(MapAdapter(*arguments))
    assert outcome(CachingMapAdapter(*arguments)) == expected
    assert outcome(CachingMapAdapter(*arguments)) == expected
    assert len(MAP.matches) <= sum(len(rule.methods or ()) for rule in MAP.iter_rules())


def test_as_werkzeug() -> None:
    """Any combination has Werkzeug's result."""
    for arguments in itertools.product(PATHS, METHODS, SCHEMES, SUBDOMAINS):
        check_match(*arguments)


@given(
    path=st.text(alphabet="/ab%é", max_size=6),
    method=st.sampled_from(METHODS),
    scheme=st.sampled_from(SCHEMES),
    subdomain=st.sampled_from(SUBDOMAINS),
)
def test_any_path(path: str, method: str, scheme: str, subdomain: str) -> None:
    """Any path has Werkzeug's result."""
    check_match(path, method, scheme, subdomain)


VALUES = st.dictionaries(
    st.sampled_from(["word", "number", "q", "next"]),
    st.one_of(
        st.integers(-3, 3),
        st.booleans(),
        st.none(),
        st.sampled_from(["", "1", "ä", "a/b", "x" * 101]),
        st.lists(st.sampled_from(["a", "b"]), max_size=2),
        st.sampled_from([1.0, 2.5]),
    ),
    max_size=3,
)


def build(adapter: MapAdapter, *args: Any, **kwargs: Any) -> object:
    """Return the URL, or the error, such as that of a converter."""
    try:
        return adapter.build(*args, **kwargs)
    except BuildError as error:
        return type(error), error.endpoint, error.values
    except (TypeError, ValueError) as error:
        return type(error), str(error)


@settings(max_examples=examples(500), deadline=None)
@given(
    endpoint=st.sampled_from([*(rule.get("endpoint", rule["string"]) for rule in RULES), "none"]),
    values=VALUES,
    method=st.sampled_from(METHODS),
    scheme=st.sampled_from(SCHEMES),
    subdomain=st.sampled_from(SUBDOMAINS),
    mount=st.sampled_from(["/", "/mount", "/mount/"]),
    more=st.sampled_from(
        [{}, {"force_external": True}, {"method": "GET"}, {"url_scheme": "https"}]
    ),
)
def test_any_url(
    endpoint: str,
    values: dict[str, Any],
    method: str,
    scheme: str,
    subdomain: str,
    mount: str,
    more: dict[str, Any],
) -> None:
    # MAP keeps URLs from one example to the next.
    bound = ("localhost", mount, subdomain, scheme, "/", method)
    expected = build(MapAdapter(MAP, *bound), endpoint, values, **more)
    assert build(CachingMapAdapter(MAP, *bound), endpoint, values, **more) == expected


def bind(map: CachingMap, method: str = "GET") -> CachingMapAdapter:
    return CachingMapAdapter(map, "localhost", "/", "", "http", "/", method)


def test_urls_are_kept_and_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "MAX_URLS", 3)
    map = new_map()
    assert [bind(map).build("page", {"number": n}) for n in range(2, 10)] == [
        f"/page/{n}" for n in range(2, 10)
    ]
    assert 1 <= len(map.urls) <= 3
    map.urls = dict.fromkeys(map.urls, "/kept")
    assert bind(map).build("page", {"number": 9}) == "/kept"


def test_values_of_clients_are_not_kept() -> None:
    map = new_map()
    assert bind(map).build("/", {"next": "x" * 200}) == "/?next=" + "x" * 200
    assert bind(map).build("/", {"x" * 200: ""}) == "/?" + "x" * 200 + "="
    assert bind(map, "INVENTED").build("/b/") == "/b/"
    assert not map.urls


def test_several_values_of_a_name() -> None:
    map = new_map()
    assert bind(map).build("/", {"q": "1"}) == "/?q=1"
    assert bind(map).build("/", MultiDict([("q", "1"), ("q", "2")])) == "/?q=1&q=2"


def test_url_of_a_new_rule() -> None:
    map = new_map()
    assert bind(map).build("page", {"number": 2}) == "/page/2"
    map.add(FaithfulRule("/first/<int:number>", endpoint="/b/", defaults={"number": 1}))
    map.add(FaithfulRule("/longer/<int:number>/<word>", endpoint="page"))
    assert bind(map).build("page", {"number": 2, "word": "w"}) == "/longer/2/w"


def test_url_of_own_converter() -> None:
    language = ["en"]

    class Language(BaseConverter):
        def to_url(self, value: Any) -> str:
            return f"{language[0]}-{value}"

    map = FaithfulMap(converters={"language": Language}, host_matching=False)
    map.add(FaithfulRule("/<language:page>", endpoint="page"))
    assert bind(map).build("page", {"page": "a"}) == "/en-a"
    language[0] = "de"
    assert bind(map).build("page", {"page": "a"}) == "/de-a"


def test_url_of_another_class_of_rules() -> None:
    numbers = itertools.count()

    class Numbered(FaithfulRule):
        def build(self, *args: Any, **kwargs: Any) -> tuple[str, str]:
            return "", f"/{next(numbers)}"

    map = FaithfulMap([Numbered("/", endpoint="page")], host_matching=False)
    assert [bind(map).build("page") for _ in range(2)] == ["/0", "/1"]


def test_methods_of_clients() -> None:
    """A rule for any method is not cached, because a client can invent methods."""
    rules = FaithfulMap([Rule("/any", endpoint="any")])
    for method in ("ONE", "TWO"):
        adapter = CachingMapAdapter(rules, "example.com", "/", "", "http", "/any", method)
        assert adapter.match(return_rule=True)[0].endpoint == "any"
    assert not rules.matches


def test_other_arguments() -> None:
    """Calls with other arguments are Werkzeug's own."""
    adapter = CachingMapAdapter(MAP, "example.com", "/", "", "http", "/a", "GET")
    for _ in range(2):
        assert adapter.match() == ("/a", {})
        assert adapter.match("/a/", "PUT") == ("slash", {})
        assert adapter.match(return_rule=True)[1] == {}


@pytest.mark.parametrize(
    ("scheme", "host", "expected"),
    [
        ("http", "example.com:80", "http://example.com/"),
        ("https", "example.com:443", "https://example.com/"),
        ("https", "example.com:80", "https://example.com:80/"),
        ("http", "bücher.example", "http://xn--bcher-kva.example/"),
    ],
)
async def test_host_in_urls(scheme: str, host: str, expected: str) -> None:
    """URLs have the host as Werkzeug writes it, without the default port of the scheme."""
    app = FaithfulQuart(__name__, static_folder=None)
    app.config["SERVER_NAME"] = host

    @app.get("/")
    async def view() -> str:
        return url_for("view", _external=True)

    response = await app.test_client().get("/", scheme=scheme)
    assert await response.get_data(as_text=True) == expected


def test_new_rule() -> None:
    """A new rule empties the cache."""
    rules = new_map()
    adapter = CachingMapAdapter(rules, "example.com", "/", "", "http", "/a", "GET")
    first: Any = adapter.match(return_rule=True)[0]
    assert rules.matches
    rules.add(FaithfulRule("/c", endpoint="c", methods=["GET"]))
    assert not rules.matches
    assert adapter.match(return_rule=True)[0] is first
    adapter.path_info = "/c"
    found: Any = adapter.match(return_rule=True)[0]
    assert found.endpoint == "c"


async def test_arguments() -> None:
    """Each request has its own arguments, also with a cached match."""
    app = FaithfulQuart(__name__, static_folder=None)

    @app.get("/")
    async def index() -> dict[str, Any]:
        assert request.view_args is not None
        before = dict(request.view_args)
        request.view_args["mine"] = 1
        return before

    @app.url_value_preprocessor
    def look(endpoint: str | None, values: dict[str, Any] | None) -> None:
        assert values == {}

    for _ in range(3):
        assert await (await app.test_client().get("/")).get_json() == {}


async def test_hosts() -> None:
    """With host matching nothing is cached by the path alone."""
    app: Quart = FaithfulQuart(__name__, static_folder=None, host_matching=True)
    await check(app, host="one.example.com", other={"host": "two.example.com"})


async def test_subdomains() -> None:
    """With subdomain matching neither."""
    app: Quart = FaithfulQuart(__name__, static_folder=None, subdomain_matching=True)
    app.config["SERVER_NAME"] = "example.com"
    await check(app, subdomain="one", other={"subdomain": "two"})


async def check(app: Quart, *, other: dict[str, Any], **one: Any) -> None:
    app.add_url_rule("/", "one", lambda: "one", **one)
    app.add_url_rule("/", "two", lambda: "two", **other)
    for name in ("one", "two", "one"):
        response = await app.test_client().get("/", headers={"Host": f"{name}.example.com"})
        assert await response.get_data(as_text=True) == name


@pytest.mark.parametrize(
    ("path", "root", "inner"),
    [
        pytest.param("/x", "", "/x", id="no mount"),
        pytest.param("/b/x", "/b", "/x", id="mounted"),
        pytest.param("/b/x", "/b/", "/x", id="slash"),
        pytest.param("/b", "/b", "", id="mount point"),
        pytest.param("/bb/x", "/b", None, id="not a prefix"),
        pytest.param("//", "", "//", id="slashes"),
        pytest.param("/b//", "/b", "//", id="slashes in a mount"),
        pytest.param("http://localhost/x", "", "/x", id="absolute"),
        pytest.param("", "", "", id="empty"),
    ],
)
def test_path_inside_mount(path: str, root: str, inner: str | None) -> None:
    """The path below a mount point is as WSGI gives it."""
    assert path_inside_mount(path, root) == inner


async def test_outside_of_mount() -> None:
    """A path outside of the mount point is answered 404, also by a rule for all paths."""
    app = FaithfulQuart(__name__, static_folder=None)

    @app.get("/<path:path>")
    async def view(path: str) -> str:
        return path

    client = app.test_client()
    assert (await client.get("/b/x", root_path="/b")).status_code == 200
    assert (await client.get("/bb/x", root_path="/b")).status_code == 404
