"""The pages of the port and their API."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartpatterns.ajax.example.port import create_app
from tests.examples import examples
from tests.serving import served


async def text(path: str, root: str = "") -> str:
    page = await (await create_app().test_client().get(path, root_path=root)).get_data(as_text=True)
    assert isinstance(page, str)
    return page


@pytest.mark.checks("JQ-2", "JS-2")
@pytest.mark.parametrize("root", ["", "/mount", "/a/b"])
async def test_script_root(root: str) -> None:
    """Pages give their scripts the mount path, and every link starts with it."""
    for path, name in (("/", "$SCRIPT_ROOT"), ("/fetch", "const SCRIPT_ROOT")):
        page = await text(f"{root}{path}", root)
        assert f"{name} = {json.dumps(root)};" in page
        urls = re.findall(r'(?:href|src)="(/[^"]*)"', page)
        assert urls
        assert all(url.startswith(f"{root}/") for url in urls)


@pytest.mark.checks("JQ-2", "JS-1")
async def test_escaped() -> None:
    """No data can end a script or an attribute."""
    root = "/</script><script>alert(1)</script>"
    page = await text(f"{root}/", root)
    assert '$SCRIPT_ROOT = "/\\u003c/script\\u003e' in page
    assert "alert(1)</script>" not in page
    page = await text("/fetch")
    assert page.count("alert(1)") == 2
    assert "<script>alert(1)" not in page
    (attribute,) = re.findall(r"data-names='([^']*)'", page)
    assert json.loads(attribute)[2] == "O'Hara & Söhne"


@pytest.mark.checks("JQ-1", "JQ-4")
async def test_page() -> None:
    """jQuery is loaded before it is used, and the elements of the script exist."""
    page = await text("/")
    assert page.index("jquery.min.js") < page.index("$SCRIPT_ROOT") < page.index("add.js")
    for part in ("name=a", "name=b", "id=result", "id=calculate"):
        assert part in page


@pytest.mark.checks("JQ-3")
@settings(max_examples=examples(150))
@given(st.one_of(st.integers().map(str), st.text(max_size=12)), st.integers())
def test_sums(a: str, b: int) -> None:
    """The sum is Python's; an invalid number counts as 0."""

    async def request_sum() -> Any:
        query = {"a": a, "b": str(b)}
        response = await create_app().test_client().get("/_add_numbers", query_string=query)
        assert response.status_code == 200
        return await response.get_json()

    try:
        number = int(a)
    except ValueError:
        number = 0
    assert asyncio.run(request_sum()) == {"result": number + b}


@pytest.mark.checks("JQ-3")
@pytest.mark.parametrize("digits", [3999, 4000, 4001, 4300, 4301, 10_000])
async def test_many_digits(digits: int) -> None:
    """A sum that Python can't write is an error of the client. Flask's application answers 500."""
    response = await create_app().test_client().get(f"/_add_numbers?a={'9' * digits}&b=1")
    # One with 4,300 digits can be read, but the sum has one more. A longer one is not a number.
    assert response.status_code == (400 if digits == 4300 else 200)
    if digits < 4300:
        assert (await response.get_json())["result"] == 10**digits


@pytest.mark.checks("JS-3")
@pytest.mark.parametrize("user", ["%s", '{"username": %s, "email": "b"}'])
async def test_nested_json(user: str) -> None:
    """JSON of no depth is a server error, also where the parser just gives up."""
    client = create_app().test_client()
    for depth in (*range(900, 1100, 3), 5_000, 100_000):
        for start, end in (("[", "]"), ('{"a":', "}")):
            body = user % (start * depth + "1" + end * depth)
            response = await client.post(
                "/user/1", data=body, headers={"Content-Type": "application/json"}
            )
            assert response.status_code == 400, depth


@pytest.mark.checks("JS-3")
async def test_repeated_field() -> None:
    """Of a repeated field the first value counts, as in Flask; a list in JSON is invalid."""
    client = create_app().test_client()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for body, name in (("name=a&name=b", "a"), ("name=b&description=c&description=d", "b")):
        response = await client.post("/room", data=body, headers=form)
        assert (await response.get_json())["name"] == name
    response = await client.post("/room", data="name=&name=b", headers=form)
    assert response.status_code == 400
    response = await client.post("/user/1", json={"username": ["a", "b"], "email": "c"})
    assert response.status_code == 400


@pytest.mark.checks("JS-6")
@pytest.mark.parametrize("body", ["{", "a=b", '{"username": "a"}'])
async def test_unknown_user_first(body: str) -> None:
    """The user is looked up before the body is validated."""
    response = await create_app().test_client().post("/user/99", data=body)
    assert response.status_code == 404


values = st.none() | st.booleans() | st.integers() | st.text(max_size=120) | st.just("\ud800")


@pytest.mark.checks("JS-7")
@settings(max_examples=examples(200))
@given(st.dictionaries(st.sampled_from(["username", "email", "x"]), values) | values)
def test_any_user(value: Any) -> None:
    """Only valid JSON changes a user."""

    async def change() -> tuple[int, Any, Any]:
        client = create_app().test_client()
        before = await (await client.get("/user/1")).get_json()
        response = await client.post(
            "/user/1", data=json.dumps(value), headers={"Content-Type": "application/json"}
        )
        after = await (await client.get("/user/1")).get_json()
        return response.status_code, before, after

    status, before, after = asyncio.run(change())
    fields = [
        value.get(name) if isinstance(value, dict) else None for name in ("username", "email")
    ]
    valid = all(
        isinstance(field, str) and 1 <= len(field) <= 100 and field != "\ud800" for field in fields
    )
    assert status == (200 if valid else 400)
    assert after == ({**before, "username": fields[0], "email": fields[1]} if valid else before)


@pytest.mark.checks("JS-6")
async def test_pictures() -> None:
    """Each user's picture exists, also below a mount prefix."""
    client = create_app().test_client()
    users = await (await client.get("/m/users", root_path="/m")).get_json()
    assert len(users) == 3
    for user in users:
        response = await client.get(user["picture"], root_path="/m")
        assert response.mimetype == "image/svg+xml"


@pytest.mark.checks("JS-8")
async def test_document() -> None:
    """The document has every route of the API with bodies and responses."""
    document = await (await create_app().test_client().get("/openapi.json")).get_json()
    methods = {path: set(found) for path, found in document["paths"].items()}
    assert methods == {
        "/_add_numbers": {"get"},
        "/users": {"get"},
        "/user/{id}": {"get", "post"},
        "/room": {"post"},
    }
    update = document["paths"]["/user/{id}"]["post"]
    schema = update["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"]["username"]["maxLength"] == 100
    assert schema["required"] == ["username", "email"]
    assert update["responses"]["200"]
    names = {one["name"] for one in document["paths"]["/_add_numbers"]["get"]["parameters"]}
    assert names == {"a", "b"}


@pytest.mark.checks("JS-8")
async def test_no_third_party() -> None:
    """No page and no script names another host."""
    for path in ("/", "/fetch", "/api", "/docs", "/static/add.js", "/static/fetch.js"):
        assert not re.search(r"(https?:)?//[a-z]", await text(path)), path


@pytest.mark.wire
@pytest.mark.checks("JQ-1", "JS-3")
async def test_on_the_wire() -> None:
    """On a real server the scripts load, and forms and JSON are distinguished."""
    async with served(create_app()) as server:
        page = (await server.client.get("/")).text
        scripts = re.findall(r'src="([^"]+)"', page)
        assert len(scripts) == 2
        for script in scripts:
            assert (
                (await server.client.get(script))
                .headers["Content-Type"]
                .startswith("text/javascript")
            )
        room = await server.client.post("/room", files={"name": (None, "Flask Room")})
        assert room.json() == {"name": "Flask Room", "description": ""}
        login = {"username": "admin", "password": "secret"}
        response = await server.client.post("/login", data=login, follow_redirects=True)
        assert (response.url.path, len(response.history)) == ("/", 1)
        assert (await server.client.post("/user/1", data=login)).status_code == 415
