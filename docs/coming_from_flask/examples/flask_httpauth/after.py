from flask_httpauth import HTTPBasicAuth
from quartpatterns.subclassing import FaithfulQuart, bridge_flask
from werkzeug.security import check_password_hash, generate_password_hash

auth = HTTPBasicAuth()
USERS = {"ada": generate_password_hash("engine")}


@auth.verify_password
def verify(name, password):
    if name in USERS and check_password_hash(USERS[name], password):
        return name


def create_app():
    app = bridge_flask(FaithfulQuart(__name__))

    @app.get("/")
    @auth.login_required
    async def index():
        return f"Hello {auth.current_user()}"

    return app
