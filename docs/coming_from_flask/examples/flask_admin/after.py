from flask_admin import Admin
from flask_admin.contrib.sqla import ModelView
from flask_sqlalchemy import SQLAlchemy
from quartpatterns.subclassing import FaithfulQuart, bridge_flask
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class City(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


def create_app(config=None):
    app = bridge_flask(FaithfulQuart(__name__))
    app.config.from_mapping(
        SECRET_KEY="change me", SQLALCHEMY_DATABASE_URI="sqlite:///shop.db"
    )
    app.config.from_mapping(config or {})
    db.init_app(app)
    with app.app_context():
        db.create_all()
    admin = Admin(app, name="Shop")
    admin.add_view(ModelView(City, db))
    return app
