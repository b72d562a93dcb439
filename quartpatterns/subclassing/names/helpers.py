"""The names of ``flask.helpers``."""

# "as" makes a name public for type checkers. Ruff would write a statement for each.
# ruff: noqa: I001

from __future__ import annotations

from quart import current_app, has_app_context
from quart.helpers import (
    abort as abort,
    get_debug_flag as get_debug_flag,
    get_flashed_messages as get_flashed_messages,
    get_load_dotenv as get_load_dotenv,
    get_root_path as get_root_path,
    get_template_attribute as get_template_attribute,
    make_response as make_response,
    url_for as url_for,
)
from werkzeug.utils import redirect as _redirect
from werkzeug.wrappers import Response as WerkzeugResponse

from quartpatterns.streaming import stream_with_context as stream_with_context
from quartpatterns.subclassing.context import flash as flash
from quartpatterns.subclassing.files import (
    send_file as send_file,
    send_from_directory as send_from_directory,
)


def redirect(
    location: str,
    code: int = 302,
    Response: type[WerkzeugResponse] | None = None,  # noqa: N803
) -> WerkzeugResponse:
    """Return a redirect, as :func:`flask.redirect` does.

    Arguments:
        location: The URL to redirect to.
        code: The status.
        Response: The class of the response where no application is current.
    """
    if has_app_context():
        return current_app.redirect(location, code)
    return _redirect(location, code, Response)
