"""A bulletin board: an application factory with blueprints and a database."""

import os

from flask import Flask, render_template


def create_app(test_config=None):
    app = Flask(__name__, instance_relative_config=True)
    app.config.from_mapping(
        SECRET_KEY="dev",
        DATABASE=os.path.join(app.instance_path, "bulletin.sqlite"),
        PAGE_SIZE=2,
    )
    if test_config is None:
        app.config.from_pyfile("config.py", silent=True)
    else:
        app.config.update(test_config)
    os.makedirs(app.instance_path, exist_ok=True)

    @app.route("/health")
    def health():
        return "ok"

    from . import auth, board, db, texts

    db.init_app(app)
    texts.init_app(app)
    app.register_blueprint(auth.bp)
    app.register_blueprint(board.bp)
    app.add_url_rule("/", endpoint="index")
    app.register_error_handler(404, not_found)
    app.register_error_handler(410, lambda error: ("That notice is gone.", 410))
    return app


def not_found(error):
    return render_template("404.html", reason=error.description), 404
