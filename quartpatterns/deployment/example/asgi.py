# mypy: ignore-errors
# pyright: basic, reportMissingImports=false
# ruff: noqa: F401
"""The same for Quart: it names the configuration before it imports the application."""

import os

os.environ["YOURAPPLICATION_CONFIG"] = "/var/www/yourapplication/application.cfg"

from yourapplication import app
