"""The extensions of the Quart application."""

from quartpatterns.sqlalchemy import SQLAlchemy
from quartpatterns.viewdecorators import LoginManager
from quartpatterns.wtforms import CSRFProtect

from toolshed.extensions import db as flask_db
from toolshed.models import User

db = SQLAlchemy(model_class=flask_db.Model)
csrf = CSRFProtect()
login_manager = LoginManager(login_view="account.login")


@login_manager.user_loader
@db.preloading()
async def load_user(user_id):
    return await db.session.get(User, int(user_id))
