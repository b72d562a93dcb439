from celery import Celery, Task, shared_task
from flask import Flask, current_app, request


def celery_init_app(app):
    class FlaskTask(Task):
        def __call__(self, *args, **kwargs):
            with app.app_context():
                return self.run(*args, **kwargs)

    celery_app = Celery(app.name, task_cls=FlaskTask)
    celery_app.config_from_object(app.config["CELERY"])
    celery_app.set_default()
    return celery_app


@shared_task(ignore_result=True)
def greet(name):
    current_app.config["GREETINGS"].append(f"Hello {name}")


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(CELERY={"broker_url": "redis://localhost"}, GREETINGS=[])
    app.config.from_mapping(config or {})
    celery_init_app(app)

    @app.post("/greet")
    def start():
        greet.delay(request.form["name"])
        return "", 202

    @app.get("/greetings")
    def greetings():
        return app.config["GREETINGS"]

    return app
