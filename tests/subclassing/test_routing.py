"""Look-ups of plain rules: the same answers as Werkzeug's, and nothing kept for strangers."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from quart import Quart, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.subclassing.routing import (
    CachingMap,
    CachingMapAdapter,
    FaithfulMap,
    FaithfulRule,
)

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
    """What matching gives: rule and arguments, or the kind of error and where it leads."""
    try:
        rule, arguments = adapter.match(return_rule=True)
    except HTTPException as error:
        allowed = sorted(getattr(error, "valid_methods", None) or [])
        return type(error), getattr(error, "new_url", None), allowed
    return rule, dict(arguments)


@given(
    path=st.sampled_from(PATHS) | st.text(alphabet="/ab%é", max_size=6),
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS", "get", "FOO"]),
    scheme=st.sampled_from(["http", "ws"]),
    subdomain=st.sampled_from(["", "other", "none"]),
)
def test_as_werkzeug(path: str, method: str, scheme: str, subdomain: str) -> None:
    """Whatever is asked, the first and the second time: the answer is Werkzeug's own."""
    given = (MAP, "example.com", "/", subdomain, scheme, path, method)
    expected = outcome(MapAdapter(*given))
    assert outcome(CachingMapAdapter(*given)) == expected
    assert outcome(CachingMapAdapter(*given)) == expected
    assert len(MAP.matches) <= sum(len(rule.methods or ()) for rule in MAP.iter_rules())


def test_late_rule() -> None:
    """A rule that comes later is asked, too: what was found without it is forgotten."""
    rules = new_map()
    adapter = CachingMapAdapter(rules, "example.com", "/", "", "http", "/a", "GET")
    first: Any = adapter.match(return_rule=True)[0]
    assert rules.matches
    rules.add(FaithfulRule("/c", endpoint="c", methods=["GET"]))
    assert adapter.match(return_rule=True)[0] is first
    assert len(rules.matches) == 1
    adapter.path_info = "/c"
    found: Any = adapter.match(return_rule=True)[0]
    assert found.endpoint == "c"


async def test_own_arguments() -> None:
    """Each request has arguments of its own, though nothing had to be found for it."""
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
    """Where the host decides, nothing is looked up by the path alone."""
    app: Quart = FaithfulQuart(__name__, static_folder=None, host_matching=True)
    await check(app, host="one.example.com", other={"host": "two.example.com"})


async def test_subdomains() -> None:
    """Where the subdomain decides, neither."""
    app: Quart = FaithfulQuart(__name__, static_folder=None, subdomain_matching=True)
    app.config["SERVER_NAME"] = "example.com"
    await check(app, subdomain="one", other={"subdomain": "two"})


async def check(app: Quart, *, other: dict[str, Any], **one: Any) -> None:
    app.add_url_rule("/", "one", lambda: "one", **one)
    app.add_url_rule("/", "two", lambda: "two", **other)
    for name in ("one", "two", "one"):
        answer = await app.test_client().get("/", headers={"Host": f"{name}.example.com"})
        assert await answer.get_data(as_text=True) == name
