"""What the worker does."""

from time import sleep

from celery import chain, chord, group, shared_task
from celery.utils.log import get_task_logger
from flask import current_app, render_template

logger = get_task_logger(__name__)


class RefusedError(Exception):
    """The mail server does not take a letter."""


def deliver(to, text):
    """Put a letter into the outbox; the first try for "slow" is refused."""
    sleep(0)
    outbox = current_app.outbox
    if to == "slow" and "refused" not in outbox:
        outbox.append("refused")
        raise RefusedError(to)
    outbox.append(f"{to}: {text}")


@shared_task(bind=True, ignore_result=False, max_retries=2)
def send(self, to, subject):
    """Send one letter, and try again if it is refused."""
    logger.info("try %s of job %s", self.request.retries + 1, self.request.id)
    text = render_template("letter.txt", to=to, subject=subject)
    try:
        deliver(to, text)
    except RefusedError as error:
        raise self.retry(exc=error, countdown=2**self.request.retries) from error
    return to


@shared_task(bind=True, ignore_result=False)
def send_all(self, names, subject):
    """Send letters one after the other, and say how many are sent."""
    for number, name in enumerate(names):
        deliver(name, subject)
        self.update_state(state="PROGRESS", meta={"sent": number + 1, "of": len(names)})
    return len(names)


@shared_task(ignore_result=False)
def count(text):
    return len(text.split())


@shared_task(ignore_result=False)
def total(numbers):
    return sum(numbers)


@shared_task(ignore_result=False)
def fail():
    raise ValueError("no letters")


@shared_task(autoretry_for=(RefusedError,), retry_backoff=True, retry_kwargs={"max_retries": 1})
def remind(to):
    deliver(to, "a reminder")


def count_all(texts):
    """Queue one job for each text, and one for the sum."""
    return chord([count.s(text) for text in texts])(total.s())


def count_some(texts):
    return group(count.s(text) for text in texts)()


def count_twice(text):
    return chain(count.s(text), add.s(1)).apply_async()


@shared_task(ignore_result=False)
def add(a, b):
    return a + b
