"""The original: view decorators with Flask, as its page writes them."""

import time
from collections import Counter
from functools import wraps

from flask import Blueprint, Flask, abort, g, redirect, render_template, request, session, url_for
from werkzeug.routing import Rule

USERS = {
    "ada": {"id": "ada", "password": "engine", "roles": ["admin"]},
    "bob": {"id": "bob", "password": "builder", "roles": []},
}


class SimpleCache:
    def __init__(self):
        self.values = {}

    def get(self, key):
        expires, value = self.values.get(key, (0, None))
        return value if expires > time.time() else None

    def set(self, key, value, timeout):
        self.values[key] = (time.time() + timeout, value)


def login_required(f):
    @wraps(f)
    def decorated_function(*args, **kwargs):
        if g.user is None:
            return redirect(url_for("login", next=request.url))
        return f(*args, **kwargs)

    return decorated_function


def admin_required(f):
    @wraps(f)
    @login_required
    def decorated_function(*args, **kwargs):
        if "admin" not in g.user["roles"]:
            abort(403)
        return f(*args, **kwargs)

    return decorated_function


def fresh_login_required(f):
    @wraps(f)
    @login_required
    def decorated_function(*args, **kwargs):
        if time.time() - session["since"] > 3600:
            return redirect(url_for("login", next=request.url))
        return f(*args, **kwargs)

    return decorated_function


def templated(template=None):
    def decorator(f):
        @wraps(f)
        def decorated_function(*args, **kwargs):
            template_name = template
            if template_name is None:
                template_name = f"{request.endpoint.replace('.', '/')}.html"
            ctx = f(*args, **kwargs)
            if ctx is None:
                ctx = {}
            elif not isinstance(ctx, dict):
                return ctx
            return render_template(template_name, **ctx)

        return decorated_function

    return decorator


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(SECRET_KEY="dev")
    app.config.from_mapping(config or {})
    cache = SimpleCache()
    calls = Counter()

    def cached(timeout=5 * 60, key="view/{}"):
        def decorator(f):
            @wraps(f)
            def decorated_function(*args, **kwargs):
                cache_key = key.format(request.path)
                rv = cache.get(cache_key)
                if rv is not None:
                    return rv
                rv = f(*args, **kwargs)
                cache.set(cache_key, rv, timeout=timeout)
                return rv

            return decorated_function

        return decorator

    @app.before_request
    def load_user():
        g.user = USERS.get(session.get("user_id"))

    @app.context_processor
    def user_in_templates():
        return {"current_user": g.user}

    @app.get("/")
    def index():
        return render_template("index.html")

    @app.get("/login")
    def login():
        return render_template("login.html", next=request.args.get("next", ""))

    @app.post("/login")
    def log_in():
        user = USERS.get(request.form.get("username", ""))
        if user is None or user["password"] != request.form.get("password"):
            page = render_template("login.html", next=request.form.get("next", ""), wrong=True)
            return page, 401
        session["user_id"] = user["id"]
        session["since"] = int(time.time())
        return redirect(request.form.get("next") or url_for("index"))

    @app.post("/logout")
    def logout():
        session.clear()
        return redirect(url_for("index"))

    @app.get("/secret_page")
    @login_required
    def secret_page():
        return render_template("secret.html")

    @app.get("/admin")
    @admin_required
    def admin():
        return f"{g.user['id']} is an admin"

    @app.get("/password")
    @fresh_login_required
    def password():
        return f"{g.user['id']} may change the password"

    @app.post("/confirm")
    @login_required
    def confirm():
        if request.form.get("password") != g.user["password"]:
            return "wrong password", 401
        session["since"] = int(time.time())
        return redirect(url_for("password"))

    @app.get("/cached/<page>")
    @cached()
    def slow(page):
        calls[page] += 1
        return f"{page}, made {calls[page]} times, for {request.args.get('name', 'nobody')}"

    @app.get("/cached/visits")
    @cached()
    def visits():
        session["visits"] = session.get("visits", 0) + 1
        return f"visit {session['visits']}"

    @app.get("/cached/language")
    @cached()
    def language():
        return request.accept_languages.best_match(["en", "de"], "en")

    @app.get("/cached/gone")
    @cached()
    def gone():
        calls["gone"] += 1
        return f"gone {calls['gone']}", 410

    @app.get("/rendered")
    def rendered():
        return render_template("value.html", value=42)

    @app.get("/named")
    @templated("value.html")
    def named():
        return {"value": 42}

    @app.get("/value")
    @templated()
    def value():
        return {"value": 42}

    @app.get("/templated/<kind>")
    @templated("value.html")
    def kinds(kind):
        answers = {"nothing": None, "text": "as it is", "redirect": redirect(url_for("index"))}
        return answers.get(kind, ("no such kind", 404))

    pages = Blueprint("pages", __name__, url_prefix="/pages")

    @pages.get("/value")
    @templated()
    def page_value():
        return {"value": 42}

    app.register_blueprint(pages)

    app.url_map.add(Rule("/endpoint", endpoint="my_endpoint"))

    @app.endpoint("my_endpoint")
    def my_view():
        return "Hello world"

    return app
