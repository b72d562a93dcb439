"""The original's application, with the templates and static files of the port's."""

from pathlib import Path

from flask import Flask

SHARED = Path(__file__).parents[1] / "yourapplication"

app = Flask(__name__, static_folder=SHARED / "static", template_folder=SHARED / "templates")

from quartpatterns.packages.example.yourapplication_flask import views as views  # noqa: E402
from quartpatterns.packages.example.yourapplication_flask.blueprints.news import news  # noqa: E402
from quartpatterns.packages.example.yourapplication_flask.blueprints.users import users  # noqa: E402

app.register_blueprint(news)
app.register_blueprint(users)
