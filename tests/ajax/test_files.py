"""Files of packages, and the documentation page."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest
from quart import Quart, url_for
from quart_schema import QuartSchema

from quartpatterns.ajax import package_files, swagger_ui

PAGES = {"swagger_ui_path": None, "redoc_ui_path": None, "scalar_ui_path": None}


@pytest.fixture
def app(app_class: type[Quart]) -> Quart:
    return app_class(__name__)


@pytest.mark.checks("JQ-1")
async def test_package(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of a package is a static file with the mount prefix in its URL.

    The package is not imported.
    """
    monkeypatch.delitem(sys.modules, "xstatic.pkg.jquery", raising=False)
    package_files(app, "jquery", "xstatic.pkg.jquery", "data")
    async with app.test_request_context("/m/", root_path="/m"):
        url = url_for("jquery.static", filename="jquery.min.js")
    assert url == "/m/jquery/jquery.min.js"
    response = await app.test_client().get(url, root_path="/m")
    assert response.mimetype == "text/javascript"
    data = await response.get_data(as_text=True)
    assert isinstance(data, str)
    assert re.match(r"/\*! jQuery v3\.", data)
    assert "xstatic.pkg.jquery" not in sys.modules


@pytest.mark.checks("JQ-1")
async def test_only_its_files(app: Quart) -> None:
    package_files(app, "jquery", "xstatic.pkg.jquery", "data")
    client = app.test_client()
    for path in ("", "nope.js", "../__init__.py", "..%2F__init__.py", "%00"):
        assert (await client.get(f"/jquery/{path}")).status_code == 404


@pytest.mark.checks("JQ-1")
@pytest.mark.parametrize(
    ("package", "message"),
    [
        ("nope_nope", "There is no package nope_nope: install it"),
        ("nope.nope", "There is no package nope.nope: install it"),
        ("struct", "There is no package struct: install it"),
        ("xstatic.pkg.nope", r"pip install 'quartpatterns\[ajax\]'"),
    ],
)
def test_missing_package(app: Quart, package: str, message: str) -> None:
    """The error names the package, and the extra if the extra installs it."""
    with pytest.raises(ModuleNotFoundError, match=message) as caught:
        package_files(app, "files", package)
    assert caught.value.name == package


@pytest.mark.checks("JS-8")
async def test_documentation(app: Quart) -> None:
    """The page and its files come from the application, below its mount prefix."""
    QuartSchema(app, **PAGES)  # type: ignore[arg-type]
    swagger_ui(app, "/deep/docs", title="</title><script>")
    client = app.test_client()
    response = await client.get("/m/deep/docs", root_path="/m")
    page = await response.get_data(as_text=True)
    assert isinstance(page, str)
    assert "<title>&lt;/title&gt;&lt;script&gt;</title>" in page
    assert 'servers: [{ url: "/m" }]' in page
    assert "validatorUrl: null" in page
    assert "//" not in page.replace("<!doctype html>", "")
    urls = re.findall(r'(?:href=|src=|fetch\()"([^"]+)"', page)
    assert len(urls) == 4
    for url in urls:
        assert url.startswith("/m/")
        assert (await client.get(url, root_path="/m")).status_code == 200


@pytest.mark.checks("JS-8")
async def test_only_the_api_is_documented(app: Quart) -> None:
    QuartSchema(app, **PAGES)  # type: ignore[arg-type]
    swagger_ui(app)

    @app.get("/thing")
    async def thing() -> dict[str, Any]:
        return {}

    document = await (await app.test_client().get("/openapi.json")).get_json()
    assert set(document["paths"]) == {"/thing"}


@pytest.mark.checks("JS-8")
def test_wrong_order(app_class: type[Quart]) -> None:
    with pytest.raises(RuntimeError, match=r"call QuartSchema\(app\) before it"):
        swagger_ui(app_class(__name__))
    app = app_class(__name__)
    QuartSchema(app)
    with pytest.raises(RuntimeError, match="swagger_ui_path=None"):
        swagger_ui(app)
