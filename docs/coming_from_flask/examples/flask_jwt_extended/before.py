from flask import Flask, jsonify, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    get_jwt_identity,
    jwt_required,
)


def create_app():
    app = Flask(__name__)
    app.config["JWT_SECRET_KEY"] = "change me: at least 32 characters"
    JWTManager(app)

    @app.post("/login")
    def login():
        return jsonify(token=create_access_token(request.json["name"]))

    @app.get("/me")
    @jwt_required()
    def me():
        return jsonify(name=get_jwt_identity())

    return app
