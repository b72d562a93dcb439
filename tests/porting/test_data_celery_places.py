"""The stage data, Celery: settings, tests with fakes, and the places of the report."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from quartpatterns.porting import make_plan
from tests.porting.ported import port, ported, written


def test_lines_of_reasons(tmp_path: Path) -> None:
    """The reason of an asynchronous function names a line of the project's file, too."""
    text = """
        from celery import Celery
        from flask import Flask

        app = Flask(__name__)
        celery = Celery(app.name, broker="redis://localhost")

        @celery.task
        def add(a, b):
            return a + b

        def start():
            return add.delay(1, 2).id
        """
    plan = port(written(tmp_path, {"app.py": text}), "data")
    lines = textwrap.dedent(text).lstrip("\n").splitlines()
    number = lines.index("    return add.delay(1, 2).id") + 1
    reasons = [each.reason for each in plan.made_async if each.name == "start"]
    assert reasons == [f"await add.delay() on line {number}"]


def test_url_in_the_configuration(tmp_path: Path) -> None:
    """The URL of the broker has a lower-case name in the configuration of the application."""
    after = ported(
        tmp_path,
        """
        from celery import Celery
        from flask import Flask

        app = Flask(__name__)
        app.config["broker_url"] = "redis://localhost:6399"
        celery = Celery(app.name)
        celery.conf.update(app.config)

        @celery.task
        def add(a, b):
            return a + b
        """,
        "data",
    )
    assert 'app.config["REDIS_URL"] = app.config.get("broker_url")' in after


def test_values_of_another_module(tmp_path: Path) -> None:
    """A value that the application cannot read where it is created is a place in the report."""
    files = {
        "shop/__init__.py": FACTORY_OF_TASKS,
        "shop/tasks.py": """
            from celery import Celery
            from shop.places import BROKER, EXPIRES

            celery = Celery(__name__, broker=BROKER, result_expires=EXPIRES)

            @celery.task
            def add(a, b):
                return a + b
            """,
        "shop/places.py": 'BROKER, EXPIRES = "redis://localhost:6399", 60\n',
    }
    plan = port(written(tmp_path, files), "data")
    found = [(each.code, each.remedy) for each in plan.findings if each.kind == "breaks"]
    remedy = 'write app.config["REDIS_URL"] = ... before init_app(app) in shop/__init__.py'
    assert found == [
        ("Celery(__name__, broker=BROKER, result_expires=EXPIRES)", remedy),
        ("EXPIRES", "write TASKS_KEEP_RESULT there"),
    ]


FACTORY_OF_TASKS = """
    from flask import Flask
    from shop.tasks import celery

    def create_app():
        app = Flask(__name__)
        app.config.from_object("shop.settings.Development")
        app.extensions["queue"] = celery
        return app
    """


def test_settings_of_some_configurations(tmp_path: Path) -> None:
    """A setting of one class has a default; the name of the tasks is bound once in a module."""
    files = {
        "shop/__init__.py": FACTORY_OF_TASKS,
        "shop/tasks.py": """
            from celery import Celery

            celery = Celery(__name__, broker="redis://localhost")

            @celery.task
            def add(a, b):
                return a + b
            """,
        "shop/settings.py": """
            class Development:
                queues = 3

            class Production:
                CELERY_TASK_TIME_LIMIT = 20
                CELERYD_MAX_TASKS_PER_CHILD = 5
                CELERY_TASK_DEFAULT_QUEUE = "shop"
                CELERY_TASK_SERIALIZER = "json"
                CELERY_RESULT_SERIALIZER = "pickle"
            """,
    }
    plan = port(written(tmp_path, files), "data")
    text = (tmp_path / "shop/__init__.py").read_text()
    assert 'app.config.get("CELERY_TASK_TIME_LIMIT", 300)' in text
    assert text.count("import celery") == 1
    assert [each.code for each in plan.findings if each.file == "shop/settings.py"] == [
        "CELERYD_MAX_TASKS_PER_CHILD",
        "CELERY_TASK_DEFAULT_QUEUE",
        "CELERY_RESULT_SERIALIZER",
    ]


def test_replaced_methods(tmp_path: Path) -> None:
    """What replaces ``delay`` is asynchronous, and ``retry``, which no task has, is reported."""
    files = {
        "shop/__init__.py": FACTORY_OF_TASKS,
        "shop/tasks.py": """
            from celery import Celery

            celery = Celery(__name__, broker="redis://localhost")

            @celery.task
            def process(total):
                return total
            """,
        "tests/test_tasks.py": """
            from unittest import mock
            from unittest.mock import AsyncMock, call

            from shop import tasks
            from shop.tasks import process

            def test_delay(monkeypatch):
                monkeypatch.setattr(tasks.process, "delay", lambda total: total)
                monkeypatch.setattr("shop.tasks.process.delay", lambda total: None)
                assert tasks.process.delay(1) is None

            @mock.patch.object(process, "retry")
            @mock.patch("shop.tasks.process.update_state")
            @mock.patch("shop.tasks.process.AsyncResult")
            def test_retry(result, update_state, retry):
                pass
            """,
    }
    plan = port(written(tmp_path, files), "data")
    text = (tmp_path / "tests/test_tasks.py").read_text()
    assert '"delay", AsyncMock(side_effect=lambda total: total))' in text
    assert '"shop.tasks.process.delay", AsyncMock(side_effect=lambda total: None))' in text
    found = [each.code for each in plan.findings if each.kind == "breaks"]
    paths = ['"shop.tasks.process.update_state"', '"shop.tasks.process.AsyncResult"']
    assert found == ['"retry"', *paths]
    assert text.count("import AsyncMock") == 1
    assert not make_plan(tmp_path, "data").changes


def test_states_that_no_job_has(tmp_path: Path) -> None:
    """Comparisons with Celery's other states are places, and so are revocations of many jobs."""
    text = """
        from celery import Celery
        from celery.result import AsyncResult
        from flask import Flask

        app = Flask(__name__)
        celery = Celery(app.name, broker="redis://localhost")

        @celery.task
        def add(a, b):
            return a + b

        @app.get("/<id>")
        def index(id):
            job = AsyncResult(id)
            if job.state == "PENDING" or job.status in ("STARTED", "SUCCESS"):
                return "a"
            if "REVOKED" == job.state:
                celery.control.revoke([id, "b"])
            return job.state
        """
    plan = port(written(tmp_path, {"app.py": text}), "data")
    assert [(each.kind, each.code) for each in plan.findings][1:] == [
        ("differs", '"STARTED"'),
        ("differs", '"REVOKED"'),
        ("breaks", 'celery.control.revoke([id, "b"])'),
    ]


def test_name_of_the_tasks_is_taken(tmp_path: Path) -> None:
    """Both applications are called ``app``, and both keep their names in their modules."""
    files = {
        "jobs.py": """
            from celery import Celery

            app = Celery("jobs", broker="redis://localhost")

            @app.task
            def add(a, b):
                return a + b
            """,
        "web.py": """
            from flask import Flask
            from jobs import add

            app = Flask(__name__)

            @app.get("/")
            def index():
                return add.delay(1, 2).id
            """,
    }
    port(written(tmp_path, files), "data")
    text = (tmp_path / "web.py").read_text()
    assert "from jobs import app as tasks\n" in text
    assert "\ntasks.init_app(app)\n" in text
    assert not make_plan(tmp_path, "data").changes


def test_base_class_of_celery(tmp_path: Path) -> None:
    """``base=celery.Task`` is the class that all tasks have; no blank line is left."""
    text = """
        from celery import Celery
        from flask import Flask

        app = Flask(__name__)
        celery = Celery(app.name, broker="redis://localhost")

        def connect():
            celery.set_default()

            return celery

        @celery.task(base=celery.Task)
        def add(a, b):
            return a + b
        """
    path = written(tmp_path, {"app.py": text}) / "app.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    port(tmp_path, "data")
    after = path.read_bytes()
    assert after.count(b"\n") == after.count(b"\r\n")
    assert "def connect():\n    return celery\n" in after.replace(b"\r\n", b"\n").decode()
    assert b"@celery.task\r\nasync def add(a, b):" in after


LOCAL_URL = """
    from celery import Celery
    from flask import Flask

    def make_celery(name):
        broker = {broker}
        return Celery(name, broker=broker)

    celery = make_celery("shop")

    def create_app():
        app = Flask(__name__)
        init_celery(app)
        return app

    def init_celery(app):
        celery.conf.update(app.config)

        celery.Task = None


    @celery.task
    def add(a, b):
        return a + b
    """


def test_variable_of_another_function(tmp_path: Path) -> None:
    """The URL is a variable where the Celery application is created, and not where tasks connect.

    The empty lines before the next function stay.
    """
    after = ported(tmp_path, LOCAL_URL.format(broker='"redis://localhost"'), "data")
    assert (
        'def init_celery(app):\n    app.config["REDIS_URL"] = "redis://localhost"\n'
        "    celery.init_app(app)\n\n\n@celery.task\n"
    ) in after


def test_argument_of_another_function(tmp_path: Path) -> None:
    """A URL that only another function knows is a place in the report."""
    text = LOCAL_URL.format(broker='f"redis://{name}"')
    plan = port(written(tmp_path, {"app.py": text}), "data")
    found = [each.code for each in plan.findings if each.kind == "breaks"]
    assert found == ["Celery(name, broker=broker)"]
    assert "REDIS_URL" not in (tmp_path / "app.py").read_text()


@pytest.mark.parametrize("stage", ["async", "data"])
@pytest.mark.parametrize("base", ["Task", "celery.Task", "TaskBase"])
def test_class_of_tasks_that_stay(tmp_path: Path, stage: str, base: str) -> None:
    """Celery does not await a method of a class of tasks: it stays, and is a place."""
    text = f"""
        from celery import Celery, Task
        from flask import Flask

        app = Flask(__name__)
        celery = Celery(app.name, broker="amqp://localhost")
        TaskBase = celery.Task

        class ContextTask({base}):
            def __call__(self, *args, **kwargs):
                with app.app_context():
                    return self.run(*args, **kwargs)

        celery.Task = ContextTask
        """
    plan = port(written(tmp_path, {"app.py": text}), stage)
    after = (tmp_path / "app.py").read_text()
    assert "    def __call__" in after and "        with app.app_context():" in after
    found = [each.why for each in plan.findings if each.kind == "breaks"]
    reason = "async with app.app_context() on line 10"
    assert found == [f"Celery does not await ContextTask.__call__(), which needs {reason}"]


def test_place_of_an_unknown_application(tmp_path: Path) -> None:
    """The import of Celery is the place, if the call that creates the application is not found."""
    text = """
        import os
        from celery import shared_task
        from flask import Flask

        app = Flask(__name__)

        @shared_task
        def add(a, b):
            return a + b
        """
    plan = port(written(tmp_path, {"app.py": text}), "data")
    assert [each.code for each in plan.findings] == ["from celery import shared_task"]
