"""Alembic runs this file for each command."""

from photoboard import create_app
from photoboard.models import db
from quartpatterns.sqlalchemy.migrations import run_migrations

run_migrations(db, create_app)
