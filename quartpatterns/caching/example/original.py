"""The original: caching with Flask and Flask-Caching, as the pages teach it."""

from collections import Counter

from flask import Flask, abort, redirect, render_template, request, session, url_for
from flask_caching import Cache

cache = Cache()


def check_size(number):
    """Answer 404 for a large number: Python writes no more than 4,300 digits."""
    if abs(number) > 10**6:
        abort(404)


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(SECRET_KEY="dev", CACHE_TYPE="SimpleCache")
    app.config.from_mapping(config or {})
    cache.init_app(app)
    calls = Counter()

    def calculate_value():
        calls["item"] += 1
        return {"number": calls["item"], "parts": [1, 2, 3]}

    def get_my_item():
        rv = cache.get("my-item")
        if rv is None:
            rv = calculate_value()
            cache.set("my-item", rv, timeout=5 * 60)
        return rv

    @cache.memoize(timeout=60)
    def square(number, power=2):
        calls["square"] += 1
        return {"result": number**power, "calls": calls["square"]}

    @cache.cached(timeout=60, key_prefix="headlines")
    def headlines():
        calls["headlines"] += 1
        return [f"headline {number}" for number in range(calls["headlines"], 4)]

    @app.get("/")
    def index():
        return render_template("index.html", item=get_my_item(), headlines=headlines())

    @app.get("/item")
    def item():
        return get_my_item()

    @app.post("/item/delete")
    def delete_item():
        cache.delete("my-item")
        return redirect(url_for("index"))

    @app.route("/page/<name>", methods=["GET", "POST"])
    @cache.cached(timeout=60)
    def page(name):
        calls[name] += 1
        return f"{name}, made {calls[name]} times, for {request.args.get('for', 'nobody')}"

    @app.post("/page/<name>/delete")
    def delete_page(name):
        deleted = cache.delete(f"view/{url_for('page', name=name)}")
        return {"deleted": deleted}

    @app.get("/search")
    @cache.cached(timeout=60, query_string=True)
    def search():
        calls["search"] += 1
        return f"search {calls['search']} for {request.args.get('q')}"

    @app.get("/short")
    @cache.cached(timeout=3)
    def short():
        calls["short"] += 1
        return f"made {calls['short']} times"

    @app.get("/document")
    @cache.cached(timeout=60)
    def document():
        return render_template("document.html", rows=range(200))

    @app.get("/fragment/<name>")
    def fragment(name):
        def count(key):
            calls[key] += 1
            return calls[key]

        return render_template("fragment.html", name=name, count=count)

    @app.get("/square/<int(signed=True):number>")
    def show_square(number):
        check_size(number)
        return square(number)

    @app.get("/cube/<int(signed=True):number>")
    def show_cube(number):
        check_size(number)
        return square(power=3, number=number)

    @app.post("/square/delete")
    def delete_squares():
        number = request.args.get("number", type=int)
        if number is None:
            cache.delete_memoized(square)
        else:
            cache.delete_memoized(square, number)
        return "deleted"

    @app.get("/unless")
    @cache.cached(timeout=60, unless=lambda: "fresh" in request.args)
    def unless():
        calls["unless"] += 1
        return f"made {calls['unless']} times"

    @app.get("/hit")
    @cache.cached(timeout=60, response_hit_indication=True)
    def hit():
        return "look at the headers"

    @app.get("/visits")
    @cache.cached(timeout=60)
    def visits():
        session["visits"] = session.get("visits", 0) + 1
        return f"visit {session['visits']}"

    @app.get("/cookie")
    @cache.cached(timeout=60)
    def cookie():
        calls["cookie"] += 1
        response = app.make_response(f"visitor {calls['cookie']}")
        response.set_cookie("visitor", str(calls["cookie"]))
        return response

    @app.get("/language")
    @cache.cached(timeout=60)
    def language():
        response = app.make_response(request.accept_languages.best_match(["en", "de"], "en"))
        response.vary.add("Accept-Language")
        return response

    @app.get("/gone")
    @cache.cached(timeout=60)
    def gone():
        calls["gone"] += 1
        return f"gone {calls['gone']}", 410

    @app.get("/stream")
    @cache.cached(timeout=60)
    def stream():
        calls["stream"] += 1
        number = calls["stream"]
        return (f"part {part} of {number}\n" for part in range(3))

    @app.get("/moved")
    @cache.cached(timeout=60)
    def moved():
        return redirect(url_for("index"))

    @app.get("/values")
    def values():
        stored = cache.set_many({"a": 1, "b": None, "c": ["ä", 2.5]})
        return {
            "add": [cache.add("a", 2), cache.add("d", 3)],
            "get_many": cache.get_many("a", "b", "c", "none"),
            "get_dict": cache.get_dict("a", "d"),
            "has": [cache.has("b"), cache.has("none")],
            "set_many": stored,
            "delete": [cache.delete("a"), cache.delete("a")],
            "delete_many": cache.delete_many("b", "c", "d"),
            "get": cache.get("c"),
        }

    return app
