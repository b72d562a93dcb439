"""Finalizers of asynchronous fixtures run in the context of the fixture, after a yield."""

from __future__ import annotations

from pathlib import Path

import pytest

from quartpatterns.porting import make_plan
from tests.porting.ported import port, written

APP = "from flask import Flask\n\napp = Flask(__name__)\n"
HEAD = "import pytest\nfrom app import app\n\n\n@pytest.fixture\n"
PAIRS = {
    "a context": (
        "def context(request):\n    ctx = app.app_context()\n    ctx.push()\n\n"
        "    def teardown():\n        ctx.pop()\n\n"
        "    request.addfinalizer(teardown)  # at last\n\n    return ctx\n",
        "async def context(request):\n    ctx = app.app_context()\n    await ctx.push()\n\n"
        "    async def teardown():\n        await ctx.pop()\n\n"
        "\n    yield ctx\n    await teardown()\n",
    ),
    "several finalizers, and no result": (
        "def context(request):\n    ctx = app.app_context()\n"
        "    request.addfinalizer(print)\n    ctx.push()\n"
        "    request.addfinalizer(lambda: print(1))\n",
        "async def context(request):\n    ctx = app.app_context()\n    await ctx.push()\n"
        "    yield\n    (lambda: print(1))()\n    print()\n",
    ),
    "a statement at the end": (
        "def context(request):\n    request.addfinalizer(print)\n"
        "    app.app_context().push()  # context\n",
        "async def context(request):\n    await app.app_context().push()  # context\n"
        "    yield\n    print()\n",
    ),
    "nothing to await": (
        "def context(request):\n    request.addfinalizer(print)\n    return 1\n",
        "def context(request):\n    request.addfinalizer(print)\n    return 1\n",
    ),
    "a finalizer under a condition": (
        "def context(request):\n    app.app_context().push()\n    if 1:\n"
        "        request.addfinalizer(print)\n    return 1\n",
        "async def context(request):\n    await app.app_context().push()\n    if 1:\n"
        "        request.addfinalizer(print)\n    return 1\n",
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_pair(tmp_path: Path, name: str) -> None:
    before, after = PAIRS[name]
    written(tmp_path, {"app.py": APP, "conftest.py": HEAD + before})
    port(tmp_path)
    assert (tmp_path / "conftest.py").read_text() == HEAD + after
    assert not make_plan(tmp_path).changes
