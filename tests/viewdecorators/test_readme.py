"""The example of README.md works as it is written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import quartpatterns.viewdecorators

README = Path(quartpatterns.viewdecorators.__file__).with_name("README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
HTML = re.findall(r"```html\n(.*?)```", README, re.DOTALL)

PROGRAM = """
import asyncio


async def find_user(user_id):
    return User(user_id, ["admin"] if user_id == "ada" else [])


async def check_password(name, password):
    return await find_user(name) if password == "right" else None


async def slow_query():
    return ["one", "two"]


async def main():
    client = app.test_client()
    response = await client.get("/secret_page")
    assert (response.status_code, response.location) == (302, "/login?next=%2Fsecret_page")
    page = await (await client.get(response.location)).get_data(as_text=True)
    assert 'name="next" value="/secret_page"' in page
    form = {"name": "bob", "password": "wrong", "next": "/secret_page"}
    assert (await client.post("/login", form=form)).status_code == 200
    form["password"] = "right"
    response = await client.post("/login", form=form)
    assert (response.status_code, response.location) == (302, "/secret_page")
    response = await client.get("/secret_page")
    assert await response.get_data(as_text=True) == "Hello bob"
    assert (await client.get("/admin")).status_code == 403
    response = await client.post("/login", form={**form, "next": "https://evil.example"})
    assert response.location == "/"
    for method in ("GET", "OPTIONS"):
        response = await client.open("/hello", method=method)
        assert await response.get_data(as_text=True) == "Hello world"
    for _ in range(2):
        response = await app.test_client().get("/")
        assert await response.get_data(as_text=True) == "one two"


asyncio.run(main())
print("done")
"""


def test_example(tmp_path: Path) -> None:
    example = PYTHON[0]  # The others are excerpts, which need a database.
    [form] = HTML
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "login.html").write_text(form)
    (folder / "index.html").write_text("{{ rows|join(' ') }}")
    (tmp_path / "program.py").write_text(example + PROGRAM)
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "done\n", done.stderr
