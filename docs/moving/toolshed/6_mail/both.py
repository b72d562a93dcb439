"""The Flask application and the new one, each with a database of its own."""

import atexit
from pathlib import Path
from tempfile import TemporaryDirectory

import toolshed
import toolshed.aio
from toolshed.extensions import db
from toolshed.models import Tool, User


def settings():
    """Return settings with a new database, which contains a user and two tools."""
    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    config = {
        "SECRET_KEY": "parity",
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{Path(folder.name) / 'test.db'}",
        "MAIL_FOLDER": str(Path(folder.name) / "mail"),
        "CELERY": {"broker_url": "memory://localhost", "task_always_eager": True},
        "TASKS_EAGER": True,
    }
    app = toolshed.create_app(config)
    with app.app_context():
        db.create_all()
        ada = User(name="Ada", email="ada@example.com")
        ada.set_password("engine12")
        for name in ("Drill", "Saw"):
            db.session.add(Tool(name=name, owner=ada))
        db.session.commit()
        db.engine.dispose()
    return config


def old():
    return toolshed.create_app(settings())


def new():
    return toolshed.aio.create_app(settings())
