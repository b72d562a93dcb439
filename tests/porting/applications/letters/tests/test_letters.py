from letters import tasks


def test_send(app, client):
    response = client.post("/letters", data={"name": "ada", "subject": "hello"})
    assert response.status_code == 202
    assert app.outbox == ["ada: Dear ada, hello"]
    state = client.get(f"/letters/{response.json['id']}")
    assert state.json == {"ready": True, "state": "SUCCESS", "value": "ada"}


def test_send_again(app, client):
    client.post("/letters", data={"name": "slow", "subject": "hello"})
    assert app.outbox == ["refused", "slow: Dear slow, hello"]


def test_remind_again(app, client):
    assert client.post("/reminders/slow").status_code == 202
    assert app.outbox == ["refused", "slow: a reminder"]


def test_send_all(app, client):
    response = client.post("/letters", data={"name": ["ada", "grace"], "subject": "hello"})
    assert app.outbox == ["ada: hello", "grace: hello"]
    assert client.get(f"/letters/{response.json['id']}").json["value"] == 2


def test_failure(client):
    id = client.post("/failures").json["id"]
    state = client.get(f"/letters/{id}").json
    assert state["state"] == "FAILURE"
    assert "no letters" in state["error"]


def test_words(client):
    response = client.get("/words", query_string={"text": ["a b", "c"]})
    assert response.json == {"total": 3, "each": [2, 1], "more": 3}


def test_task_alone(app):
    assert tasks.count("a b c") == 3
    with app.app_context():
        assert tasks.count.delay("a b").get() == 2
        tasks.deliver("ada", "text")
    assert app.outbox == ["ada: text"]
