from bulletin import create_app


def test_config():
    assert not create_app({}).testing
    assert create_app({"TESTING": True}).testing


def test_health(client):
    response = client.get("/health")
    assert response.data == b"ok"


def test_errors(client):
    response = client.get("/nothing/here")
    assert response.status_code == 404
    assert "The requested URL was not found" in response.text
    assert client.get("/old/1").get_data(as_text=True) == "That notice is gone."
