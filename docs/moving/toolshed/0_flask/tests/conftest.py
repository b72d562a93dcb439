import pytest

from toolshed import create_app
from toolshed.extensions import db
from toolshed.models import Tool, User


@pytest.fixture
def settings(tmp_path):
    return {
        "TESTING": True,
        "SECRET_KEY": "test",
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path / 'test.db'}",
        "MAIL_FOLDER": str(tmp_path / "mail"),
        "WTF_CSRF_ENABLED": False,
        "CELERY": {"broker_url": "memory://localhost", "task_always_eager": True},
    }


@pytest.fixture
def app(settings):
    app = create_app(settings)
    with app.app_context():
        db.create_all()
        ada = User(name="Ada", email="ada@example.com")
        ada.set_password("engine12")
        db.session.add_all([ada, Tool(name="Drill", owner=ada)])
        db.session.commit()
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def bob(client):
    """A client that is logged in as Bob."""
    form = {"name": "Bob", "email": "bob@example.com", "password": "builder1"}
    assert client.post("/register", data=form).status_code == 302
    return client


@pytest.fixture
def mails(tmp_path):
    """A function that returns the mails that were sent."""
    return lambda: [file.read_text() for file in tmp_path.glob("mail/*.eml")]
