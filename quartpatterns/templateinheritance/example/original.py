"""The original: template inheritance with Flask."""

from flask import Flask, abort, get_template_attribute, render_template, request

NEWS = [f"Item {number}" for number in range(1, 13)]
PER_PAGE = 4


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(config or {})

    def news_page():
        page = request.args.get("page", 1, type=int)
        start = (page - 1) * PER_PAGE
        if not 0 <= start < len(NEWS):
            abort(404, "There is no such page.")
        items = NEWS[start : start + PER_PAGE]
        return {"items": items, "page": page, "more": start + PER_PAGE < len(NEWS)}

    def render_block(template_name, block_name, **context):
        app.update_template_context(context)
        template = app.jinja_env.get_template(template_name)
        return "".join(template.blocks[block_name](template.new_context(context)))

    @app.get("/")
    def index():
        return render_template("index.html")

    @app.get("/news")
    def news():
        return render_template("news.html", **news_page())

    @app.get("/news/items")
    def news_items():
        return render_block("news.html", "items", **news_page())

    @app.get("/title")
    def title():
        return render_block("news.html", "title")

    @app.get("/hello")
    def hello():
        greet = get_template_attribute("_cider.html", "hello")
        return greet(request.args.get("name", "World"))

    return app
