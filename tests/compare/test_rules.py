from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from quart import Quart

from quartpatterns.compare.rules import get_rules


def test_every_get_rule_of_both() -> None:
    """Rules with arguments, other methods and websockets are left out."""
    one, other = Flask(__name__), Quart(__name__)
    one.add_url_rule("/only-flask", view_func=lambda: "")
    one.add_url_rule("/both", endpoint="both", view_func=lambda: "")
    one.add_url_rule("/post", endpoint="post", methods=["POST"], view_func=lambda: "")
    one.add_url_rule("/user/<name>", endpoint="user", view_func=lambda name: "")
    one.add_url_rule("/built", endpoint="built", build_only=True)

    @other.get("/both")
    async def both() -> str:
        return ""

    @other.get("/only-quart")
    async def only_quart() -> str:
        return ""

    @other.websocket("/ws")
    async def ws() -> None: ...

    names = [case.name for case in get_rules(one, other)]
    assert names == ["GET /both", "GET /only-flask", "GET /only-quart"]


def test_no_url_map() -> None:
    def bare(environ: Any, start_response: Any) -> list[bytes]:
        return []

    with pytest.raises(LookupError, match="has no url_map: name the requests"):
        get_rules(bare)


def test_no_rule() -> None:
    with pytest.raises(LookupError, match="no GET rule"):
        get_rules(Flask("x", static_folder=None))
