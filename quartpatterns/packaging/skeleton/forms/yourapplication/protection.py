"""Protects forms against cross-site request forgery (CSRF)."""

from __future__ import annotations

from quartpatterns.wtforms import CSRFProtect

csrf = CSRFProtect()
