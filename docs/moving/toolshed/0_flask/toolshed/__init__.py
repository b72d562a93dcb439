"""Neighbours lend tools to each other."""

import click
from flask import Flask

from toolshed import tasks
from toolshed.extensions import csrf, db, login_manager
from toolshed.views import account, site, tools


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(
        SQLALCHEMY_DATABASE_URI="sqlite:///toolshed.db",
        MAIL_SERVER="localhost",
        MAIL_FOLDER=None,
        CELERY={"broker_url": "redis://localhost", "task_ignore_result": True},
    )
    app.config.from_prefixed_env()
    app.config.from_mapping(config or {})

    db.init_app(app)
    login_manager.init_app(app)
    csrf.init_app(app)
    tasks.init_app(app)
    for module in (site, tools, account):
        app.register_blueprint(module.blueprint)

    @app.cli.command("init-db")
    def init_db():
        """Create the tables."""
        db.create_all()
        click.echo("The tables are there.")

    return app
