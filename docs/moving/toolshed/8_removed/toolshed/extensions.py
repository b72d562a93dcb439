"""The extensions of the application."""

from quartpatterns.sqlalchemy import Model, SQLAlchemy
from quartpatterns.viewdecorators import LoginManager
from quartpatterns.wtforms import CSRFProtect
from sqlalchemy.orm import DeclarativeBase


class Base(Model, DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)
csrf = CSRFProtect()
login_manager = LoginManager(login_view="account.login")
