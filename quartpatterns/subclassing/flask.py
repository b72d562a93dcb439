"""All names of the module ``flask``, for code that is ported from Flask.

.. code-block:: python

    from quartpatterns.subclassing.flask import Flask, request, send_file

``Flask`` is :class:`~quartpatterns.subclassing.FaithfulQuart`. The other names are Quart's, except
those that this package has as well. The same functions have to be awaited as in Quart.
"""

# Each name below replaces one of Quart's.
# mypy: disable-error-code="assignment, misc"

from __future__ import annotations

from quart import *  # noqa: F403  # pyright: ignore[reportWildcardImportFromLibrary]

from quartpatterns.streaming import stream_template as stream_template
from quartpatterns.streaming import stream_template_string as stream_template_string
from quartpatterns.streaming import stream_with_context as stream_with_context
from quartpatterns.subclassing.application import FaithfulBlueprint, FaithfulQuart
from quartpatterns.subclassing.context import flash as flash
from quartpatterns.subclassing.files import send_file as send_file
from quartpatterns.subclassing.files import send_from_directory as send_from_directory
from quartpatterns.subclassing.request import FaithfulRequest
from quartpatterns.subclassing.response import FaithfulResponse

Blueprint = FaithfulBlueprint
Flask = FaithfulQuart
Request = FaithfulRequest
Response = FaithfulResponse
