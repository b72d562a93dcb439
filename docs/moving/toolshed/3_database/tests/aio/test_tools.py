async def test_index(app_client):
    assert "Drill" in (await app_client.get("/")).text
    assert "Drill" in (await app_client.get("/?q=DRI")).text
    assert "No tool was found." in (await app_client.get("/?q=saw")).text


async def test_show(app_client):
    assert "It belongs to Ada." in (await app_client.get("/tools/1")).text
    assert (await app_client.get("/tools/7")).status_code == 404


async def test_borrowed_with_flask(bob):
    """A page of Quart shows what a view of Flask has committed."""
    page = await bob.post("/tools/1/borrow", data={"note": ""}, follow_redirects=True)
    assert "Bob has it." in page.text
