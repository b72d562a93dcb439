async def test_static(app_client):
    assert (await app_client.get("/static/style.css")).status_code == 200


async def test_watch(bob):
    assert "0 watched" in (await bob.get("/help")).text
    page = await bob.post("/tools/1/watch", follow_redirects=True)
    assert "The tool is on your watch list." in page.text
    assert "1 watched" in page.text
    assert "1 watched" in (await bob.get("/help")).text
