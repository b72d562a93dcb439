from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class User(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(SQLALCHEMY_DATABASE_URI="sqlite://")
    app.config.from_mapping(config or {})
    db.init_app(app)
    with app.app_context():
        db.create_all()

    @app.post("/users/<name>")
    def add(name):
        db.session.add(User(name=name))
        db.session.commit()
        return {"name": name}, 201

    @app.get("/users/<int:id>")
    def show(id):
        return {"name": db.get_or_404(User, id).name}

    @app.get("/users")
    def index():
        page = db.paginate(db.select(User).order_by(User.name))
        return {"names": [user.name for user in page], "total": page.total}

    return app
