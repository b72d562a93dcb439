from flask_cors import CORS, cross_origin
from quartpatterns.subclassing import FaithfulQuart, bridge_flask


def create_app():
    app = bridge_flask(FaithfulQuart(__name__))
    CORS(app, resources={"/api/*": {"origins": "https://app.example"}})

    @app.post("/api/items")
    async def items():
        return {"items": []}

    @app.get("/open")
    @cross_origin()
    async def open_to_all():
        return "open"

    return app
