"""The names of ``flask.helpers``."""

# "as" makes a name public for type checkers. Ruff would write a statement for each.
# ruff: noqa: I001

from __future__ import annotations

from quart.helpers import (
    abort as abort,
    get_debug_flag as get_debug_flag,
    get_load_dotenv as get_load_dotenv,
    get_root_path as get_root_path,
    make_response as make_response,
    url_for as url_for,
)

from quartpatterns._shared.flash import (
    flash as flash,
    get_flashed_messages as get_flashed_messages,
)
from quartpatterns.streaming import stream_with_context as stream_with_context
from quartpatterns.subclassing.files import (
    send_file as send_file,
    send_from_directory as send_from_directory,
)
from quartpatterns.subclassing.templates import get_template_attribute as get_template_attribute
from quartpatterns.subclassing.urls import redirect as redirect
