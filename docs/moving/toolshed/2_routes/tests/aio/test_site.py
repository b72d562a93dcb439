async def test_watch(bob):
    assert "0 watched" in (await bob.get("/help")).text
    page = await bob.post("/tools/1/watch", follow_redirects=True)
    assert "The tool is on your watch list." in page.text
    assert "1 watched" in page.text
    assert "1 watched" in (await bob.get("/help")).text


async def test_login_is_shared(bob):
    """Flask logs Bob in and out, and a page of Quart knows it."""
    assert "Log out Bob" in (await bob.get("/help")).text
    await bob.post("/logout")
    assert "Log in" in (await bob.get("/help")).text
