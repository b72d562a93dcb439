"""What becomes of the public names of Flask-SQLAlchemy."""

from __future__ import annotations

from quartpatterns.compare.extension_names import Extension, ExtensionName

__all__ = ["EXTENSION"]

_ENGINE_OPTION = (
    "write it in `SQLALCHEMY_ENGINE_OPTIONS`, by the name that `create_engine()` gives it"
)
_PAGES = "write `await db.paginate(select)`, or `await User.query.paginate()`"
_MIXIN = "write `class Base(Model, DeclarativeBase)`"
_DB = "SQLAlchemy"


def _names(state: str, remark: str, *names: str) -> tuple[ExtensionName, ...]:
    return tuple(ExtensionName(name, state, remark) for name in names)  # type: ignore[arg-type]


EXTENSION = Extension(
    "Flask-SQLAlchemy 3.1",
    (
        *_names(
            "supported",
            "",
            "SQLAlchemy",
            "SQLAlchemy(app)",
            "SQLAlchemy(engine_options)",
            "SQLAlchemy(query_class)",
            "SQLAlchemy(add_models_to_shell)",
            "SQLAlchemy(disable_autonaming)",
            f"{_DB}.Model",
            f"{_DB}.Query",
            f"{_DB}.Table",
            f"{_DB}.dynamic_loader",
            f"{_DB}.init_app",
            f"{_DB}.metadata",
            f"{_DB}.metadatas",
            f"{_DB}.relationship",
            "Model",
            "Model.query_class",
            "Model.__bind_key__",
            "BindMetaMixin",
            "DefaultMeta",
            "DefaultMetaNoName",
            "NameMetaMixin",
            "Pagination",
            "add_models_to_shell",
            "before_models_committed",
            "camel_to_snake_case",
            "models_committed",
            "should_set_tablename",
            "SQLALCHEMY_BINDS",
            "SQLALCHEMY_DATABASE_URI",
            "SQLALCHEMY_ECHO",
            "SQLALCHEMY_ENGINE_OPTIONS",
            "SQLALCHEMY_RECORD_QUERIES",
            "SQLALCHEMY_TRACK_MODIFICATIONS",
        ),
        *_names(
            "awaited",
            "",
            f"{_DB}.create_all",
            f"{_DB}.drop_all",
            f"{_DB}.get_or_404",
            f"{_DB}.one_or_404",
            f"{_DB}.reflect",
            "Pagination.next",
            "Pagination.prev",
        ),
        *_names(
            "awaited",
            "The methods that build a query are not awaited."
            " A loop is `async for`, or `for user in await query.all()`.",
            "Model.query",
            "Query",
            "Query.first_or_404",
            "Query.get_or_404",
            "Query.one_or_404",
        ),
        *_names("awaited", "It fetches one row.", f"{_DB}.first_or_404"),
        *_names(
            "changed",
            "`max_per_page` is 100 by default, and an entity that a join repeats is one item.",
            f"{_DB}.paginate",
            "Query.paginate",
        ),
        *_names("changed", "An `AsyncEngine`.", f"{_DB}.engine", f"{_DB}.engines"),
        *_names(
            "changed",
            "An asynchronous session. Outside of a context only naming it is possible.",
            f"{_DB}.session",
            "Session",
        ),
        *_names(
            "changed",
            "`scopefunc` is refused, and `class_` is a subclass of our `Session`.",
            "SQLAlchemy(session_options)",
        ),
        *_names(
            "changed",
            "With a base of SQLAlchemy 2, it is a ValueError: write `metadata = ...` in the base.",
            "SQLAlchemy(metadata)",
        ),
        *_names(
            "changed",
            "The default is a `DeclarativeBase`, not of the metaclass `DefaultMeta`.",
            "SQLAlchemy(model_class)",
        ),
        *_names(
            "changed", "It returns the last 1,000 queries of the context.", "get_recorded_queries"
        ),
        *_names("refused", f"{_PAGES}", "QueryPagination", "SelectPagination"),
        *_names("refused", f"{_MIXIN}", "BindMixin", "NameMixin"),
        *_names("refused", "write `db.engines[key]`", f"{_DB}.get_engine"),
        *_names(
            "refused",
            "write `await db.session.commit()` in the view",
            "SQLALCHEMY_COMMIT_ON_TEARDOWN",
        ),
        *_names(
            "refused",
            _ENGINE_OPTION,
            "SQLALCHEMY_MAX_OVERFLOW",
            "SQLALCHEMY_POOL_RECYCLE",
            "SQLALCHEMY_POOL_SIZE",
            "SQLALCHEMY_POOL_TIMEOUT",
        ),
        *_names("refused", "remove it: all drivers use Unicode", "SQLALCHEMY_NATIVE_UNICODE"),
    ),
)
