"""Alembic runs this file for each command."""

from quartpatterns.sqlalchemy.migrations import run_migrations

from yourapplication import create_app
from yourapplication.models import db

run_migrations(db, create_app)
