"""Tasks run by a worker, as Flask's page on Celery has it."""

import time

from celery import Celery, Task, shared_task
from celery.result import AsyncResult
from flask import Flask, abort, render_template, request

USERS = {1: "ada", 2: "grace"}


def celery_init_app(app):
    class FlaskTask(Task):
        def __call__(self, *args, **kwargs):
            with app.app_context():
                return self.run(*args, **kwargs)

    celery_app = Celery(app.name, task_cls=FlaskTask)
    celery_app.config_from_object(app.config["CELERY"])
    celery_app.set_default()
    app.extensions["celery"] = celery_app
    return celery_app


@shared_task(ignore_result=False)
def add_together(a, b):
    return a + b


@shared_task(ignore_result=False)
def wait(seconds):
    time.sleep(seconds)
    return f"waited {seconds} s"


@shared_task(ignore_result=False)
def generate_user_archive(user_id):
    return f"{USERS[user_id]}.zip"


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(
        CELERY=dict(
            broker_url="redis://localhost",
            result_backend="redis://localhost",
            task_ignore_result=True,
        ),
    )
    app.config.from_prefixed_env()
    app.config.from_mapping(config or {})
    celery_init_app(app)

    @app.get("/")
    def index():
        return render_template("tasks/index.html", users=USERS)

    @app.post("/add")
    def start_add():
        a = request.form.get("a", type=int)
        b = request.form.get("b", type=int)
        result = add_together.delay(a, b)
        return {"result_id": result.id}

    @app.post("/wait")
    def start_wait():
        seconds = request.form.get("seconds", type=int) if "seconds" in request.form else 1
        if seconds is None or not 0 <= seconds <= 10:
            abort(400)
        result = wait.delay(seconds)
        return {"result_id": result.id}

    @app.post("/archive")
    def start_archive():
        user_id = request.form.get("user_id", type=int)
        result = generate_user_archive.delay(user_id)
        return {"result_id": result.id}

    @app.get("/result/<id>")
    def task_result(id):
        result = AsyncResult(id)
        return {
            "ready": result.ready(),
            "successful": result.successful(),
            "value": result.result if result.ready() else None,
        }

    return app
