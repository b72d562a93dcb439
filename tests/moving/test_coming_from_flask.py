"""The examples of "Coming from Flask": each application answers as before."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from blockbuster import BlockBuster

from quartpatterns.compare import Case, Difference, File, Step
from quartpatterns.compare.pytest_plugin import AssertParity
from tests.assembled import DOCS

PAGES = DOCS / "coming_from_flask"
# test_migrations.py runs that of Flask-Migrate, whose applications have no routes.
EXAMPLES = sorted(
    file.parent
    for file in (PAGES / "examples").glob("*/before.py")
    if file.parent.name != "flask_migrate"
)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
UPLOADS = [
    Case(
        "photos",
        Step("/photos", method="POST", files={"photo": File(PNG, "ada.png", "image/png")}),
        Step("/_uploads/photos/ada.png", ignore_headers=("etag", "last-modified")),
        Step("/photos", method="POST", files={"photo": File(b"MZ", "ada.exe", "image/png")}),
        differs=[
            Difference("header:x-content-type-options", None, "nosniff", "uploads run nothing", 1)
        ],
    )
]


def settings(name: str, folder: Path) -> dict[str, Any]:
    """Return the settings with which an example needs no service."""
    folder.mkdir()
    match name:
        case "celery":
            celery = {"broker_url": "memory://localhost", "task_always_eager": True}
            return {"CELERY": celery, "TASKS_EAGER": True, "TESTING": True}
        case "flask_admin":
            return {"SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder / 'shop.db'}"}
        case "flask_limiter":
            return {"RATELIMIT_STORAGE_URI": "memory://"}
        case "flask_mail":
            return {"TESTING": True}
        case "flask_session":
            cachelib = importlib.import_module("cachelib.file")
            cache = cachelib.FileSystemCache(str(folder / "sessions"))
            return {"SESSION_TYPE": "cachelib", "SESSION_CACHELIB": cache}
        case "flask_uploads":
            return {"UPLOADED_PHOTOS_DEST": str(folder)}
    return {}


def application(file: Path, folder: Path) -> Any:
    """Return the application of an example."""
    name = f"{file.parent.name}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    values = settings(file.parent.name, folder)
    takes_settings = inspect.signature(module.create_app).parameters
    app = module.create_app(values) if takes_settings else module.create_app()
    app.config["PROPAGATE_EXCEPTIONS"] = True  # two equal errors are no success
    if file.parent.name == "flask_admin" and importlib.util.find_spec("flask_babel"):
        importlib.import_module("flask_babel").Babel(app)
    return app


def imports(file: Path) -> set[str]:
    """Return the packages that a module imports."""
    return set(re.findall(r"^(?:from|import) (\w+)", file.read_text(), re.M))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.name)
async def test_example(
    example: Path, tmp_path: Path, assert_parity: AssertParity, no_blocking: BlockBuster
) -> None:
    """The application for Quart answers as the one for Flask."""
    no_blocking.deactivate()  # Extensions for Flask read files when they need them.
    for name in imports(example / "before.py") | imports(example / "after.py"):
        pytest.importorskip(name)
    requests = example / "requests.toml"

    def compare() -> None:
        before = application(example / "before.py", tmp_path / "before")
        after = application(example / "after.py", tmp_path / "after")
        if requests.exists():
            assert_parity(before, after, requests=requests)
        else:
            assert_parity(before, after, cases=UPLOADS)

    await asyncio.to_thread(compare)
