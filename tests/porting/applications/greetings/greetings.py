"""A page in one module: signals, template functions, decorators without wraps, a proxy."""

import contextlib
import time
from collections import defaultdict
from datetime import date

import click
from blinker import Namespace
from flask import (
    Flask,
    Response,
    abort,
    current_app,
    flash,
    g,
    get_flashed_messages,
    has_request_context,
    jsonify,
    make_response,
    redirect,
    render_template,
    render_template_string,
    request,
    session,
    url_for,
)
from werkzeug.middleware.proxy_fix import ProxyFix

app = Flask(__name__)
app.secret_key = "dev"
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)

greeted = Namespace().signal("greeted")
LANGUAGES = {"en": "Hello", "de": "Hallo", "fr": "Bonjour"}
counts = defaultdict(int)


@greeted.connect
def count(sender, name, **extra):
    counts[name] += 1


# Decorators


def endpoint(path, **options):
    """Register a view under its name, and return JSON for a dictionary."""

    def register(view):
        def answer(*args, **kwargs):
            result = view(*args, **kwargs)
            if isinstance(result, dict):
                return jsonify(result)
            return result

        answer.__name__ = view.__name__
        app.add_url_rule(path, view_func=answer, **options)
        return view

    return register


def timed(view):
    def timer(*args, **kwargs):
        begin = time.perf_counter()
        response = make_response(view(*args, **kwargs))
        response.headers["Server-Timing"] = f"view;dur={time.perf_counter() - begin}"
        return response

    timer.__name__ = view.__name__
    return timer


def validated(*names):
    """Answer with 400 unless the form has these fields, in the text of the error."""
    return lambda view: check_fields(view, names)


def check_fields(view, names):
    def checked(**kwargs):
        missing = [name for name in names if not request.form.get(name)]
        if missing:
            abort(400, "missing: " + ", ".join(missing))
        return view(**kwargs)

    checked.__name__ = view.__name__
    return checked


# Hooks and templates


@app.url_value_preprocessor
def pull_language(endpoint, values):
    g.language = (values or {}).pop("language", "en")


@app.url_defaults
def add_language(endpoint, values):
    if "language" not in values and app.url_map.is_endpoint_expecting(endpoint, "language"):
        values["language"] = g.get("language", "en")


@app.before_request
def check_language():
    if g.language not in LANGUAGES:
        return render_template_string("No {{ language }}.", language=g.language), 404


@app.teardown_request
def forget(error=None):
    g.pop("language", None)


def greeting():
    return LANGUAGES[g.get("language", "en")]


def visitor():
    """Return the name in the form or in the session."""
    return request.form.get("name") or session.get("name") or "you"


def signature():
    return render_template_string("by {{ visitor() }}, {{ greeting() }}")


@app.context_processor
def variables():
    return dict(visitor=visitor, greeting=greeting, today=date(2020, 2, 29))


@app.context_processor
def fields():
    return dict(fields=sorted(request.form)) if has_request_context() else {}


@app.template_filter("initials")
def initials(name):
    return "".join(word[0] for word in name.split())


@app.template_filter()
def signed(text):
    return f"{text} ({signature()})"


@app.template_test("known")
def known(name):
    return name in counts


app.jinja_env.globals.update(languages=lambda: sorted(LANGUAGES), signature=signature)
app.add_template_global(lambda: len(get_flashed_messages()), "messages")


# Views


@app.route("/")
@app.route("/<language>/")
@timed
def index(name=None):
    return render_template("greeting.html", name=name or visitor())


@endpoint("/<language>/greet", methods=["POST"])
@validated("name")
def greet():
    session["name"] = name = visitor()
    greeted.send(current_app._get_current_object(), name=name)
    if request.is_json or request.form.get("format") == "json":
        return {"text": f"{greeting()}, {name}", "count": counts[name]}
    flash(f"{name} was greeted")
    return redirect(url_for("index"))


@endpoint("/raw", methods=["PUT"])
def raw():
    text = request.get_data(as_text=True)
    response = Response(text or "empty")
    response.data += b" bytes: " + str(len(request.data)).encode()
    response.data *= 2 if "twice" in request.args else 1
    return response


@endpoint("/address")
def address():
    return {"address": request.remote_addr, "url": request.url}


@app.route("/cookies")
def cookies():
    response = make_response(render_template_string("{{ name|signed }}", name="Text"))
    response.set_cookie("seen", "1")
    response.status_code, response.headers["X-A"] = 202, "b"
    return response


@app.route("/boom")
def boom():
    raise RuntimeError("boom")


@app.errorhandler(400)
def bad(error):
    return f"{greeting()}: {error.description}", 400


@app.errorhandler(Exception)
def failed(error):
    with suppressed(KeyError):
        return f"{error.args[0]} at {request.form['place']}", 500
    return "no place", 500


@contextlib.contextmanager
def suppressed(*errors):
    try:
        yield
    except errors:
        pass


# Commands


@app.cli.command("greet")
@click.argument("name")
@click.option("--language", type=click.Choice(sorted(LANGUAGES)), default="en")
def greet_command(name, language):
    """Greet from the command line."""
    g.language = language
    with app.test_request_context(data={"name": name}, method="POST"):
        click.echo(signature())


@app.cli.command()
def count_names():
    click.echo(str(sum(counts.values())))


if __name__ == "__main__":
    app.run(debug=True)
