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
    }


@pytest.fixture
async def app(settings):
    app = create_app(settings)
    async with app.app_context():
        await db.create_all()
        ada = User(name="Ada", email="ada@example.com")
        ada.set_password("engine12")
        db.session.add_all([ada, Tool(name="Drill", owner=ada)])
        await db.session.commit()
    return app


@pytest.fixture
async def bob(app_client, eager_tasks):
    """A client that is logged in as Bob."""
    form = {"name": "Bob", "email": "bob@example.com", "password": "builder1"}
    assert (await app_client.post("/register", data=form)).status_code == 302
    return app_client


@pytest.fixture
def mails(tmp_path):
    """A function that returns the mails that were sent."""
    return lambda: [file.read_text() for file in tmp_path.glob("mail/*.eml")]
