"""Users in a database, in the four ways of Flask's page."""

from flask import Flask

from quartpatterns.sqlalchemy.example import (
    original_core,
    original_declarative,
    original_extension,
    original_manual,
)
from quartpatterns.sqlalchemy.example.original_extension import db


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY="dev",
        SQLALCHEMY_DATABASE_URI="sqlite:///sqlalchemy.db",
    )
    app.config.from_mapping(config or {})
    db.init_app(app)
    for module in (original_declarative, original_manual):
        with app.app_context():
            module.db_session.configure(bind=db.engine)
        app.teardown_appcontext(module.shutdown_session)
    for module in (original_extension, original_declarative, original_manual, original_core):
        app.register_blueprint(module.views)
    return app
