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
    Private("caching", "werkzeug.datastructures:Headers", "_list", "copies headers without checks"),
    Private(
        "caching", "cashews.backends.redis.client_side:BcastClientSide", "_client", "to review"
    ),
    Private("caching", "cashews.backends.diskcache:DiskCache", "_cache", "to review"),
    Private("caching", "quartpatterns.subclassing.request", "_counted_body", "to review"),
    # mongodb
    Private("mongodb", "beanie.odm.utils.init:Initializer", "_database_major_version", "to review"),
    # packages
    Private("packages", "quart:Blueprint", "_blueprints", "to review"),
    # requestchecksum
    Private(
        "requestchecksum",
        "_hashlib",
        "_hashlib",
        "the type of hashlib's objects has no public name",
    ),
    Private("requestchecksum", "quart:Request", "_form", "to review"),
    # sqlalchemy
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
    Private("subclassing", "quart.globals", "_cv_app", "to review"),
    Private("subclassing", "quart.globals", "_cv_request", "to review"),
    Private("subclassing", "quart.ctx:RequestContext", "_cv_tokens", "to review"),
    Private("subclassing", "quart.ctx:RequestContext", "_after_request_functions", "to review"),
    Private("subclassing", "quart.ctx:RequestContext", "_push", "to review"),
    Private("subclassing", "quart.wrappers:Request", "_cached_json", "to review"),
    Private("subclassing", "quart.wrappers:Request", "_form", "to review"),
    Private("subclassing", "quart.wrappers:Request", "_files", "to review"),
    Private("subclassing", "quart.wrappers:Request", "_load_form_data", "to review"),
    Private("subclassing", "quart.wrappers.request:Request", "_max_content_length", "to review"),
    Private("subclassing", "quart.wrappers.request:Request", "_parsing_lock", "to review"),
    Private(
        "subclassing", "quart.asgi:ASGIHTTPConnection", "_create_request_from_scope", "to review"
    ),
    Private("subclassing", "quart.asgi:ASGIHTTPConnection", "_send_push_promise", "to review"),
    Private(
        "subclassing",
        "quart.asgi:ASGIWebsocketConnection",
        "_create_websocket_from_scope",
        "to review",
    ),
    Private("subclassing", "quart.asgi:ASGIWebsocketConnection", "_accepted", "to review"),
    Private("subclassing", "quart.asgi:ASGIWebsocketConnection", "_closed", "to review"),
    Private("subclassing", "werkzeug.datastructures:Headers", "_list", "to review"),
    Private("subclassing", "werkzeug.routing:Map", "_remap", "to review"),
    Private("subclassing", "quart:Quart", "_got_first_request", "to review"),
    Private("subclassing", "flask.templating", "_default_template_ctx_processor", "to review"),
    # tasks
    Private("tasks", "arq.worker:Worker", "_release_sem_dec_counter_on_complete", "to review"),
    Private("tasks", "asyncio.coroutines", "_is_coroutine", "to review"),
    # viewdecorators
    Private("viewdecorators", "quart:Blueprint", "_got_registered_once", "to review"),
    # wtforms
    Private("wtforms", "quart.wrappers.request:Request", "_max_content_length", "to review"),
    Private("wtforms", "wtforms.form:BaseForm", "_parent_form", "to review"),
    Private("wtforms", "wtforms.fields:Field", "_run_validation_chain", "to review"),
]

# Names that start with an underscore and are not private names of another package.
NOT_PRIVATE = {
    "_get_current_object": "Werkzeug documents it for every proxy.",
    "_tasks_redis": "A key of quart.g.",
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
