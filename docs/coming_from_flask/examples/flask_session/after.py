from flask_session import Session
from quart import session
from quartpatterns.subclassing import FaithfulQuart


def create_app(config=None):
    app = FaithfulQuart(__name__)
    app.config.from_mapping(SESSION_TYPE="redis")
    app.config.from_mapping(config or {})
    Session(app)

    @app.post("/count")
    async def count():
        session["count"] = session.get("count", 0) + 1
        return {"count": session["count"]}

    return app
