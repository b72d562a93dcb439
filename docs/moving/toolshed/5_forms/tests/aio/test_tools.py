import pytest


async def test_index(app_client):
    assert "Drill" in (await app_client.get("/")).text
    assert "Drill" in (await app_client.get("/?q=DRI")).text
    assert "No tool was found." in (await app_client.get("/?q=saw")).text


async def test_show(app_client):
    assert "It belongs to Ada." in (await app_client.get("/tools/1")).text
    assert (await app_client.get("/tools/7")).status_code == 404


async def test_new(bob):
    page = await bob.post("/tools/new", data={"name": ""})
    assert "This field is required." in page.text
    form = {"name": "Saw", "description": "Cuts wood."}
    page = await bob.post("/tools/new", data=form, follow_redirects=True)
    assert "Saw is in the shed." in page.text
    assert "Cuts wood." in page.text


async def test_borrow_and_return(bob, mails):
    page = await bob.post(
        "/tools/1/borrow", data={"note": "Sunday"}, follow_redirects=True
    )
    assert "Drill is yours for now. Ada gets a mail." in page.text
    assert "Bob has it." in page.text
    assert len(mails()) == 1
    assert "Subject: Bob borrows Drill" in mails()[0]
    assert "Sunday" in mails()[0]
    page = await bob.post("/tools/1/borrow", data={}, follow_redirects=True)
    assert "Somebody else was faster." in page.text
    assert len(mails()) == 1
    page = await bob.post("/tools/1/return", follow_redirects=True)
    assert "Thank you." in page.text
    assert (await bob.post("/tools/1/return")).status_code == 403


@pytest.mark.parametrize("path", ["/tools/new", "/tools/1/borrow", "/tools/1/return"])
async def test_login_is_required(app_client, path):
    response = await app_client.post(path)
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/login?next=")
