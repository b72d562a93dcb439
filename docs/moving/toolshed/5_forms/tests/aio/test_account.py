async def test_register(app_client):
    form = {"name": "Bob", "email": "bob@example.com", "password": "builder1"}
    page = await app_client.post("/register", data=form, follow_redirects=True)
    assert "Welcome, Bob." in page.text
    assert "Log out Bob" in page.text


async def test_name_is_taken(app_client):
    form = {"name": "Ada", "email": "x@example.com", "password": "builder1"}
    page = await app_client.post("/register", data=form)
    assert "This name is taken." in page.text


async def test_login(app_client):
    page = await app_client.post("/login", data={"name": "Ada", "password": "wrong"})
    assert "The name or the password is wrong." in page.text
    form = {"name": "Ada", "password": "engine12", "remember": "on"}
    response = await app_client.post("/login", data=form)
    assert response.headers["Location"] == "/"
    cookies = response.headers.getlist("Set-Cookie")
    assert any(cookie.startswith("remember_token=") for cookie in cookies)
    assert "Log out Ada" in (await app_client.get("/")).text


async def test_logout(bob):
    page = await bob.post("/logout", follow_redirects=True)
    assert "Log in" in page.text
    assert "Log out" not in page.text
