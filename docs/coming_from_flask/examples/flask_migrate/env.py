from quartpatterns.sqlalchemy.migrations import run_migrations
from shop import create_app, db

run_migrations(db, create_app)
