"""Work that a Celery worker does."""

from celery import Celery, Task, shared_task
from flask import current_app

from toolshed.mail import deliver


def init_app(app):
    class FlaskTask(Task):
        def __call__(self, *args, **kwargs):
            with app.app_context():
                return self.run(*args, **kwargs)

    celery = Celery(app.name, task_cls=FlaskTask)
    celery.config_from_object(app.config["CELERY"])
    celery.set_default()
    app.extensions["celery"] = celery


@shared_task
def send_mail(to, subject, text):
    deliver(current_app.config, to, subject, text)
