"""The application for servers and workers: ``yourapplication.asgi:app``."""

from yourapplication import create_app

app = create_app()
