"""The original: view decorators with Flask, as their page writes them.

The page leaves the login to the reader. The login here follows ``next`` on its own site only, and
takes no form of another site.
"""

from collections import Counter
from functools import wraps
from urllib.parse import quote

from cachelib import SimpleCache
from flask import Blueprint, Flask, abort, g, redirect, render_template, request, session, url_for
from markupsafe import escape
from werkzeug.routing import Rule

USERS = {"ada": {"id": "ada", "password": "engine"}, "bob": {"id": "bob", "password": "builder"}}


def login_required(f):
    @wraps(f)
    def decorated_function(*args, **kwargs):
        if g.user is None:
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


def own_path(target):
    """Return the path of a URL of this site, or None. Browsers read a backslash as a slash."""
    if target.startswith(request.host_url):
        target = target[len(request.host_url) - 1 :]
    path = target.replace("\\", "/")
    if not path.startswith("/") or path.startswith("//"):
        return None
    if any(character <= " " or character == "\x7f" for character in path):
        return None
    return quote(target, safe="!#$%&'()*+,-./:;=?@_~", errors="replace")


def is_from_another_site():
    """Return whether the browser names another site as the sender of a form."""
    site = request.headers.get("Sec-Fetch-Site")
    if site:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return bool(origin) and origin.partition("://")[2] != request.host


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

    @app.route("/")
    def index():
        return render_template("index.html", user=g.user)

    @app.route("/login", methods=["GET", "POST"])
    def login():
        if request.method != "POST":
            return render_template("login.html", next=request.args.get("next", ""))
        if is_from_another_site():
            abort(403)
        next = request.form.get("next", "")
        user = USERS.get(request.form.get("username"))
        if user is None or user["password"] != request.form.get("password"):
            return render_template("login.html", next=next, wrong=True), 401
        session["user_id"] = user["id"]
        return redirect(own_path(next) or url_for("index"))

    @app.route("/secret_page")
    @login_required
    def secret_page():
        return render_template("secret.html", user=g.user)

    @app.route("/cached/<page>")
    @cached()
    def slow(page):
        if len(calls) == 1000:
            calls.clear()
        calls[page] += 1
        name = request.args.get("name", "nobody")
        return f"{escape(page)}, made {calls[page]} times, for {escape(name)}"

    @app.route("/rendered")
    def rendered():
        return render_template("value.html", value=42)

    @app.route("/named")
    @templated("value.html")
    def named():
        return dict(value=42)

    @app.route("/value")
    @templated()
    def value():
        return dict(value=42)

    # None, and what is no dictionary: a string, a redirect and a tuple
    @app.route("/templated/<kind>")
    @templated("value.html")
    def kinds(kind):
        answers = {"nothing": None, "text": "as it is", "redirect": redirect(url_for("index"))}
        return answers.get(kind, ("no such kind", 404))

    pages = Blueprint("pages", __name__, url_prefix="/pages")

    @pages.route("/value")
    @templated()
    def page_value():
        return dict(value=42)

    app.register_blueprint(pages)

    app.url_map.add(Rule("/endpoint", endpoint="my_endpoint"))

    @app.endpoint("my_endpoint")
    def my_view():
        return "Hello world"

    return app
