import pytest
from letters import create_app


@pytest.fixture
def app():
    return create_app(
        {
            "TESTING": True,
            "CELERY": {
                "broker_url": "memory://localhost",
                "result_backend": "cache+memory://",
                "task_always_eager": True,
                "task_store_eager_result": True,
            },
        }
    )


@pytest.fixture
def client(app):
    return app.test_client()
