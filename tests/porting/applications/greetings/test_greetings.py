from contextlib import contextmanager

import flask
import greetings
import pytest
from flask import message_flashed, template_rendered
from greetings import app, counts, greeted


@pytest.fixture(autouse=True)
def fresh():
    counts.clear()
    app.testing = False
    yield
    counts.clear()


@pytest.fixture
def client():
    with app.test_client() as client:
        yield client


@contextmanager
def captured_templates():
    recorded = []

    def record(sender, template, context, **extra):
        recorded.append((template.name, context))

    template_rendered.connect(record, app)
    try:
        yield recorded
    finally:
        template_rendered.disconnect(record, app)


def greet(client, name="Ada", language="en", **data):
    return client.post(f"/{language}/greet", data={"name": name, **data})


def text(response):
    return response.get_data(as_text=True)


class TestPages:
    @pytest.mark.parametrize(
        ("path", "word"), [("/", "Hello"), ("/de/", "Hallo"), ("/fr/", "Bonjour")]
    )
    def test_index(self, client, path, word):
        response = client.get(path)
        assert f"<h1>{word}, you (y)</h1>" in text(response)
        assert f"<dd>by you, {word}</dd>" in text(response)
        assert "<dd>de en fr</dd>" in text(response)
        assert response.headers["Server-Timing"].startswith("view;dur=")

    def test_unknown_language(self, client):
        response = client.get("/xx/")
        assert (response.status_code, text(response)) == (404, "No xx.")

    def test_template(self, client):
        with captured_templates() as templates:
            client.get("/")
        [(name, context)] = [each for each in templates if each[0]]
        assert name == "greeting.html" and context["name"] == "you"

    def test_known(self, client):
        assert "known" not in text(client.get("/"))
        greet(client, "Ada L")
        page = text(client.get("/de/"))
        assert "<b>known: Ada L (by Ada L, Hallo)</b>" in page
        assert "(AL)" in page and "<dt>messages</dt><dd>1</dd>" in page


class TestGreet:
    def test_session(self, client):
        assert greet(client).headers["Location"] == "/en/"
        assert flask.session["name"] == "Ada"
        with client.session_transaction() as session:
            session["name"] = "Bob"
        assert "Hello, Bob" in text(client.get("/"))

    def test_json(self, client):
        for number in (1, 2):
            response = greet(client, language="fr", format="json")
            assert response.json == {"text": "Bonjour, Ada", "count": number}
        assert response.get_json()["count"] == 2

    def test_missing(self, client):
        response = greet(client, "", "de")
        assert (response.status_code, text(response)) == (400, "Hallo: missing: name")

    def test_signals(self, client):
        names, messages = [], []

        def remember(sender, name):
            names.append((sender.name, name))

        def flashed(sender, message, category):
            messages.append(message)

        with greeted.connected_to(remember), message_flashed.connected_to(flashed, app):
            greet(client)
        assert (names, messages) == ([("greetings", "Ada")], ["Ada was greeted"])

    def test_patched(self, client, monkeypatch):
        def nobody():
            return "nobody"

        monkeypatch.setattr(greetings, "visitor", nobody)
        monkeypatch.setitem(greetings.LANGUAGES, "en", "Hi")
        assert greet(client, format="json").json["text"] == "Hi, nobody"


@pytest.mark.parametrize(("query", "times"), [("", 1), ("?twice", 2)])
def test_raw(client, query, times):
    response = client.put(f"/raw{query}", data=b"abc")
    assert response.data == b"abc bytes: 3" * times
    assert client.put("/raw").data == b"empty bytes: 0"


def test_proxy(client):
    headers = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
    answer = client.get("/address", headers=headers).json
    assert answer == {"address": "192.0.2.7", "url": "https://localhost/address"}


def test_cookies(client):
    response = client.get("/cookies")
    assert response.status_code == 202 and response.headers["X-A"] == "b"
    assert response.data == b"Text (by you, Hello)"
    assert client.get_cookie("seen").value == "1"


def test_errors(client):
    assert text(client.get("/boom")) == "no place"
    assert "boom" in text(client.get("/boom", data={"place": "home"}))


def test_contexts():
    with app.test_request_context("/", method="POST", data={"name": "Eve"}):
        assert greetings.visitor() == "Eve"
        assert greetings.signature() == "by Eve, Hello"

        @greetings.timed
        def plain():
            return "plain"

        assert text(plain()) == "plain"
    with app.app_context():
        assert flask.render_template_string("{{ today }}") == "2020-02-29"


def test_commands():
    runner = app.test_cli_runner()
    result = runner.invoke(args=["greet", "Ada", "--language", "en"])
    assert result.output == "by Ada, Hello\n"
    counts["x"] = 3
    assert runner.invoke(args=["count-names"]).output == "3\n"
