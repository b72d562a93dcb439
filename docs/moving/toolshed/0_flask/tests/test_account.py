def test_register(client):
    form = {"name": "Bob", "email": "bob@example.com", "password": "builder1"}
    page = client.post("/register", data=form, follow_redirects=True)
    assert "Welcome, Bob." in page.text
    assert "Log out Bob" in page.text


def test_name_is_taken(client):
    form = {"name": "Ada", "email": "x@example.com", "password": "builder1"}
    assert "This name is taken." in client.post("/register", data=form).text


def test_login(client):
    page = client.post("/login", data={"name": "Ada", "password": "wrong"})
    assert "The name or the password is wrong." in page.text
    form = {"name": "Ada", "password": "engine12", "remember": "on"}
    response = client.post("/login", data=form)
    assert response.headers["Location"] == "/"
    assert "Log out Ada" in client.get("/").text
    assert client.get_cookie("remember_token")


def test_logout(bob):
    page = bob.post("/logout", follow_redirects=True)
    assert "Log in" in page.text
    assert "Log out" not in page.text


def test_csrf(app, client):
    app.config["WTF_CSRF_ENABLED"] = True
    form = {"name": "Ada", "password": "engine12"}
    assert client.post("/login", data=form).status_code == 400
