from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from quartpatterns.subclassing import FaithfulQuart, bridge_flask


def create_app(config=None):
    app = bridge_flask(FaithfulQuart(__name__))
    app.config.from_mapping(RATELIMIT_STORAGE_URI="redis://localhost")
    app.config.from_mapping(config or {})
    limiter = Limiter(get_remote_address, app=app, default_limits=["100 per hour"])

    @app.get("/search")
    @limiter.limit("2 per hour")
    async def search():
        return "found"

    @app.get("/health")
    @limiter.exempt
    async def health():
        return "ok"

    return app
