"""The stage data: tasks move from Celery to quartpatterns.tasks, or all of them stay."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from quartpatterns.porting import make_plan
from tests.porting.ported import port, ported, written

APPLICATIONS = Path(__file__).parent / "applications"
PAIRS = {
    "Flask 0.10's pattern": (
        """
        from celery import Celery
        from flask import Flask, request

        def make_celery(app):
            celery = Celery(
                app.import_name,
                backend=app.config["CELERY_RESULT_BACKEND"],
                broker=app.config["CELERY_BROKER_URL"],
            )
            celery.conf.update(app.config)
            TaskBase = celery.Task

            class ContextTask(TaskBase):
                abstract = True

                def __call__(self, *args, **kwargs):
                    with app.app_context():
                        return TaskBase.__call__(self, *args, **kwargs)

            celery.Task = ContextTask
            return celery

        app = Flask(__name__)
        app.config.update(
            CELERY_BROKER_URL="redis://localhost:6379",
            CELERY_RESULT_BACKEND="redis://localhost:6379",
        )
        celery = make_celery(app)

        @celery.task()
        def add_together(a, b):
            return a + b

        @app.get("/add/<int:a>/<int:b>")
        def add(a, b):
            result = add_together.delay(a, b)
            return str(result.wait())
        """,
        """
        from quartpatterns.tasks import Tasks
        from quartpatterns.subclassing.names import Flask, request

        def make_celery(app):
            celery = Tasks()
            app.config["REDIS_URL"] = app.config["CELERY_BROKER_URL"]
            celery.init_app(app)

            return celery

        app = Flask(__name__)
        app.config.update(
            CELERY_BROKER_URL="redis://localhost:6379",
            CELERY_RESULT_BACKEND="redis://localhost:6379",
        )
        celery = make_celery(app)

        @celery.task
        async def add_together(a, b):
            return a + b

        @app.get("/add/<int:a>/<int:b>")
        async def add(a, b):
            result = await add_together.delay(a, b)
            return str(await result.wait())
        """,
    ),
    "bound tasks and options": (
        """
        import requests
        from celery import Celery, shared_task
        from celery.utils.log import get_task_logger
        from flask import Flask, current_app

        logger = get_task_logger(__name__)
        app = Flask(__name__)
        celery = Celery(app.name, broker="redis://localhost", backend="redis://localhost")

        @celery.task(
            bind=True, max_retries=5, default_retry_delay=30, acks_late=True,
            ignore_result=True, queue="mail",
        )
        def send(self, to, text=""):
            logger.info("try %s of %s", self.request.retries, self.request.id)
            try:
                requests.post(current_app.config["MAILER"], json={"to": to})
            except requests.RequestException as exc:
                raise self.retry(exc=exc, countdown=2 ** self.request.retries)

        @celery.task(bind=True)
        def again(self):
            try:
                send("a")
            except ValueError:
                self.retry()
            self.update_state(state="PROGRESS", meta={"done": 1})
            again.apply_async(countdown=5)

        @celery.task(
            autoretry_for=(OSError,), retry_backoff=True, retry_kwargs={"max_retries": 7},
            rate_limit="10/m", soft_time_limit=20, time_limit=30,
        )
        def fetch(url):
            return requests.get(url).text

        @app.post("/")
        def start():
            send.apply_async(args=("a",), kwargs={"text": "b"}, countdown=5, queue="high")
            fetch.s("http://a").delay()
            return "", 202
        """,
        """
        import niquests as requests
        from logging import getLogger
        from quartpatterns.tasks import Retry, Tasks, current_job
        from quartpatterns.subclassing.names import Flask, current_app

        logger = getLogger(__name__)
        app = Flask(__name__)
        celery = Tasks()
        app.config["REDIS_URL"] = "redis://localhost"
        app.config["TASKS_QUEUES"] = ["default", "high", "mail"]
        celery.init_app(app)

        @celery.task(queue="mail", keep_result=0, max_tries=6)
        async def send(to, text=""):
            logger.info("try %s of %s", current_job.tries - 1, current_job.id)
            try:
                await requests.apost(current_app.config["MAILER"], json={"to": to})
            except requests.RequestException as exc:
                raise Retry(countdown=2 ** (current_job.tries - 1)) from exc

        @celery.task(max_tries=4)
        async def again():
            try:
                await send("a")
            except ValueError:
                raise Retry(countdown=180)
            await current_job.update_progress({"done": 1})
            await again.apply_async(countdown=5)

        @celery.task(autoretry_for=(OSError,), rate_limit="10/m", timeout=20, max_tries=8)
        async def fetch(url):
            return (await requests.aget(url)).text

        @app.post("/")
        async def start():
            await send.apply_async(args=("a",), kwargs={"text": "b"}, countdown=5, queue="high")
            await fetch.s("http://a").delay()
            return "", 202
        """,
    ),
    "results, chains and groups": (
        """
        from celery import Celery, chain, chord, group
        from celery.result import AsyncResult, GroupResult
        from flask import Flask, jsonify

        app = Flask(__name__)
        celery = Celery(__name__, broker="redis://localhost")
        celery.conf.update(task_serializer="json", timezone="UTC", result_expires=60)

        @celery.task
        def add(a, b):
            return a + b

        @celery.task
        def total(numbers):
            return sum(numbers)

        @app.post("/")
        def start():
            one = chain(add.s(1, 2), add.s(3))()
            two = (add.s(1, 2) | add.si(3, 4)).apply_async()
            three = group(add.s(1, 2), add.s(3, 4)).apply_async()
            four = chord([add.s(n, n) for n in range(3)])(total.s())
            five = chord(group(add.s(n, n) for n in range(3)), total.s()).delay()
            six = add.s(1, 2).apply_async(countdown=3)
            print(three.get(timeout=3), [each.id for each in three.results])
            return jsonify(one.id, two.get(timeout=2), four.status)

        @app.get("/<id>")
        def show(id):
            result = AsyncResult(id, app=celery)
            if result.failed():
                return jsonify(error=str(result.result))
            if not result.ready():
                return jsonify(info=result.info)
            return jsonify(state=add.AsyncResult(id).state, value=result.get(propagate=False))

        @app.delete("/<id>")
        def stop(id):
            celery.control.revoke(id, terminate=True)
            AsyncResult(id).revoke(terminate=True)
            return ""
        """,
        """
        from quartpatterns.tasks import Job, Tasks, chain, chord, group
        from quartpatterns.subclassing.names import Flask, jsonify

        app = Flask(__name__)
        celery = Tasks()
        app.config["REDIS_URL"] = "redis://localhost"
        app.config["TASKS_KEEP_RESULT"] = 60
        celery.init_app(app)

        @celery.task
        async def add(a, b):
            return a + b

        @celery.task
        async def total(numbers):
            return sum(numbers)

        @app.post("/")
        async def start():
            one = await chain(add.s(1, 2), add.s(3)).delay()
            two = await (add.s(1, 2) | add.si(3, 4)).delay()
            three = await group([add.s(1, 2), add.s(3, 4)]).delay()
            four = await chord([add.s(n, n) for n in range(3)], total.s()).delay()
            five = await chord(group(add.s(n, n) for n in range(3)), total.s()).delay()
            six = await add.s(1, 2).set(countdown=3).delay()
            print(await three.wait(timeout=3), [each.id for each in three.jobs])
            return jsonify(one.id, await two.wait(timeout=2), (await four.result()).state)

        @app.get("/<id>")
        async def show(id):
            result = Job(id)
            if (await result.result()).failed:
                return jsonify(error=str((await result.result()).value))
            if not (await result.result()).ready:
                return jsonify(info=(await result.result()).info)
            return jsonify(state=(await Job(id).result()).state, value=await result.wait())

        @app.delete("/<id>")
        async def stop(id):
            await Job(id).revoke()
            await Job(id).revoke()
            return ""
        """,
    ),
    "the schedule": (
        """
        from datetime import timedelta
        from celery import Celery
        from celery.schedules import crontab
        from flask import Flask

        app = Flask(__name__)
        celery = Celery(app.name, broker="redis://localhost")

        @celery.task
        def clean():
            pass

        @celery.task(name="report")
        def report():
            print("report")

        celery.conf.beat_schedule = {
            "clean": {
                "task": "app.clean",
                "schedule": crontab(minute="*/15", hour="8-10", day_of_week="mon,sun"),
            },
            "report": {"task": "report", "schedule": 30.0},
            "night": {"task": "report", "schedule": crontab(hour=3, minute=30)},
            "often": {"task": "report", "schedule": timedelta(minutes=10)},
        }
        celery.conf.timezone = "UTC"

        @app.get("/")
        def index():
            report.delay()
            return ""
        """,
        """
        from datetime import timedelta
        from quartpatterns.tasks import Tasks
        from quartpatterns.subclassing.names import Flask

        app = Flask(__name__)
        celery = Tasks()
        app.config["REDIS_URL"] = "redis://localhost"
        celery.init_app(app)

        @celery.task
        async def clean():
            pass

        celery.cron(clean, weekday={0, 6}, hour={8, 9, 10}, minute={0, 15, 30, 45})

        @celery.task(name="report")
        async def report():
            print("report")

        celery.cron(report, second={0, 30})
        celery.cron(report, hour=3, minute=30)
        celery.cron(report, minute={0, 10, 20, 30, 40, 50})


        @app.get("/")
        async def index():
            await report.delay()
            return ""
        """,
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_pair(tmp_path: Path, name: str) -> None:
    """The port of each, and the port of the port, which changes nothing."""
    before, after = (textwrap.dedent(text).lstrip("\n") for text in PAIRS[name])
    assert ported(tmp_path, before, "data") == after
    assert not make_plan(tmp_path, "data").changes


FACTORY = {
    "shop/__init__.py": """
        from celery import Celery, Task
        from flask import Flask

        def celery_init_app(app: Flask) -> Celery:
            class FlaskTask(Task):
                def __call__(self, *args: object, **kwargs: object) -> object:
                    with app.app_context():
                        return self.run(*args, **kwargs)

            celery_app = Celery(app.name, task_cls=FlaskTask)
            celery_app.config_from_object(app.config["CELERY"])
            celery_app.set_default()
            app.extensions["celery"] = celery_app
            return celery_app

        def create_app():
            app = Flask(__name__)
            app.config.from_mapping(CELERY=dict(broker_url="redis://localhost"))
            app.config.from_prefixed_env()
            celery_init_app(app)
            return app
        """,
    "shop/tasks.py": """
        import time
        from celery import Task, shared_task

        @shared_task(bind=True, ignore_result=False)
        def process(self: Task, total: int) -> int:
            for number in range(total):
                self.update_state(state="PROGRESS", meta={"current": number})
                time.sleep(1)
            return total
        """,
    "make_celery.py": """
        from shop import create_app

        flask_app = create_app()
        celery_app = flask_app.extensions["celery"]
        """,
}


def test_pattern_with_a_factory(tmp_path: Path) -> None:
    """Flask's page: shared tasks get an object in a module of its own, which nothing else needs."""
    plan = port(written(tmp_path, FACTORY), "data")
    assert (tmp_path / "shop/background.py").read_text() == (
        "from quartpatterns.tasks import Tasks\n\nbackground_tasks = Tasks()\n"
    )
    package = (tmp_path / "shop/__init__.py").read_text()
    assert "FlaskTask" not in package and "set_default" not in package
    assert "def celery_init_app(app: Flask) -> Tasks:" in package
    assert 'app.config["REDIS_URL"] = app.config["CELERY"].get("broker_url")' in package
    assert "background_tasks.init_app(app)" in package
    tasks = (tmp_path / "shop/tasks.py").read_text()
    assert "@background_tasks.task\nasync def process(total: int) -> int:" in tasks
    assert 'await current_job.update_progress({"current": number})' in tasks
    assert "celery" not in tasks
    assert [each.kind for each in plan.findings] == ["differs"]
    assert "quartpatterns worker 'shop:create_app()'" in plan.findings[0].remedy
    assert ("shop/tasks.py", 5) in [(each.file, each.line) for each in plan.made_async]
    assert not make_plan(tmp_path, "data").changes


def test_tasks_of_an_application_elsewhere(tmp_path: Path) -> None:
    """Each application gets the tasks where it is whole, if nothing else connects it."""
    files = {
        "shop/__init__.py": """
            from flask import Flask

            def create_app():
                app = Flask(__name__)
                app.config.from_object("shop.settings")
                return app
            """,
        "shop/tasks.py": """
            import os
            from celery import Celery

            celery = Celery(__name__)
            celery.conf.broker_url = os.environ.get("CELERY_BROKER_URL", "redis://localhost")

            @celery.task(name="add")
            def add(a, b):
                return a + b
            """,
        "tests/test_add.py": """
            from unittest.mock import patch
            from shop.tasks import add

            def test_add():
                assert add.run(1, 2) == 3

            @patch("shop.tasks.add.run")
            def test_mock(run):
                add.run(1, 2)
                add.run.assert_called_once_with(1, 2)
            """,
    }
    port(written(tmp_path, files), "data")
    assert (
        textwrap.indent(
            textwrap.dedent("""
        from shop.tasks import celery
        app.config["REDIS_URL"] = os.environ.get("CELERY_BROKER_URL", "redis://localhost")
        celery.init_app(app)
        return app
        """).lstrip("\n"),
            "    ",
        )
        in (tmp_path / "shop/__init__.py").read_text()
    )
    assert "import os\n" in (tmp_path / "shop/__init__.py").read_text()
    tests = (tmp_path / "tests/test_add.py").read_text()
    assert "assert await add.function(1, 2) == 3" in tests
    assert '@patch("shop.tasks.add.function")' in tests


def test_lines_are_those_before_the_port(tmp_path: Path) -> None:
    """A place below the removed class is named with its line in the project's file."""
    files = {**FACTORY, "shop/tasks.py": FACTORY["shop/tasks.py"]}
    files["shop/__init__.py"] += """
        import os

        def block(app):
            @app.get("/")
            def wait():
                return os.system("sleep 1")

            os.wait = lambda: render_template("a")
        """
    files["shop/__init__.py"] = files["shop/__init__.py"].replace(
        "import Flask\n", "import Flask, render_template\n", 1
    )
    plan = make_plan(written(tmp_path, files), "data")
    lines = (tmp_path / "shop/__init__.py").read_text().splitlines()
    found = [each for each in plan.findings if each.kind == "breaks"]
    assert [lines[each.line - 1].strip() for each in found] == [
        'os.wait = lambda: render_template("a")'
    ]


def test_settings_of_a_module(tmp_path: Path) -> None:
    """A module of settings with a schedule, and a package with a module celery.py."""
    files = {
        "celeryconfig.py": """
            from celery.schedules import crontab

            BROKER_URL = "redis://localhost"
            CELERY_TASK_RESULT_EXPIRES = 30
            CELERYBEAT_SCHEDULE = {
                "clean": {"task": "shop.tasks.clean", "schedule": crontab(minute=0, hour="*/12")},
            }
            """,
        "shop/__init__.py": "from .celery import celery\n",
        "shop/celery.py": """
            from celery import Celery

            celery = Celery("shop")
            """,
        "shop/tasks.py": """
            from shop import celery

            @celery.task
            def clean():
                pass
            """,
        "shop/app.py": """
            from flask import Flask
            import celeryconfig
            from shop import celery

            def create_app():
                app = Flask(__name__)
                init_celery(app)
                return app

            def init_celery(app):
                celery.config_from_object(celeryconfig)
                TaskBase = celery.Task

                class ContextTask(TaskBase):
                    abstract = True

                    def __call__(self, *args, **kwargs):
                        with app.app_context():
                            return TaskBase.__call__(self, *args, **kwargs)

                celery.Task = ContextTask
            """,
    }
    plan = port(written(tmp_path, files), "data")
    assert (tmp_path / "shop/celery.py").read_text() == (
        "from quartpatterns.tasks import Tasks\n\ncelery = Tasks()\n"
    )
    assert (
        "    pass\n\ncelery.cron(clean, hour={0, 12}, minute=0)"
        in (tmp_path / "shop/tasks.py").read_text()
    )
    assert (tmp_path / "celeryconfig.py").read_text() == (
        'BROKER_URL = "redis://localhost"\nCELERY_TASK_RESULT_EXPIRES = 30\n'
    )
    assert (tmp_path / "shop/app.py").read_text() == textwrap.dedent("""
        from quartpatterns.subclassing.names import Flask
        import celeryconfig
        from shop import celery

        def create_app():
            app = Flask(__name__)
            init_celery(app)
            app.config["REDIS_URL"] = celeryconfig.BROKER_URL
            app.config["TASKS_KEEP_RESULT"] = celeryconfig.CELERY_TASK_RESULT_EXPIRES
            celery.init_app(app)
            return app

        def init_celery(app):

            pass
        """).lstrip("\n")
    assert [each.kind for each in plan.findings] == ["differs", "differs"]
    assert not make_plan(tmp_path, "data").changes


def test_scripts(tmp_path: Path) -> None:
    """Files that import their neighbours by their names alone do so with the tasks as well."""
    files = {
        "src/__init__.py": "",
        "src/served.py": """
            from flask import Flask
            from task import add

            app = Flask(__name__)
            """,
        "src/task.py": """
            from worker import jobs

            @jobs.task()
            def add(x, y):
                return x + y
            """,
        "src/worker.py": """
            from celery import Celery

            jobs = Celery("served", broker="redis://localhost")
            """,
    }
    port(written(tmp_path, files), "data")
    text = (tmp_path / "src/served.py").read_text()
    assert text.endswith(
        "from worker import jobs\n"
        'app.config["REDIS_URL"] = "redis://localhost"\n'
        "jobs.init_app(app)\n"
    )


def test_unknown_broker(tmp_path: Path) -> None:
    """An expression that means nothing where the application is created is named."""
    text = """
    from celery import Celery
    from flask import Flask

    def make_celery(broker):
        return Celery("shop", broker=broker)

    celery = make_celery("redis://localhost")

    def create_app():
        app = Flask(__name__)
        return app
    """
    plan = port(written(tmp_path, {"app.py": text}), "data")
    assert [(each.kind, each.code) for each in plan.findings] == [
        ("breaks", 'Celery("shop", broker=broker)'),
        ("differs", 'Celery("shop", broker=broker)'),
    ]
    assert 'app.config["REDIS_URL"]' in plan.findings[0].remedy


REPORTED = """
    from celery import Celery
    from celery.exceptions import SoftTimeLimitExceeded
    from celery.signals import task_prerun
    from flask import Flask

    app = Flask(__name__)
    app.config["CELERY_TASK_ROUTES"] = {"app.add": {"queue": "math"}}
    celery = Celery(app.name, broker="redis://localhost")
    celery.conf.update(app.config)

    @task_prerun.connect
    def before(**kwargs):
        pass

    @celery.task(bind=True, priority=3, serializer="pickle")
    def add(self, a, b):
        try:
            print(self.request.delivery_info)
            self.update_state(state="HALF")
            self.update_state(state="ALL", meta=1)
            use(self)
        except SoftTimeLimitExceeded:
            pass

    @celery.on_after_configure.connect
    def setup(sender, **kwargs):
        sender.add_periodic_task(10.0, add.s(1, 2))

    @app.get("/")
    def index():
        add.apply_async((1, 2), link=add.s(3), priority=9)
        add.apply((1, 2))
        add.chunks([(1, 2)], 2)
        celery.control.inspect().active()
        celery.send_task("app.add", (1, 2))
        add.delay(1, 2).get(propagate=False)
        return add.delay(1, 2).children
    """


def test_what_has_no_successor(tmp_path: Path) -> None:
    """Each is a place in the report, and the code around it is moved."""
    plan = port(written(tmp_path, {"app.py": REPORTED}), "data")
    assert [(each.kind, each.code) for each in plan.findings] == [
        ("differs", '"CELERY_TASK_ROUTES"'),
        ("differs", 'Celery(app.name, broker="redis://localhost")'),
        ("breaks", "task_prerun.connect"),
        ("breaks", "priority=3"),
        ("breaks", 'serializer="pickle"'),
        ("breaks", "self.request.delivery_info"),
        ("breaks", 'self.update_state(state="HALF")'),
        ("differs", '"ALL"'),
        ("breaks", "self"),
        ("breaks", "SoftTimeLimitExceeded"),
        ("breaks", "@celery.on_after_configure.connect"),
        ("breaks", "link=add.s(3)"),
        ("breaks", "priority=9"),
        ("breaks", "add.apply((1, 2))"),
        ("breaks", "add.chunks([(1, 2)], 2)"),
        ("breaks", "celery.control.inspect()"),
        ("breaks", 'celery.send_task("app.add", (1, 2))'),
        ("breaks", "propagate=False"),
        ("breaks", "add.delay(1, 2).children"),
    ]
    assert "@celery.task\nasync def add(a, b):" in (tmp_path / "app.py").read_text()
    again = make_plan(tmp_path, "data")
    assert not again.changes
    assert ("breaks", "SoftTimeLimitExceeded") in [
        (each.kind, each.code) for each in again.findings
    ]


STAYS = {
    "its broker is not Redis": """
        celery = Celery(app.name, broker="amqp://localhost")

        @celery.task
        def add(a, b):
            return a + b
        """,
    "no broker is named, and Celery's default is RabbitMQ": """
        celery = Celery(app.name)

        @celery.task
        def add(a, b):
            return a + b
        """,
    "its tasks have a base class of their own": """
        celery = Celery(app.name, broker="redis://localhost")

        class Counting(celery.Task):
            count = 0

        @celery.task(base=Counting)
        def add(a, b):
            return a + b
        """,
    "it calls tasks that are not in this project": """
        celery = Celery(app.name, broker="redis://localhost")

        @celery.task
        def add(a, b):
            celery.send_task("other.task")
        """,
    "there are several Celery applications (app.py:6, app.py:7)": """
        celery = Celery(app.name, broker="redis://localhost")
        other = Celery(app.name, broker="redis://localhost")

        @celery.task
        def add(a, b):
            return a + b
        """,
    "a method is a task": """
        celery = Celery(app.name, broker="redis://localhost")

        class Adder:
            @celery.task
            def add(a, b):
                return a + b

        add = Adder.add
        """,
}


@pytest.mark.parametrize("why", STAYS)
def test_celery_stays(tmp_path: Path, why: str) -> None:
    """All tasks stay with Celery, the report says why, and calls go to a thread."""
    head = "from celery import Celery\nfrom flask import Flask\n\napp = Flask(__name__)\n\n"
    view = '\n\n@app.get("/")\ndef index():\n    return add.delay(1, 2).id\n'
    text = f"{head}{textwrap.dedent(STAYS[why]).strip()}{view}"
    plan = port(written(tmp_path, {"app.py": text}), "data")
    after = (tmp_path / "app.py").read_text()
    assert textwrap.dedent(STAYS[why]).strip() in after
    assert f"Celery stays: {why}" in [each.why for each in plan.findings]
    if "method" not in why:
        assert "return (await asyncio.to_thread(add.delay, 1, 2)).id" in after
    assert not make_plan(tmp_path, "data").changes


EAGER = {
    "shop.py": """
        from celery import Celery
        from flask import Flask

        app = Flask(__name__)
        celery = Celery(app.name, broker="redis://localhost")

        @celery.task
        def work(name):
            print(name)
        """,
    "tests/conftest.py": """
        import pytest
        import shop

        @pytest.fixture(scope="session", autouse=True)
        def eager():
            shop.celery.conf.update(task_always_eager=True, task_eager_propagates=True)
            yield
            shop.celery.conf.task_always_eager = False

        @pytest.fixture
        def application():
            shop.app.testing = True
            return shop.app
        """,
}


def test_eager_tasks_in_tests(tmp_path: Path) -> None:
    """What sets ``task_always_eager`` becomes a fixture with the application of the tests."""
    plan = port(written(tmp_path, EAGER), "data")
    assert (tmp_path / "tests/conftest.py").read_text() == textwrap.dedent("""
        import pytest
        import shop
        from quartpatterns.tasks.testing import eager_tasks


        @pytest.fixture(autouse=True)
        def run_jobs_eagerly(application):
            with eager_tasks(application):
                yield

        @pytest.fixture(scope="session", autouse=True)
        def eager():
            yield

        @pytest.fixture
        def application():
            shop.app.testing = True
            return shop.app
        """).lstrip("\n")
    assert "TASKS_EAGER" not in (tmp_path / "shop.py").read_text()
    assert [(each.file, each.kind) for each in plan.findings] == [
        ("shop.py", "differs"),
        ("tests/conftest.py", "differs"),
    ]
    assert not make_plan(tmp_path, "data").changes


def test_eager_tasks_without_an_application(tmp_path: Path) -> None:
    """The place is named if the tests have no application that the analysis finds."""
    files = {
        **EAGER,
        "tests/conftest.py": "import shop\nshop.celery.conf.task_always_eager = True\n",
    }
    plan = port(written(tmp_path, files), "data")
    found = [each for each in plan.findings if each.kind == "breaks"]
    assert [each.code for each in found] == ["shop.celery.conf.task_always_eager = True"]
    assert "eager_tasks" in found[0].remedy


def test_other_stages_keep_celery(tmp_path: Path) -> None:
    """The stage async changes nothing of it."""
    before = PAIRS["Flask 0.10's pattern"][0]
    after = ported(tmp_path, before)
    assert "@celery.task()\ndef add_together(a, b):" in after
    assert "class ContextTask(TaskBase):" in after


@pytest.mark.slow
def test_job_of_a_ported_view_in_a_ported_worker(tmp_path: Path, redis_url: str) -> None:
    """With a real Valkey: one process handles the requests, and another one runs the jobs."""
    folder = tmp_path / "letters"
    shutil.copytree(APPLICATIONS / "letters", folder)
    port(folder, "data")
    written(
        folder,
        {
            "served.py": """
            import os

            from letters import create_app

            app = create_app({"CELERY": {"broker_url": os.environ["URL"]}, **os.environ})
            """,
            "request.py": """
            import asyncio
            import sys

            from served import app

            async def main(method, path):
                client = app.test_client()
                form = {"name": "ada", "subject": "x"}
                response = await client.open(path, method=method, form=form)
                print((await response.get_data()).decode())

            asyncio.run(main(*sys.argv[1:]))
            """,
        },
    )
    environment = {**os.environ, "URL": redis_url, "TASKS_QUEUE_NAME": str(tmp_path)}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    id = run("request.py", "POST", "/letters").split('"')[3]
    assert '"PENDING"' in run("request.py", "GET", f"/letters/{id}")
    run("-m", "quartpatterns", "worker", "served:app", "--burst")
    assert '"value":"ada"' in run("request.py", "GET", f"/letters/{id}").replace(" ", "")
