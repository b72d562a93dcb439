"""The WSGI file of Flask's page: it names the configuration before it imports the application."""

import os

os.environ["YOURAPPLICATION_CONFIG"] = "/var/www/yourapplication/application.cfg"

from yourapplication import app as application
