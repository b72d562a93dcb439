from flask import Flask
from flask_cors import CORS, cross_origin


def create_app():
    app = Flask(__name__)
    CORS(app, resources={"/api/*": {"origins": "https://app.example"}})

    @app.post("/api/items")
    def items():
        return {"items": []}

    @app.get("/open")
    @cross_origin()
    def open_to_all():
        return "open"

    return app
