"""The original: deferred request callbacks with Flask, in the page's older and newer form."""

from collections import deque

from flask import Flask, after_this_request, g, jsonify, make_response, render_template, request

LANGUAGES = ["en", "de", "fr"]


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(config or {})
    orders = deque(maxlen=100)

    def deferred(f):
        if not hasattr(g, "after_request_callbacks"):
            g.after_request_callbacks = []
        g.after_request_callbacks.append(f)
        return f

    @app.after_request
    def call_after_request_callbacks(response):
        for callback in getattr(g, "after_request_callbacks", ()):
            callback(response)
        return response

    @app.before_request
    def detect_user_language():
        language = request.cookies.get("user_lang")

        if language not in LANGUAGES:
            language = request.accept_languages.best_match(LANGUAGES, "en")

            @after_this_request
            def remember_language(response):
                response.set_cookie("user_lang", language)
                return response

        g.language = language

    @app.get("/")
    def index():
        return render_template("index.html")

    @app.get("/language")
    def language():
        return jsonify(language=g.language)

    @app.get("/first-form")
    def first_form():
        @deferred
        def say_nothing(response):
            response.headers["X-Deferred"] = "first form"

        return "deferred"

    @app.get("/order-of-callbacks")
    def order_of_callbacks():
        for name in ("one", "two", "three"):

            @after_this_request
            def add(response, name=name):
                response.headers.add("X-Called", name)
                return response

        return "called"

    @app.get("/replaced")
    def replaced():
        @after_this_request
        def replace(response):
            return make_response("another answer", 202)

        return "never seen"

    @app.post("/orders")
    def order():
        name = request.form["name"]
        response = make_response("accepted", 202)
        response.call_on_close(lambda: orders.append(name))
        return response

    @app.get("/orders")
    def list_orders():
        return jsonify(list(orders))

    return app
