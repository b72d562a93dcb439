from flask import current_app
from werkzeug.local import LocalProxy

services = LocalProxy(lambda: current_app.extensions["services"])
