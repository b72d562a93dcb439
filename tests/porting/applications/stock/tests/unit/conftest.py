import pytest


@pytest.fixture
def sent(app):
    """Return a function that pushes a request with a body."""
    contexts = []

    def sent(**data):
        context = app.test_request_context("/", method="POST", json=data)
        context.push()
        contexts.append(context)

    yield sent
    for context in reversed(contexts):
        context.pop()
