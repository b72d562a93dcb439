from quart import current_app, request
from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.tasks import Tasks

tasks = Tasks()


@tasks.task(keep_result=0)
async def greet(name: str) -> None:
    current_app.config["GREETINGS"].append(f"Hello {name}")


def create_app(config=None):
    app = FaithfulQuart(__name__)
    app.config.from_mapping(REDIS_URL="redis://localhost", GREETINGS=[])
    app.config.from_mapping(config or {})
    tasks.init_app(app)

    @app.post("/greet")
    async def start():
        await greet.delay((await request.form)["name"])
        return "", 202

    @app.get("/greetings")
    async def greetings():
        return app.config["GREETINGS"]

    return app
