"""The settings of quart-schema, which ``QuartSchema.init_app`` sets if they are missing."""

from __future__ import annotations

from typing import Literal

from quartpatterns._shared.declarations import Declarations, Setting

__all__ = ["SETTINGS"]

SETTINGS = Declarations(
    {
        "QUART_SCHEMA_CONVERSION_PREFERENCE": Setting(Literal["msgspec", "pydantic"] | None, None),
        "QUART_SCHEMA_CONVERT_CASING": Setting(bool, False),
        "QUART_SCHEMA_PYDANTIC_DUMP_OPTIONS": Setting(dict, {}),
        "QUART_SCHEMA_REDOC_JS_URL": Setting(str | None, None),
        "QUART_SCHEMA_SCALAR_JS_URL": Setting(str | None, None),
        "QUART_SCHEMA_SWAGGER_CSS_URL": Setting(str | None, None),
        "QUART_SCHEMA_SWAGGER_JS_URL": Setting(str | None, None),
    },
    prefixes=("QUART_SCHEMA_",),
)
