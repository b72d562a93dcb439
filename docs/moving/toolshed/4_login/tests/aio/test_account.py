async def test_login(app_client):
    page = await app_client.post("/login", data={"name": "Ada", "password": "wrong"})
    assert "The name or the password is wrong." in page.text
    form = {"name": "Ada", "password": "engine12", "remember": "on"}
    response = await app_client.post("/login", data=form)
    assert response.headers["Location"] == "/"
    cookies = response.headers.getlist("Set-Cookie")
    assert any(cookie.startswith("remember_token=") for cookie in cookies)
    assert "Log out Ada" in (await app_client.get("/")).text


async def test_login_is_shared(app_client):
    """Quart has logged Ada in. Flask knows her."""
    await app_client.post("/login", data={"name": "Ada", "password": "engine12"})
    assert "Log out Ada" in (await app_client.get("/tools/new")).text


async def test_logout(bob):
    page = await bob.post("/logout", follow_redirects=True)
    assert "Log in" in page.text
    assert "Log out" not in page.text
