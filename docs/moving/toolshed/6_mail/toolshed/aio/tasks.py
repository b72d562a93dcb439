"""Work that a worker does."""

from quart import current_app
from quartpatterns.tasks import Tasks

from toolshed.mail import deliver

tasks = Tasks()


@tasks.task(name="send_mail", autoretry_for=(OSError,))
def send_mail(to: str, subject: str, text: str) -> None:  # runs in a thread
    deliver(current_app.config, to, subject, text)
