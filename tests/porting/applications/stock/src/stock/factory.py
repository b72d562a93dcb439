from __future__ import annotations

from flask import Flask, Response
from flask.json.provider import DefaultJSONProvider

from . import resources
from .access import check_access
from .errors import Problem
from .services import Services
from .util.lazy import services


class StockJSON(DefaultJSONProvider):
    sort_keys = False

    @staticmethod
    def default(value):
        if hasattr(value, "as_json"):
            return value.as_json()
        return DefaultJSONProvider.default(value)


class StockResponse(Response):
    default_mimetype = "text/plain"

    def signed(self) -> StockResponse:
        self.headers["X-Length"] = str(len(self.get_data()))
        return self


class Stock(Flask):
    json_provider_class = StockJSON
    response_class = StockResponse

    def make_response(self, rv) -> StockResponse:
        if isinstance(rv, Problem):
            rv = rv.as_answer()
        return super().make_response(rv)


def sign(response: StockResponse) -> StockResponse:
    return response.signed() if response.is_json else response


def create_app(**settings) -> Flask:
    app = Stock(__name__)
    app.config.from_mapping(settings)
    app.extensions["services"] = Services(app)
    app.before_request(check_access)
    app.register_error_handler(Problem, lambda problem: problem)
    for handler in (resources.parts_bp, resources.orders_bp):
        app.register_blueprint(handler, url_prefix=f"/{handler.name}")
    app.after_request(sign)
    app.shell_context_processor(lambda: {"services": services})
    return app
