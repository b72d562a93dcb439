"""The port, and the class of Flask's page on Quart."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys

import pytest
from quart import Quart

from quartpatterns.lazyloading.example import original

LOADED = """
import asyncio, sys
from quartpatterns.lazyloading.example.port import create_app

app = create_app()
before = "quartpatterns.lazyloading.example.port_views" in sys.modules
response = asyncio.run(app.test_client().get("/"))
print(before, response.status_code, "quartpatterns.lazyloading.example.port_views" in sys.modules)
"""


@pytest.mark.checks("LL-2", "LL-9")
def test_not_loaded() -> None:
    """Starting the port imports none of its views, although it checks them."""
    command = [sys.executable, "-c", LOADED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == "False 200 True\n", done.stderr


@pytest.mark.checks("LL-6")
@pytest.mark.filterwarnings("ignore:coroutine 'index' was never awaited")
async def test_page_on_quart() -> None:
    """The class of Flask's page fails with a coroutine function on Quart."""
    app = Quart(__name__)
    view = original.LazyView("quartpatterns.lazyloading.example.port_views.index")  # type: ignore[no-untyped-call]
    await asyncio.to_thread(getattr, view, "view")
    app.add_url_rule("/", view_func=view)
    assert (await app.test_client().get("/")).status_code == 500
    gc.collect()  # the warning about the coroutine is raised here
