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
    app.secret_key = "change me"
    login_manager.init_app(app)

    @app.route("/login", methods=["GET", "POST"])
    def login():
        if request.method == "POST":
            login_user(User(request.form["id"]), remember="remember" in request.form)
            return redirect(url_for("me"))
        return "Who are you?"

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
