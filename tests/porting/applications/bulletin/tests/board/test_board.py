import pytest
from bulletin import board
from bulletin.db import get_db

pytestmark = pytest.mark.usefixtures("notices")


class TestIndex:
    def test_pages(self, client):
        first, second = client.get("/").text, client.get("/?page=2").text
        assert "APPLES!" in first and "BICYCLE!" in first and "CAT!" not in first
        assert "CAT!" in second
        assert "<p>About cat</p><p>&lt;end&gt;</p>" in second

    @pytest.mark.parametrize("word", ["apples", "cat"])
    def test_search(self, client, word):
        page = client.get("/", query_string={"q": word}).text
        assert page.count("<article>") == 1 and f"{word.upper()}!" in page

    def test_patched(self, client, monkeypatch):
        monkeypatch.setattr(board, "notices", lambda: [])
        assert "No notices." in client.get("/").text

    def test_patched_with_a_function(self, client, monkeypatch):
        def one():
            return [{"title": "patched", "body": "x" * 30}]

        monkeypatch.setattr("bulletin.board.notices", one)
        page = client.get("/").text
        assert "PATCHED!" in page and "<small>long</small>" in page


class TestWriting:
    @pytest.fixture
    def titles(self, app):
        def titles():
            with app.app_context():
                return [row["title"] for row in get_db().execute("SELECT title FROM notice")]

        return titles

    def test_create(self, client, titles):
        assert client.get("/create").status_code == 200
        client.post("/create", data={"title": "dog", "body": ""})
        assert "dog" in titles()

    def test_update(self, client, titles):
        assert b'value="apples"' in client.get("/1/update").data
        client.post("/1/update", data={"title": "pears", "body": ""})
        assert titles() == ["pears", "bicycle", "cat"]

    @pytest.mark.parametrize("path", ["/create", "/1/update"])
    def test_validation(self, client, path):
        response = client.post(path, data={"title": " ", "body": ""})
        assert "Title is required." in response.text

    def test_delete(self, client, titles):
        assert client.post("/1/delete").headers["Location"] == "/"
        assert titles() == ["bicycle", "cat"]


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [("/2/update", 403, "Forbidden"), ("/9/update", 404, "There is no notice 9.")],
)
def test_refused(client, path, status, text):
    response = client.post(path, data={"title": "x"})
    assert response.status_code == status
    assert text in response.text


@pytest.mark.guest
@pytest.mark.parametrize("path", ["/create", "/1/update", "/1/delete"])
def test_login_required(client, path):
    assert client.post(path).headers["Location"] == "/auth/login"
