from flask import Flask, session
from flask_session import Session


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(SESSION_TYPE="redis")
    app.config.from_mapping(config or {})
    Session(app)

    @app.post("/count")
    def count():
        session["count"] = session.get("count", 0) + 1
        return {"count": session["count"]}

    return app
