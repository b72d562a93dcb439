from hmac import compare_digest

from flask import Flask, redirect, request, url_for
from flask_login import (
    LoginManager,
    UserMixin,
    current_user,
    login_required,
    login_user,
    logout_user,
)

login_manager = LoginManager()
login_manager.login_view = "login"
NAMES = {"1": "Ada"}


class User(UserMixin):
    def __init__(self, id):
        self.id, self.name = id, NAMES[id]


@login_manager.user_loader
def load_user(user_id):
    return User(user_id) if user_id in NAMES else None


def create_app():
    app = Flask(__name__)
    app.config.from_mapping(SECRET_KEY="change me", PASSWORD="engine")
    login_manager.init_app(app)

    @app.route("/login", methods=["GET", "POST"])
    def login():
        if request.method == "POST":
            if compare_digest(request.form["password"], app.config["PASSWORD"]):
                login_user(User("1"), remember="remember" in request.form)
                return redirect(url_for("me"))
        return "What is the password?"

    @app.get("/me")
    @login_required
    def me():
        return current_user.name

    @app.post("/logout")
    @login_required
    def logout():
        logout_user()
        return redirect(url_for("login"))

    return app
