"""A dictionary is rendered with a template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from quart import Blueprint, Quart, redirect
from quart.views import MethodView

from quartpatterns.viewdecorators import login_required, templated


@pytest.fixture
def app(app_class: type[Quart], tmp_path: Path) -> Quart:
    (tmp_path / "pages").mkdir()
    (tmp_path / "index.html").write_text("index {{ value }}")
    (tmp_path / "pages" / "index.html").write_text("pages {{ value }}")
    return app_class(__name__, template_folder=str(tmp_path))


async def text(app: Quart, path: str = "/") -> str:
    response = await app.test_client().get(path)
    assert response.status_code == 200 and response.mimetype == "text/html"
    found = await response.get_data(as_text=True)
    assert isinstance(found, str)
    return found


@pytest.mark.checks("VD-6")
@pytest.mark.parametrize("template", [None, "index.html"])
@pytest.mark.parametrize("asynchronous", [True, False], ids=["async", "sync"])
async def test_dictionary(app: Quart, template: str | None, asynchronous: bool) -> None:
    """The template has a given name, or that of the endpoint."""

    async def index() -> dict[str, int]:
        return {"value": 42}

    def sync_index() -> dict[str, int]:
        return {"value": 42}

    app.add_url_rule("/", "index", templated(template)(index if asynchronous else sync_index))
    assert await text(app) == "index 42"


@pytest.mark.checks("VD-6")
async def test_blueprint(app: Quart) -> None:
    """Dots in the endpoint become folders."""
    pages = Blueprint("pages", __name__)

    @pages.get("/")
    @templated()
    def index() -> dict[str, int]:
        return {"value": 1}

    app.register_blueprint(pages)
    assert await text(app) == "pages 1"


@pytest.mark.checks("VD-6")
async def test_class_view(app: Quart) -> None:
    class Index(MethodView):
        decorators = [templated()]

        async def get(self) -> dict[str, str]:
            return {"value": "of a class"}

    app.add_url_rule("/", view_func=Index.as_view("index"))
    assert await text(app) == "index of a class"


@pytest.mark.checks("VD-6")
@pytest.mark.parametrize(
    ("result", "status", "body"),
    [
        pytest.param(None, 200, b"index ", id="None"),
        pytest.param({}, 200, b"index ", id="empty"),
        pytest.param({"value": "<b>"}, 200, b"index &lt;b&gt;", id="escaped"),
        pytest.param("as it is", 200, b"as it is", id="text"),
        pytest.param(("gone", 410), 410, b"gone", id="tuple"),
        pytest.param(redirect("/elsewhere"), 302, None, id="redirect"),
    ],
)
async def test_other_results(app: Quart, result: Any, status: int, body: bytes | None) -> None:
    """Other results than a dictionary or None are the response."""

    @app.get("/")
    @templated()
    async def index() -> Any:
        return result

    response = await app.test_client().get("/")
    assert response.status_code == status
    if body is not None:
        assert await response.get_data(as_text=False) == body


@pytest.mark.checks("VD-6")
def test_without_parentheses() -> None:
    with pytest.raises(TypeError, match=r"@templated\(\)"):
        templated(lambda: None)  # type: ignore[arg-type]


def test_names_stay() -> None:
    async def view() -> None:
        """What it does."""

    decorated = templated()(login_required(view))
    assert (decorated.__name__, decorated.__doc__) == ("view", "What it does.")
