from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    get_jwt_identity,
    jwt_required,
)
from quart import jsonify, request
from quartpatterns.subclassing import FaithfulQuart, bridge_flask


def create_app():
    app = bridge_flask(FaithfulQuart(__name__))
    app.config["JWT_SECRET_KEY"] = "change me: at least 32 characters"
    JWTManager(app)

    @app.post("/login")
    async def login():
        return jsonify(token=create_access_token((await request.json)["name"]))

    @app.get("/me")
    @jwt_required()
    async def me():
        return jsonify(name=get_jwt_identity())

    return app
