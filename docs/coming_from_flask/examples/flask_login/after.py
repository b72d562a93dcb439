from hmac import compare_digest

from quart import redirect, request, url_for
from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.viewdecorators import (
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
async def load_user(user_id):
    return User(user_id) if user_id in NAMES else None


def create_app():
    app = FaithfulQuart(__name__)
    app.config.from_mapping(SECRET_KEY="change me", PASSWORD="engine")
    login_manager.init_app(app)

    @app.route("/login", methods=["GET", "POST"])
    async def login():
        if request.method == "POST":
            form = await request.form
            if compare_digest(form["password"], app.config["PASSWORD"]):
                login_user(User("1"), remember="remember" in form)
                return redirect(url_for("me"))
        return "What is the password?"

    @app.get("/me")
    @login_required
    async def me():
        return current_user.name

    @app.post("/logout")
    @login_required
    async def logout():
        logout_user()
        return redirect(url_for("login"))

    return app
