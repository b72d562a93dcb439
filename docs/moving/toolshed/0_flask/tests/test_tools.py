import pytest


def test_index(client):
    assert "Drill" in client.get("/").text
    assert "Drill" in client.get("/?q=DRI").text
    assert "No tool was found." in client.get("/?q=saw").text


def test_show(client):
    assert "It belongs to Ada." in client.get("/tools/1").text
    assert client.get("/tools/7").status_code == 404


def test_new(bob):
    assert "This field is required." in bob.post("/tools/new", data={"name": ""}).text
    form = {"name": "Saw", "description": "Cuts wood."}
    page = bob.post("/tools/new", data=form, follow_redirects=True)
    assert "Saw is in the shed." in page.text
    assert "Cuts wood." in page.text


def test_borrow_and_return(bob, mails):
    page = bob.post("/tools/1/borrow", data={"note": "Sunday"}, follow_redirects=True)
    assert "Drill is yours for now. Ada gets a mail." in page.text
    assert "Bob has it." in page.text
    assert len(mails()) == 1
    assert "Subject: Bob borrows Drill" in mails()[0]
    assert "Sunday" in mails()[0]
    page = bob.post("/tools/1/borrow", data={}, follow_redirects=True)
    assert "Somebody else was faster." in page.text
    assert len(mails()) == 1
    page = bob.post("/tools/1/return", follow_redirects=True)
    assert "Thank you." in page.text
    assert bob.post("/tools/1/return").status_code == 403


@pytest.mark.parametrize("path", ["/tools/new", "/tools/1/borrow", "/tools/1/return"])
def test_login_is_required(client, path):
    response = client.post(path)
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/login?next=")


def test_watch(bob):
    assert "0 watched" in bob.get("/help").text
    page = bob.post("/tools/1/watch", follow_redirects=True)
    assert "The tool is on your watch list." in page.text
    assert "1 watched" in page.text


def test_init_db(app):
    result = app.test_cli_runner().invoke(args=["init-db"])
    assert "The tables are there." in result.output
