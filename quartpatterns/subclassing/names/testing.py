"""The names of ``flask.testing``. The calls of the client have to be awaited."""

from quartpatterns.subclassing.cli import FaithfulCliRunner as FlaskCliRunner
from quartpatterns.subclassing.testing import FaithfulClient as FlaskClient

__all__ = ["FlaskClient", "FlaskCliRunner"]
