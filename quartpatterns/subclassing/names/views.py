"""The names of ``flask.views``. Methods of views can be asynchronous."""

from quart.views import MethodView, View, http_method_funcs

__all__ = ["MethodView", "View", "http_method_funcs"]
