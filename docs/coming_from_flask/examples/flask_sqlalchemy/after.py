from quartpatterns.sqlalchemy import Model, SQLAlchemy
from quartpatterns.subclassing import FaithfulQuart
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(Model, DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class User(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


def create_app(config=None):
    app = FaithfulQuart(__name__)
    app.config.from_mapping(SQLALCHEMY_DATABASE_URI="sqlite://")
    app.config.from_mapping(config or {})
    db.init_app(app)
    app.before_serving(db.create_all)

    @app.post("/users/<name>")
    async def add(name):
        db.session.add(User(name=name))
        await db.session.commit()
        return {"name": name}, 201

    @app.get("/users/<int:id>")
    async def show(id):
        return {"name": (await db.get_or_404(User, id)).name}

    @app.get("/users")
    async def index():
        page = await db.paginate(select(User).order_by(User.name))
        return {"names": [user.name for user in page], "total": page.total}

    return app
