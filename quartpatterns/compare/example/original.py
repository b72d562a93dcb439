"""Views that wait, and views that grow, written with Flask."""

import queue
import sqlite3
import time

import httpx
from celery import Celery, shared_task
from flask import Flask, Response, render_template_string, request
from flask_sqlalchemy import SQLAlchemy

PAGE = (
    "<table>{% for row in rows %}<tr><td>{{ row[0] }}<td>{{ row[1] }}</tr>\n{% endfor %}</table>\n"
)
ROWS = (
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
    " SELECT i, 'item ' || i FROM n"
)

db = SQLAlchemy()


@shared_task
def add(a, b):
    return a + b


def create_app(config=None):
    app = Flask("waiting", static_folder=None)
    app.config.from_mapping(config or {})
    if "SQLALCHEMY_DATABASE_URI" in app.config:
        db.init_app(app)
    if "REDIS_URL" in app.config:
        celery = Celery("waiting", broker=app.config["REDIS_URL"])
        celery.conf.task_ignore_result = True
        celery.set_default()
    if "FILES" in app.config:
        app.static_folder = app.config["FILES"]
        app.add_url_rule("/files/<path:filename>", "files", app.send_static_file)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    client = httpx.Client(timeout=60, limits=limits, trust_env=False)

    def seconds():
        return request.args.get("seconds", 0.0, type=float)

    @app.get("/sleep")
    def sleep():
        if seconds() > 0:
            time.sleep(seconds())
        return {"waited": seconds()}

    @app.get("/upstream")
    def upstream():
        response = client.get(app.config["UPSTREAM"], params={"seconds": seconds()})
        return {"answer": response.text}

    @app.get("/query")
    def query():
        db.session.execute(db.text("SELECT pg_sleep(:seconds)"), {"seconds": seconds()})
        return {"waited": seconds()}

    @app.get("/events")
    def events():
        messages = queue.Queue()

        def generate():
            yield "retry: 3000\n\n"
            while True:
                try:
                    yield f"data: {messages.get(timeout=15)}\n\n"
                except queue.Empty:
                    yield ":\n\n"

        return Response(generate(), mimetype="text/event-stream")

    @app.post("/jobs")
    def jobs():
        add.delay(1, 2)
        return {"queued": True}, 202

    @app.get("/page")
    def page():
        connection = sqlite3.connect(app.config["DATABASE"])
        rows = connection.execute(ROWS, [request.args.get("rows", type=int)]).fetchall()
        connection.close()
        return render_template_string(PAGE, rows=rows)

    @app.get("/export.csv")
    def export():
        count = request.args.get("rows", type=int)

        def generate():
            connection = sqlite3.connect(app.config["DATABASE"])
            for number, name in connection.execute(ROWS, [count]):
                yield f"{number},{name}\n"
            connection.close()

        return Response(generate(), content_type="text/csv; charset=utf-8")

    return app
