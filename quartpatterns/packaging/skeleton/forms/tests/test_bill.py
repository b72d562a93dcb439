"""A form."""

from __future__ import annotations

from quart.typing import TestClientProtocol as Client
# {% if flashing %}
from quartpatterns.flashing.testing import Flash
# {% endif %}
from quartpatterns.pytest_plugin import CSRFPost

PATH = "@{english}/bill/"


# {% if flashing %}
async def test_share(
    app_client: Client, csrf_post: CSRFPost, captured_flashes: list[Flash]
) -> None:
    """The result is shown on the next page, once."""
    form = {"amount": "25", "people": "2"}
    response = await csrf_post(app_client, PATH, page=PATH, form=form)
    assert response.status_code == 303
    assert captured_flashes == [("Each person pays 12.50.", "message")]
    pages = [await (await app_client.get(PATH)).get_data(as_text=True) for _ in range(2)]
    assert ["Each person pays" in page for page in pages] == [True, False]
# {% else %}
async def test_share(app_client: Client, csrf_post: CSRFPost) -> None:
    """The result is shown."""
    form = {"amount": "25", "people": "2"}
    response = await csrf_post(app_client, PATH, page=PATH, form=form)
    assert "Each person pays 12.50." in await response.get_data(as_text=True)
# {% endif %}


async def test_invalid(app_client: Client, csrf_post: CSRFPost) -> None:
    """An error is shown next to its field."""
    form = {"amount": "NaN", "people": "0"}
    response = await csrf_post(app_client, PATH, form=form)
    text = await response.get_data(as_text=True)
    assert 'id="amount-errors"' in text
    assert 'id="people-errors"' in text


async def test_without_token(app_client: Client) -> None:
    """A form of another site is refused."""
    response = await app_client.post(PATH, form={"amount": "25", "people": "2"})
    assert response.status_code == 400
