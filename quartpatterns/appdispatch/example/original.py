"""All examples of the page in one application: mounted, by subdomain, and by path."""

import re
from threading import Lock
from urllib.parse import urlsplit
from wsgiref.util import shift_path_info

from flask import Flask, abort, redirect, render_template, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware

DEFAULTS = {"DOMAIN": "localhost", "MAX_USERS": 100}


class SubdomainDispatcher:
    def __init__(self, domain, create_app, max_instances):
        self.domain = domain
        self.max_instances = max_instances
        self.create_app = create_app
        self.lock = Lock()
        self.instances = {}

    def get_application(self, host):
        host = host.split(":")[0]
        assert host.endswith(self.domain), "Configuration error"
        subdomain = host[: -len(self.domain)].rstrip(".")
        with self.lock:
            app = self.instances.get(subdomain)
            if app is None:
                app = self.create_app(subdomain)
                # Not on the page: anyone can invent subdomains, so there is a limit.
                if len(self.instances) >= self.max_instances:
                    del self.instances[next(iter(self.instances))]
                self.instances[subdomain] = app
            return app

    def __call__(self, environ, start_response):
        app = self.get_application(environ["HTTP_HOST"])
        return app(environ, start_response)


class PathDispatcher:
    def __init__(self, default_app, create_app):
        self.default_app = default_app
        self.create_app = create_app
        self.lock = Lock()
        self.instances = {}

    def get_application(self, prefix):
        with self.lock:
            app = self.instances.get(prefix)
            if app is None:
                app = self.create_app(prefix)
                if app is not None:
                    self.instances[prefix] = app
            return app

    def __call__(self, environ, start_response):
        app = self.get_application(_peek_path_info(environ))
        if app is not None:
            shift_path_info(environ)
        else:
            app = self.default_app
        return app(environ, start_response)


def _peek_path_info(environ):
    segments = environ.get("PATH_INFO", "").lstrip("/").split("/", 1)
    if segments:
        return segments[0]

    return None


def create_app(config=None):
    users = {"alice", "bob"}
    application = create_frontend(users, config or {})

    def make_app(name):
        return create_user_app(name) if name in users else None

    def make_subdomain_app(subdomain):
        return make_app(subdomain) or NotFound()

    application.wsgi_app = DispatcherMiddleware(
        application.wsgi_app,
        {
            "/hello": create_hello(),
            "/backend": create_backend(),
            "/subdomain": SubdomainDispatcher(
                application.config["DOMAIN"], make_subdomain_app, application.config["MAX_USERS"]
            ),
            "/path": PathDispatcher(create_default(), make_app),
        },
    )
    return application


def create_frontend(users, config):
    app = Flask(__name__)
    app.config.from_mapping(DEFAULTS)
    app.config.from_mapping(config)

    @app.get("/")
    def index():
        port = urlsplit(f"//{request.host}").port
        domain = app.config["DOMAIN"] + (f":{port}" if port else "")
        return render_template("index.html", users=sorted(users), domain=domain)

    @app.post("/users")
    def add_user():
        name = request.form.get("name", "")
        if not re.fullmatch("[a-z0-9-]{1,30}", name):
            abort(400, "A name has 1 to 30 of the characters a to z, 0 to 9 and the hyphen.")
        if len(users) >= app.config["MAX_USERS"]:
            abort(400, "The number of users has reached MAX_USERS.")
        users.add(name)
        return redirect(url_for("index"), 303)

    @app.get("/x/")
    def x():
        return where("frontend")

    return app


def create_hello():
    app = Flask(__name__)

    @app.get("/")
    def hello_world():
        return "Hello World!"

    return app


def create_backend():
    app = Flask(__name__)

    @app.get("/")
    @app.get("/x/")
    def x():
        return where("backend")

    return app


def create_default():
    app = Flask(__name__)

    @app.get("/", defaults={"rest": ""})
    @app.get("/<path:rest>")
    def x(rest):
        return where("default")

    return app


def create_user_app(user):
    app = Flask(__name__)

    @app.get("/")
    @app.get("/x/y")
    @app.get("/x")
    def x():
        return where(user)

    return app


def where(application):
    return {
        "application": application,
        "script_root": request.script_root,
        "path": request.path,
        "link": url_for("x"),
    }
