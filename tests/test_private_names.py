"""Every private name of another package that this package uses.

A private name can disappear in any release. Each one is listed here with its owner and the reason
why no public name serves. The first test fails, with the place to look at, when a name disappears
from its owner. The second test fails when the code uses a private name that is not listed, or when
a listed name is no longer used.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import quartpatterns
from tests.private_uses import private_uses

PACKAGE = Path(quartpatterns.__file__).parent


class Private(NamedTuple):
    """A private name: where it is used, who owns it, and why it is used."""

    pattern: str
    owner: str
    name: str
    reason: str


PRIVATE = [
    # _shared
    Private(
        "_shared",
        "aiosqlite:Connection",
        "_conn",
        "its methods and cursors use it; so they run in our thread",
    ),
    Private(
        "_shared",
        "aiosqlite:Connection",
        "_execute",
        "its methods and cursors use it; so they run in our thread",
    ),
    Private("_shared", "aiosqlite:Connection", "_iter_chunk_size", "its cursors read it"),
    # caching
    Private(
        "caching",
        "werkzeug.datastructures:Headers",
        "_list",
        "fills the headers of a cached response; checking each value again would take 3.6 of 24 µs"
        " of a hit",
    ),
    # packages
    Private(
        "packages",
        "quart:Blueprint",
        "_blueprints",
        "no public name tells which blueprints a blueprint has nested before it is registered",
    ),
    # requestchecksum
    Private(
        "requestchecksum",
        "quart:Request",
        "_form",
        "no public name tells that a multipart form was parsed, so that its bytes are gone",
    ),
    # sqlalchemy
    Private(
        "sqlalchemy",
        "sqlalchemy.ext.asyncio.result",
        "_ensure_sync_result",
        "execute() is replaced, because SQLAlchemy's makes a greenlet, which takes 7 of 230 µs",
    ),
    Private("sqlalchemy", "sqlalchemy.ext.asyncio:AsyncConnection", "_assign_proxied", "the same"),
    Private("sqlalchemy", "sqlalchemy.ext.asyncio:AsyncConnection", "_proxied", "the same"),
    Private(
        "sqlalchemy",
        "sqlalchemy.dialects.postgresql.asyncpg:AsyncAdapt_asyncpg_connection",
        "_execute_mutex",
        "under rolled_back(), several adapters share one connection, and so one lock",
    ),
    Private(
        "sqlalchemy",
        "sqlalchemy.dialects.postgresql.asyncpg:AsyncAdapt_asyncpg_ss_cursor",
        "_handle_exception",
        "makes asyncpg's error an error of SQLAlchemy, which it does not do for rows of a cursor",
    ),
    Private(
        "sqlalchemy",
        "sqlalchemy.sql.selectable:Select",
        "_for_update_arg",
        "is read for each statement under db.reading(): get_children() takes 8 microseconds",
    ),
    Private(
        "sqlalchemy",
        "sqlalchemy.dialects.postgresql.asyncpg:AsyncAdapt_asyncpg_connection",
        "_transaction",
        "SQLAlchemy rolls it back; asyncpg's is_in_transaction() differs after a COMMIT as text",
    ),
    Private(
        "sqlalchemy",
        "sqlalchemy.dialects.sqlite.aiosqlite:AsyncAdapt_aiosqlite_cursor",
        "_async_soft_close",
        "SQLAlchemy calls it on every cursor of an asynchronous dialect",
    ),
    Private(
        "sqlalchemy",
        "sqlalchemy.pool:QueuePool",
        "_pool",
        "the queue, whose waiting tasks are notified that the pool may open a connection",
    ),
    Private(
        "sqlalchemy",
        "sqlalchemy.dialects.postgresql.asyncpg:AsyncAdapt_asyncpg_ss_cursor",
        "_cursor",
        "a batch is one round trip, and a row of a CSV export takes 17 % less processor time",
    ),
    Private(
        "sqlalchemy",
        "sqlalchemy.dialects.postgresql.asyncpg:AsyncAdapt_asyncpg_ss_cursor",
        "_rowbuffer",
        "fetchmany() of our cursor must not skip rows that the other methods have buffered",
    ),
    # subclassing
    Private(
        "subclassing",
        "quart.globals",
        "_cv_app",
        "the test client makes a context current in its own task; to push it would run the hooks",
    ),
    Private("subclassing", "quart.globals", "_cv_request", "the same"),
    Private(
        "subclassing",
        "flask.globals",
        "_cv_app",
        "the bridge sets what Flask's proxies read; Flask sets it for a Flask only",
    ),
    Private("subclassing", "flask.globals", "_cv_request", "the same"),
    Private(
        "subclassing",
        "quart.ctx",
        "_AppCtxGlobals",
        "the class of g, which is documented under this name and has no public one",
    ),
    Private(
        "subclassing",
        "quart.ctx:RequestContext",
        "_after_request_functions",
        "process_response() has to be replaced, as Quart's reads the session, which is access",
    ),
    Private(
        "subclassing",
        "quart.ctx:WebsocketContext",
        "_after_websocket_functions",
        "the contexts have an __init__ of their own: Quart's would raise the error of the routing",
    ),
    Private("subclassing", "quart.ctx:WebsocketContext", "_cv_tokens", "the same"),
    *(
        Private(
            "subclassing",
            "quart:Request",
            name,
            "the request has an __init__ of its own, which saves 9 % of a small request",
        )
        for name in ("_files", "_form", "_parsing_lock", "_send_push_promise")
    ),
    Private(
        "subclassing",
        "werkzeug.datastructures:Headers",
        "_list",
        "headers without checks save 13 of 65 microseconds per request; see the comments",
    ),
    Private(
        "subclassing",
        "quart:Quart",
        "_got_first_request",
        "Flask's check of late set-up reads it, Quart never sets it, and nothing public does",
    ),
    Private(
        "subclassing",
        "flask.sansio.app:App",
        "_find_error_handler",
        "handle_user_exception() is replaced: Quart's refers to the error, and so does its"
        " traceback, a cycle for the garbage collector",
    ),
    Private(
        "subclassing",
        "quart:Request",
        "_load_form_data",
        "Quart's starts a task for each form, also if there is nothing to wait for",
    ),
    Private(
        "subclassing",
        "quart.app:Quart",
        "_preserved_context",
        "Quart's test client reads it; handle_request() is replaced and has to set it",
    ),
    Private(
        "subclassing",
        "quart.testing.connections:TestHTTPConnection",
        "_asgi_receive",
        "sends a large file or endless stream only as fast as the application receives it",
    ),
    Private(
        "subclassing",
        "quart.testing.connections:TestHTTPConnection",
        "_asgi_send",
        "Quart's decodes headers as UTF-8, and fails for those in Latin-1, as WSGI sends them",
    ),
    # wtforms
    Private(
        "wtforms",
        "wtforms.form:BaseForm",
        "_parent_form",
        "the only sign by which a nested form can know that it needs no token of its own: a field"
        " list may append it long after the outer form was created",
    ),
    # What classes override or take from base classes.
    Private(
        "sqlalchemy",
        "sqlalchemy.pool:QueuePool",
        "_queue_class",
        "the only hook by which a pool can hand connections to the tasks that have waited longest",
    ),
    *(
        Private(
            "sqlalchemy",
            "sqlalchemy.sql.selectable:Select",
            name,
            "whether a page must be made of keys: get_final_froms() takes half a millisecond",
        )
        for name in ("_setup_joins", "_from_obj", "_limit_clause", "_offset_clause")
    ),
    *(
        Private(
            "sqlalchemy",
            "sqlalchemy.sql.selectable:Select",
            name,
            "whether a limit counts entities, and whether the order can be left out",
        )
        for name in ("_distinct", "_distinct_on", "_pre_columns_clause")
    ),
    Private(
        "sqlalchemy",
        "sqlalchemy.sql.selectable:Select",
        "_with_options",
        "whether contains_eager() may fill a collection with the rows that a limit would cut",
    ),
    Private(
        "sqlalchemy",
        "sqlalchemy.sql.selectable:Select",
        "_order_by_clauses",
        "a window function numbers the rows in the order of the statement; no public name has it",
    ),
    Private("sqlalchemy", "sqlalchemy.pool:QueuePool", "_do_get", "as _queue_class"),
    Private("sqlalchemy", "sqlalchemy.pool:QueuePool", "_dec_overflow", "as _queue_class"),
    *(
        Private(
            "sqlalchemy",
            owner,
            name,
            "an engine does not tell its options, which its asynchronous driver needs as well",
        )
        for owner, name in (
            ("sqlalchemy.pool:Pool", "_pre_ping"),
            ("sqlalchemy.pool:Pool", "_recycle"),
            ("sqlalchemy.pool:Pool", "_reset_on_return"),
            ("sqlalchemy.pool:QueuePool", "_max_overflow"),
            ("sqlalchemy.pool:QueuePool", "_pool"),
            ("sqlalchemy.engine.default:DefaultDialect", "_on_connect_isolation_level"),
            ("sqlalchemy.engine.default:DefaultDialect", "_user_defined_max_identifier_length"),
        )
    ),
    Private(
        "sqlalchemy",
        "sqlalchemy.engine.default:DefaultDialect",
        "_set_connection_characteristics",
        "it sets the isolation level of an engine, with the dialect that the engine had before",
    ),
]

# Names that start with an underscore and are not private names of another package.
NOT_PRIVATE = {
    "_exit": "Python documents it: os._exit() ends a forked process.",
    "_fields": "Python documents it for every named tuple, and SQLAlchemy for its rows.",
    "_get_current_object": "Werkzeug documents it for every proxy.",
}


@pytest.mark.parametrize(
    "private", PRIVATE, ids=lambda private: f"{private.pattern}-{private.name}"
)
def test_the_owner_has_it(private: Private) -> None:
    """The name is in its owner: as an attribute, or in the source that sets it on instances."""
    module, _, qualified = private.owner.partition(":")
    owner: Any = importlib.import_module(module)
    for part in qualified.split(".") if qualified else []:
        owner = getattr(owner, part)
    sources = [owner] if inspect.ismodule(owner) else inspect.getmro(owner)[:-1]
    assert (
        owner.__name__ == private.name
        or hasattr(owner, private.name)
        or any(private.name in inspect.getsource(source) for source in sources)
    ), (
        f"{private.owner} no longer has {private.name}, which quartpatterns/{private.pattern} uses"
        f" ({private.reason}): find what the new release has instead, or use its public API"
    )


@pytest.mark.parametrize(
    "folder", sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
)
def test_all_are_listed(folder: str) -> None:
    """The list and the code name the same private names."""
    found = {
        name: files
        for name, files in private_uses(PACKAGE / folder).items()
        if name not in NOT_PRIVATE
    }
    listed = {private.name for private in PRIVATE if private.pattern == folder}
    text = "".join(
        file.read_text()
        for file in (PACKAGE / folder).rglob("*.py")
        if "example" not in file.relative_to(PACKAGE).parts
    )
    assert found.keys() <= listed, {name: found[name] for name in found.keys() - listed}
    assert [name for name in listed if name not in text] == []
