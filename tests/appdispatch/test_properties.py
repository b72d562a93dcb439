"""Every path and host selects the right application."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote, urlsplit
from wsgiref.util import shift_path_info

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quart import Quart, request, url_for

from quartpatterns.appdispatch import DispatcherMiddleware, PathDispatcher, SubdomainDispatcher
from tests.appdispatch.wire import Answer, fetch
from tests.examples import examples

# The fixture of blockbuster has no state, so it can serve many examples.
many = settings(
    max_examples=examples(500),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

# Segments that are difficult for dispatchers, and random ones.
SEGMENTS = st.one_of(
    st.sampled_from(["a", "b", "c", "aa", "é", "", ".", "..", " ", "%2F", "a b", "?", "#", "\\"]),
    st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), max_size=5),
)
PATHS = st.lists(SEGMENTS, max_size=5).map(lambda segments: "/" + "/".join(segments))
TARGETS = st.one_of(PATHS, st.text(st.characters(exclude_categories=["Cs"]), max_size=10))
ROOTS = st.sampled_from(["", "/mount", "/mount/deep", "/é", "/mount/"])
PREFIXES = ("/a", "/a/b", "/a/b/c", "/b", "/é", "/aa/a")


def catch_all(name: str) -> Quart:
    """Return an application that answers every path with the values that it gets."""
    app = Quart(__name__)

    @app.get("/", defaults={"rest": ""}, merge_slashes=False)
    @app.get("/<path:rest>", merge_slashes=False)
    async def view(rest: str) -> dict[str, str]:
        root, path = request.script_root, request.path
        return {"app": name, "root": root, "path": path, "link": url_for("view", rest="x")}

    return app


APPS = {name: catch_all(name) for name in ("app", *PREFIXES)}
MOUNTS = DispatcherMiddleware(APPS["app"], {prefix: APPS[prefix] for prefix in PREFIXES})


def seen_by(answer: Answer) -> dict[str, Any] | None:
    """Return what the application got, or None for a redirect or a 404."""
    assert answer.status in (200, 308, 404, 405)
    return json.loads(answer.body) if answer.status == 200 else None


def run(call: Callable[[], Awaitable[Answer]]) -> Answer:
    async def called() -> Answer:
        return await call()

    return asyncio.run(called())


def shown(path: str) -> str:
    """Return the path as a view of Quart gets it: with one slash at the start."""
    return f"/{path.lstrip('/')}"


def longest(path: str) -> str | None:
    """Return the longest matching prefix, found by a simple algorithm."""
    found = [one for one in PREFIXES if path == one or path.startswith(f"{one}/")]
    return max(found, key=len, default=None)


@pytest.mark.checks("AD-2")
@given(path=PATHS, root=ROOTS)
@many
def test_mounts(path: str, root: str) -> None:
    """The longest prefix matches, below any root_path, and url_for includes it."""
    answer = run(lambda: fetch(MOUNTS, root.rstrip("/") + path, root_path=root))
    prefix = longest(path)
    if path == prefix:
        assert answer.status == 308
        assert unquote(urlsplit(answer.headers["location"]).path) == f"{root.rstrip('/')}{path}/"
    elif seen := seen_by(answer):
        assert seen["app"] == (prefix or "app")
        assert seen["path"] == shown(path.removeprefix(prefix or ""))
        assert seen["root"] == root.rstrip("/") + (prefix or "") or seen["app"] == "app"
        assert seen["link"] == f"{root.rstrip('/')}{prefix or ''}/x"


@pytest.mark.checks("AD-2")
@given(target=TARGETS, root=ROOTS)
@many
def test_targets(target: str, root: str) -> None:
    """Every request target gets an answer, and from no application that it does not contain."""
    answer = run(lambda: fetch(MOUNTS, target, root_path=root))
    seen = seen_by(answer)
    if seen and seen["app"] != "app":
        assert f"{seen['app']}/" in f"/{target}/"


USERS = {"a", "aa", "é", "a b", "?", "%2F", "x"}


def create_user(name: str) -> Quart | None:
    return catch_all(name) if name in USERS else None


PEOPLE = PathDispatcher(APPS["app"], create_user, max_instances=3)


@pytest.mark.checks("AD-6")
@given(path=st.one_of(PATHS, st.sampled_from(sorted(USERS)).map("/{}/x".format)), root=ROOTS)
@many
def test_first_segment(path: str, root: str) -> None:
    """The first segment selects the application; the default one gets the path unchanged."""
    answer = run(lambda: fetch(PEOPLE, root.rstrip("/") + path, root_path=root))
    name, slash, _ = path.lstrip("/").partition("/")
    if name in USERS and not slash:
        location = urlsplit(answer.headers["location"]).path
        assert (answer.status, unquote(location)) == (308, f"{root.rstrip('/')}/{name}/")
    elif seen := seen_by(answer):
        if name in USERS:
            assert (seen["app"], seen["root"]) == (name, f"{root.rstrip('/')}/{name}")
            environ = {"PATH_INFO": path}
            shift_path_info(environ)  # the function of the page
            assert seen["path"] == environ["PATH_INFO"]
        else:
            assert (seen["app"], seen["path"]) == ("app", shown(path))


LABELS = st.one_of(
    st.sampled_from(["alice", "ALICE", "example", "com", "evil", "", "[::1]", "x--y", "*"]),
    st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=4),
)
HOSTS = st.builds(
    "{}{}{}".format,
    st.lists(LABELS, max_size=4).map(".".join),
    st.sampled_from(["", ".example.com", "example.com", ".EXAMPLE.com", ".example.com."]),
    st.sampled_from(["", ":80", ":", ":x", ":1:2"]),
)


async def default(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The default application. Quart would answer 500 for an invalid host."""
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"app": "app"}', "more_body": False})


TENANTS = SubdomainDispatcher("example.com", create_user, default_app=default)


@pytest.mark.checks("AD-3", "AD-4")
@given(host=HOSTS)
@many
def test_hosts(host: str) -> None:
    """For every host, the labels before the domain are the name."""
    name = TENANTS.subdomain(host)
    plain = host.strip().lower().partition(":")[0].removesuffix(".")
    if name is None:
        assert plain != "example.com"
    else:
        assert plain == ".".join([name, "example.com"] if name else ["example.com"])
        assert "" not in name.split(".") or name == ""
    seen = seen_by(run(lambda: fetch(TENANTS, "/x", host=host)))
    assert seen is None or seen["app"] == (name if name in USERS else "app")
