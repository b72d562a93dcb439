"""The names of ``flask.templating``. The functions have to be awaited."""

from quart.templating import (
    DispatchingJinjaLoader,
    Environment,
    render_template,
    render_template_string,
)

from quartpatterns.streaming import stream_template, stream_template_string

__all__ = [
    "DispatchingJinjaLoader",
    "Environment",
    "render_template",
    "render_template_string",
    "stream_template",
    "stream_template_string",
]
