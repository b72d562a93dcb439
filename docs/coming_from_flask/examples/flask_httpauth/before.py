from flask import Flask
from flask_httpauth import HTTPBasicAuth
from werkzeug.security import check_password_hash, generate_password_hash

auth = HTTPBasicAuth()
USERS = {"ada": generate_password_hash("engine")}


@auth.verify_password
def verify(name, password):
    if name in USERS and check_password_hash(USERS[name], password):
        return name


def create_app():
    app = Flask(__name__)

    @app.get("/")
    @auth.login_required
    def index():
        return f"Hello {auth.current_user()}"

    return app
