import pytest
from bulletin.db import transaction


@pytest.fixture
def notices(app):
    """Three notices, of which the first is Ada's."""
    with app.app_context(), transaction() as db:
        for number, title in enumerate(("apples", "bicycle", "cat"), 1):
            db.execute(
                "INSERT INTO notice (author, title, body) VALUES (?, ?, ?)",
                (1 if number == 1 else 2, title, f"About {title}\n\n<end>"),
            )
    return ["apples", "bicycle", "cat"]


@pytest.fixture(autouse=True)
def logged_in(request, auth):
    if "guest" not in request.keywords:
        auth.login()
    yield
    auth.logout()
