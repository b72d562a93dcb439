import pytest
from bulletin import create_app
from bulletin.db import get_db, init_db
from werkzeug.security import generate_password_hash


@pytest.fixture
def app(tmp_path):
    app = create_app({"TESTING": True, "DATABASE": str(tmp_path / "test.sqlite")})
    with app.app_context():
        init_db()
        db = get_db()
        for name in ("ada", "bob"):
            db.execute(
                "INSERT INTO user (name, password) VALUES (?, ?)",
                (name, generate_password_hash(name, "pbkdf2:sha256:1")),
            )
        db.commit()
    yield app


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def runner(app):
    return app.test_cli_runner()


class AuthActions:
    def __init__(self, client):
        self._client = client

    def login(self, name="ada", password="ada"):
        return self._client.post("/auth/login", data={"name": name, "password": password})

    def logout(self):
        return self._client.get("/auth/logout")


@pytest.fixture
def auth(client):
    return AuthActions(client)
