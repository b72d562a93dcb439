import re

import pytest


@pytest.fixture
def settings(settings):
    return settings | {"WTF_CSRF_ENABLED": True}


async def post(client, page, url, form):
    """Post a form with the token of a page, after it was refused without one."""
    assert (await client.post(url, data=form)).status_code == 400
    text = (await client.get(page)).text
    token = re.search(r'name="csrf_token" value="([^"]+)"', text)[1]
    return await client.post(url, data={"csrf_token": token, **form})


async def test_csrf(app_client):
    ada = {"name": "Ada", "password": "engine12"}
    assert (await post(app_client, "/login", "/login", ada)).status_code == 302
    response = await post(app_client, "/tools/1", "/tools/1/watch", {})
    assert response.status_code == 302
    assert (await post(app_client, "/help", "/logout", {})).status_code == 302
