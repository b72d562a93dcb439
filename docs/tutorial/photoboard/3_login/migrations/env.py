"""Alembic runs this file for each command."""

from quartpatterns.sqlalchemy.migrations import run_migrations

from photoboard import create_app
from photoboard.models import db

run_migrations(db, create_app)
