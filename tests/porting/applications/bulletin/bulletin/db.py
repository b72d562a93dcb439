import sqlite3
from contextlib import contextmanager

import click
from flask import current_app, g
from flask.cli import with_appcontext


def get_db():
    if "db" not in g:
        g.db = sqlite3.connect(current_app.config["DATABASE"])
        g.db.row_factory = sqlite3.Row
    return g.db


def close_db(error=None):
    db = g.pop("db", None)
    if db is not None:
        db.close()


@contextmanager
def transaction():
    """Commit at the end, and roll back after an error."""
    db = get_db()
    try:
        yield db
    except Exception:
        db.rollback()
        raise
    else:
        db.commit()


def init_db():
    with current_app.open_resource("schema.sql") as file:
        get_db().executescript(file.read().decode("utf8"))


@click.command("init-db")
def init_db_command():
    """Create new tables."""
    init_db()
    click.echo("Initialized the database.")


@click.command("count")
@click.argument("table", type=click.Choice(["user", "notice"]))
@with_appcontext
def count_command(table):
    with transaction() as db:
        (number,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()
    click.echo(f"{table}: {number}")


def init_app(app):
    app.teardown_appcontext(close_db)
    app.cli.add_command(init_db_command)
    app.cli.add_command(count_command)
