"""The original: streaming contents with Flask."""

import time

from flask import Flask, abort, g, request, session, stream_template, stream_with_context
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

    return app
