"""Blueprints are found and registered once."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quart import Blueprint, Quart

from quartpatterns.packages import (
    BlueprintImportError,
    DuplicateBlueprintError,
    register_blueprints,
)
from tests.examples import examples
from tests.written import Write


def module(name: str, *, view: str = "async def") -> str:
    """Return the source of a module with a blueprint *name* at the prefix *name*."""
    return (
        f"from quart import Blueprint\n\n"
        f"{name} = Blueprint('{name}', __name__, url_prefix='/{name}')\n\n"
        f"@{name}.get('/')\n{view} index(): return '{name}'\n"
    )


@pytest.mark.checks("PKG-7")
def test_depth(app_class: type[Quart], write: Write) -> None:
    """Blueprints are found at any depth, a package before its modules."""
    write(
        {
            "shop/__init__.py": module("shop"),
            "shop/zebra.py": module("zebra"),
            "shop/admin/__init__.py": module("admin"),
            "shop/admin/users/__init__.py": "",
            "shop/admin/users/roles.py": module("roles"),
            "shop/plain.py": "x = 1",
        }
    )
    app = app_class("shop")
    found = register_blueprints(app, "shop")
    assert [blueprint.name for blueprint in found] == ["shop", "admin", "roles", "zebra"]
    assert list(app.blueprints) == ["shop", "admin", "roles", "zebra"]


@pytest.mark.checks("PKG-7")
def test_order(write: Write) -> None:
    """The order is that of the names, also if a package consists of several folders."""
    folder = write(
        {
            "one/parts/__init__.py": "__path__.append(__path__[0].replace('one', 'two'))",
            "one/parts/b.py": module("b"),
            "one/parts/d.py": module("d"),
            "two/parts/a.py": module("a"),
            "two/parts/c.py": module("c") + module("c0") + module("b1"),
        }
    )
    sys.path.insert(0, str(folder / "one"))
    try:
        found = register_blueprints(Quart("shop"), "parts")
    finally:
        sys.path.remove(str(folder / "one"))
    assert [blueprint.name for blueprint in found] == ["a", "b", "c", "c0", "b1", "d"]


@pytest.mark.checks("PKG-7")
async def test_which_view_answers(app_class: type[Quart], write: Write) -> None:
    """Of two routes that match, the one of the module that comes first answers."""
    same = "x = Blueprint('{0}', __name__)\n@x.get('/')\ndef index(): return '{0}'\n"
    head = "from quart import Blueprint\n"
    write(
        {
            "shop/__init__.py": "",
            "shop/b.py": head + same.format("b"),
            "shop/a.py": head + same.format("a"),
        }
    )
    app = app_class("shop")
    await asyncio.to_thread(register_blueprints, app, "shop")
    response = await app.test_client().get("/")
    assert await response.get_data() == b"a"


@pytest.mark.checks("PKG-8")
def test_imported_again(write: Write) -> None:
    """A blueprint that other modules import is registered once, where its package is searched."""
    write(
        {
            "shop/__init__.py": "",
            "shop/admin/__init__.py": module("admin") + "\nfrom . import views\n",
            "shop/admin/views.py": "from shop.admin import admin\nagain = admin\n",
            "shop/other.py": "from shop.admin import admin\nfrom shoplib import lib\n",
            "shoplib.py": module("lib"),
        }
    )
    app = Quart("shop")
    assert [blueprint.name for blueprint in register_blueprints(app, "shop")] == ["admin"]


@pytest.mark.checks("PKG-8")
def test_nested(write: Write) -> None:
    """A blueprint that another one registers is that one's own, at any depth."""
    write(
        {
            "shop/__init__.py": "",
            "shop/api.py": module("api")
            + "from shop._users import users as _users\napi.register_blueprint(_users)\n",
            "shop/_users.py": module("users")
            + "from shop.roles import roles\nusers.register_blueprint(roles)\n",
            "shop/roles.py": module("roles"),
        }
    )
    app = Quart("shop")
    assert [blueprint.name for blueprint in register_blueprints(app, "shop")] == ["api"]
    assert list(app.blueprints) == ["api", "api.users", "api.users.roles"]


@pytest.mark.checks("PKG-8")
def test_underscore(write: Write) -> None:
    """What starts with an underscore is left out, and not even imported."""
    write(
        {
            "shop/__init__.py": module("_draft") + module("shop"),
            "shop/__main__.py": "raise SystemExit(1)",
            "shop/_old.py": "raise RuntimeError",
            "shop/_attic/__init__.py": "raise RuntimeError",
            "shop/_attic/x.py": module("x"),
        }
    )
    assert [found.name for found in register_blueprints(Quart("shop"), "shop")] == ["shop"]


@pytest.mark.checks("PKG-8")
def test_proxies(write: Write) -> None:
    """Proxies that a module has imported are not asked what they stand for."""
    write(
        {
            "shop/__init__.py": "from quart import current_app, g, request, session\n"
            + module("shop")
        }
    )
    assert len(register_blueprints(Quart("shop"), "shop")) == 1


@pytest.mark.checks("PKG-9")
def test_duplicate_name(app_class: type[Quart], write: Write) -> None:
    """The error names both places, and nothing is registered."""
    write(
        {
            "shop/__init__.py": "",
            "shop/a.py": module("a"),
            "shop/b.py": module("users"),
            "shop/c/__init__.py": "",
            "shop/c/d.py": module("users"),
        }
    )
    app = app_class("shop")
    with pytest.raises(DuplicateBlueprintError, match="'users': shop.b:users, and shop.c.d:users"):
        register_blueprints(app, "shop")
    assert not app.blueprints


@pytest.mark.checks("PKG-9")
def test_name_is_taken(write: Write) -> None:
    write({"shop/__init__.py": module("users")})
    app = Quart("shop")
    app.register_blueprint(Blueprint("users", "elsewhere"))
    with pytest.raises(DuplicateBlueprintError, match="already registered, and shop:users"):
        register_blueprints(app, "shop")


@pytest.mark.checks("PKG-9")
def test_twice(write: Write) -> None:
    write({"shop/__init__.py": module("users")})
    app = Quart("shop")
    register_blueprints(app, "shop")
    with pytest.raises(DuplicateBlueprintError, match="shop:users is already registered"):
        register_blueprints(app, "shop")


@pytest.mark.checks("PKG-9")
def test_registered_with_another_name(write: Write) -> None:
    """A blueprint that is registered with another name is an error: its hooks would run twice."""
    write({"shop/__init__.py": module("users")})
    import shop  # type: ignore[import-not-found]  # the test has written it

    app = Quart("shop")
    app.register_blueprint(shop.users, name="people")
    with pytest.raises(DuplicateBlueprintError, match="but not both"):
        register_blueprints(app, "shop")


@pytest.mark.checks("PKG-10")
@pytest.mark.parametrize(
    ("text", "cause", "message"),
    [
        pytest.param("import no_such_thing", ModuleNotFoundError, "no_such_thing", id="missing"),
        pytest.param("def", SyntaxError, "invalid syntax", id="syntax"),
        pytest.param("1 / 0", ZeroDivisionError, "division by zero", id="raises"),
    ],
)
def test_import_fails(
    app_class: type[Quart], write: Write, text: str, cause: type[Exception], message: str
) -> None:
    """The error names the module and has the cause, and nothing is registered."""
    write({"shop/__init__.py": "", "shop/a.py": module("a"), "shop/b/__init__.py": text})
    app = app_class("shop")
    with pytest.raises(BlueprintImportError, match=f"Importing shop.b failed.*{message}") as caught:
        register_blueprints(app, "shop")
    assert caught.value.name == "shop.b"
    assert isinstance(caught.value.__cause__, cause)
    assert not app.blueprints


@pytest.mark.checks("PKG-10")
def test_circular_import(write: Write) -> None:
    """A circular import is explained."""
    write(
        {
            "shop/__init__.py": """
                from quart import Quart
                from quartpatterns.packages import register_blueprints

                register_blueprints(Quart(__name__), ".parts")
                app = Quart(__name__)
            """,
            "shop/parts/__init__.py": "",
            "shop/parts/users.py": "from shop import app\n" + module("users"),
        }
    )
    with pytest.raises(BlueprintImportError, match="circular import: call register_blueprints"):
        import shop  # noqa: F401


@pytest.mark.checks("PKG-10")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("no_such_package", "Importing no_such_package failed", id="absolute"),
        pytest.param(".parts", "Importing shop.parts failed", id="relative"),
        pytest.param("...parts", "'...parts' is relative to the package of shop", id="too high"),
    ],
)
def test_no_such_package(write: Write, name: str, message: str) -> None:
    write({"shop/__init__.py": ""})
    import shop  # noqa: F401

    with pytest.raises(BlueprintImportError, match=message):
        register_blueprints(Quart("shop"), name)


@pytest.mark.checks("PKG-10")
def test_relative_to_a_script(write: Write) -> None:
    """A script is not in a package, so the name has to be absolute."""
    with pytest.raises(BlueprintImportError, match="write the full name"):
        register_blueprints(Quart("no_such_module", root_path="/"), ".blueprints")


@pytest.mark.checks("PKG-10")
def test_module(write: Write) -> None:
    write({"shop/__init__.py": "", "shop/views.py": module("shop")})
    with pytest.raises(TypeError, match="shop.views is a module: pass the package"):
        register_blueprints(Quart("shop"), "shop.views")


@pytest.mark.checks("PKG-10")
def test_no_blueprints(write: Write) -> None:
    """A package without blueprints is an error."""
    write({"shop/__init__.py": "", "shop/a.py": "def blueprint(): ..."})
    with pytest.raises(LookupError, match="No module of shop has a blueprint"):
        register_blueprints(Quart("shop"), "shop")


@pytest.mark.checks("PKG-10")
def test_flask_blueprint(write: Write) -> None:
    write(
        {
            "shop/__init__.py": module("a"),
            "shop/old.py": "from flask import Blueprint\nold = Blueprint('old', __name__)",
        }
    )
    app = Quart("shop")
    with pytest.raises(TypeError, match="shop.old:old is a blueprint of Flask"):
        register_blueprints(app, "shop")
    assert not app.blueprints


@pytest.mark.checks("PKG-11")
async def test_on_a_blueprint(app_class: type[Quart], write: Write) -> None:
    """Blueprints can be registered on a blueprint of the same package."""
    write(
        {
            "shop/__init__.py": module("api"),
            "shop/sync.py": module("sync", view="def"),
            "shop/async_.py": module("asynchronous"),
        }
    )
    import shop

    app = app_class("shop")
    await asyncio.to_thread(register_blueprints, shop.api, ".")
    app.register_blueprint(shop.api)
    for path in ("/api/", "/api/sync/", "/api/asynchronous/"):
        response = await app.test_client().get(path)
        assert response.status_code == 200
        assert path.strip("/").endswith(await response.get_data(as_text=True))


@pytest.mark.checks("PKG-9", "PKG-11")
def test_twice_on_a_blueprint(write: Write) -> None:
    write({"shop/__init__.py": module("users")})
    api = Blueprint("api", "api")
    found = register_blueprints(api, "shop")
    # An application factory that runs again does this.
    assert register_blueprints(api, "shop") == found
    by_hand = Blueprint("api", "api")
    by_hand.register_blueprint(found[0])
    with pytest.raises(DuplicateBlueprintError, match="shop:users is already registered"):
        register_blueprints(by_hand, "shop")
    with pytest.raises(DuplicateBlueprintError, match="Two blueprints are called 'users'"):
        other = Blueprint("api", "api")
        other.register_blueprint(Blueprint("people", "people"), name="users")
        register_blueprints(other, "shop")


@pytest.mark.checks("PKG-7")
@settings(max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.sets(st.from_regex(r"[a-z][a-z0-9]{0,5}x", fullmatch=True), min_size=1, max_size=5))
def test_any_names(names: set[str], tmp_path: Path) -> None:
    """All modules are found in the order of their names."""
    package = f"shop_{abs(hash(frozenset(names)))}"
    folder = tmp_path / package
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / f"{name}.py").write_text(module(f"bp_{name}"))
    sys.path.insert(0, str(tmp_path))
    try:
        found = register_blueprints(Quart("shop"), package)
    finally:
        sys.path.remove(str(tmp_path))
    assert [blueprint.name for blueprint in found] == [f"bp_{name}" for name in sorted(names)]
