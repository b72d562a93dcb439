"""The original: central maps of URLs, with Flask. The views of one are imported late."""

from flask import Blueprint, Flask, g
from werkzeug.utils import cached_property, import_string

from quartpatterns.lazyloading.example import original_central_views as central_views


class LazyView:
    def __init__(self, import_name):
        self.__module__, self.__name__ = import_name.rsplit(".", 1)
        self.import_name = import_name

    @cached_property
    def view(self):
        return import_string(self.import_name)

    def __call__(self, *args, **kwargs):
        return self.view(*args, **kwargs)


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(config or {})

    @app.before_request
    def remember():
        g.seen = "code that was imported at start"

    def url(import_name, url_rules=(), **options):
        view = LazyView(f"quartpatterns.lazyloading.example.{import_name}")
        for url_rule in url_rules:
            app.add_url_rule(url_rule, view_func=view, **options)

    url("original_views.index", ["/"])
    url("original_views.user", ["/user/", "/user/<username>"])
    url("original_views.shout", ["/shout"], methods=["GET", "POST"])
    url("original_views.nobody", ["/broken"])
    app.register_blueprint(central_map())
    return app


def central_map():
    central = Blueprint("central", __name__, url_prefix="/central")
    central.add_url_rule("/", view_func=central_views.index)
    central.add_url_rule("/user/<username>", view_func=central_views.user)
    return central
