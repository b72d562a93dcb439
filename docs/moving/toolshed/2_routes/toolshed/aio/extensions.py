"""The extensions of the Quart application."""

from quart import current_app
from quartpatterns.viewdecorators import LoginManager
from quartpatterns.wtforms import CSRFProtect

from toolshed.extensions import db as flask_db
from toolshed.models import User

csrf = CSRFProtect()
login_manager = LoginManager(login_view="account.login")


@login_manager.user_loader
def load_user(user_id):  # a plain function runs in a thread
    with current_app.extensions["flask_app"].app_context():
        return flask_db.session.get(User, int(user_id))
