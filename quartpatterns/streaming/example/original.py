"""The original: streaming contents with Flask."""

import threading
import time
from collections import deque

from flask import (
    Flask,
    abort,
    g,
    redirect,
    render_template,
    request,
    session,
    stream_template,
    stream_with_context,
    url_for,
)
from markupsafe import escape

MOST_ROWS = 10_000_000


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(SECRET_KEY="dev", TIMELINE_PAUSE=0.1)
    app.config.from_mapping(config or {})

    def wanted_rows():
        rows = request.args.get("rows", "1000")
        if not rows.isascii() or not rows.isdecimal() or len(rows) > 8 or int(rows) > MOST_ROWS:
            abort(400, f"rows is a whole number from 0 to {MOST_ROWS}")
        return int(rows)

    def iter_all_rows(count):
        for number in range(count):
            yield str(number), f"item {number}", f"{number * 7 % 10_000 / 100:.2f}"

    def buffered_template(template_name, **context):
        app.update_template_context(context)
        t = app.jinja_env.get_template(template_name)
        rv = t.stream(context)
        rv.enable_buffering(5)
        return rv

    @app.get("/")
    def index():
        return render_template("index.html", most_rows=MOST_ROWS)

    @app.get("/large.csv")
    def large_csv():
        rows = wanted_rows()

        def generate():
            for row in iter_all_rows(rows):
                yield f"{','.join(row)}\n"

        return generate(), {"Content-Type": "text/csv"}

    @app.get("/my-large-page.html")
    def my_large_page():
        rows = iter_all_rows(wanted_rows())
        page = buffered_template("the_template.html", rows=rows)
        return app.response_class(stream_with_context(page))

    @app.get("/timeline")
    def timeline():
        def events():
            for hour in range(8, 18):
                time.sleep(app.config["TIMELINE_PAUSE"])
                yield f"{hour}:00"

        return stream_template("timeline.html", events=events())

    @app.get("/stream")
    def stream():
        @stream_with_context
        def generate():
            name = escape(request.args["name"])
            yield "<p>Hello "
            yield name
            yield "!</p>"

        return generate()

    @app.get("/broken")
    def broken():
        @stream_with_context
        def generate():
            for number in range(int(request.args["chunks"])):
                yield f"chunk {number}\n"
            raise LookupError("the next chunk does not exist")

        return generate()

    @app.get("/visits")
    def visits():
        g.user = request.args.get("user", "nobody")
        session["visits"] = session.get("visits", 0) + 1

        def generate():
            yield f"<p>Hello {escape(g.user)}, "
            yield f"this is visit {session['visits']}.</p>"

        return stream_with_context(generate())

    history = deque(maxlen=1000)
    published = threading.Condition()

    @app.get("/feed")
    def feed():
        return render_template("feed.html")

    @app.post("/feed")
    def publish():
        text = request.form.get("text", "").strip()
        if not text or len(text) > 200:
            abort(400, "text has 1 to 200 characters")
        with published:
            history.append((history[-1][0] + 1 if history else 1, text))
            published.notify_all()
        return redirect(url_for("feed"), 303)

    @app.get("/feed/events")
    def feed_events():
        # A thread for each client, and only the clients of this process.
        last = history[-1][0] if history else 0
        last = request.headers.get("Last-Event-ID", default=last, type=int)

        def missed(last):
            return [item for item in history if item[0] > last]

        def generate(last):
            yield "retry: 1000\n\n"
            while True:
                with published:
                    items = missed(last) or (published.wait(timeout=15) and missed(last))
                for last, text in items or ():
                    lines = "".join(f"data: {line}\n" for line in text.splitlines())
                    yield f"id: {last}\n{lines}\n"
                if not items:
                    yield ": heartbeat\n\n"

        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Vary": "Accept"}
        return generate(last), {"Content-Type": "text/event-stream; charset=utf-8", **headers}

    return app
