"""Neighbours lend tools to each other."""

import click
from quartpatterns.subclassing import FaithfulQuart

from .extensions import csrf, db, login_manager
from .tasks import tasks
from .views import account, site, tools


def create_app(config=None):
    app = FaithfulQuart("toolshed")
    app.config.from_mapping(
        SQLALCHEMY_DATABASE_URI="sqlite:///toolshed.db",
        MAIL_SERVER="localhost",
        MAIL_FOLDER=None,
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
    async def init_db():
        """Create the tables."""
        await db.create_all()
        click.echo("The tables are there.")

    return app
