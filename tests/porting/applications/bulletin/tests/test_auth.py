import pytest
from bulletin.db import get_db
from flask import g, session


def test_register(client, app):
    assert client.get("/auth/register").status_code == 200
    response = client.post("/auth/register", data={"name": "eve", "password": "e"})
    assert response.headers["Location"] == "/auth/login"
    with app.app_context():
        assert get_db().execute("SELECT * FROM user WHERE name = 'eve'").fetchone() is not None


@pytest.mark.parametrize(
    ("name", "password", "message"),
    (
        ("", "", b"Name is required."),
        ("a", "", b"Password is required."),
        ("ada", "test", b"ada is taken."),
    ),
)
def test_register_validates(client, name, password, message):
    response = client.post("/auth/register", data={"name": name, "password": password})
    assert message in response.data


def test_login(client, auth):
    assert client.get("/auth/login").status_code == 200
    response = auth.login()
    assert response.headers["Location"] == "/"
    with client:
        client.get("/")
        assert session["user_id"] == 1
        assert g.user["name"] == "ada"


@pytest.mark.parametrize(("name", "password"), (("eve", "x"), ("ada", "x")))
def test_login_validates(auth, name, password):
    assert b"is wrong" in auth.login(name, password).data


def test_guests_only(client, auth):
    auth.login()
    response = client.get("/auth/login", follow_redirects=True)
    assert "You are logged in." in response.text


def test_logout(client, auth):
    auth.login()
    with client:
        auth.logout()
        assert "user_id" not in session


def test_session(client):
    with client.session_transaction() as saved:
        saved["user_id"] = 2
    assert b"<b>bob</b>" in client.get("/").data
