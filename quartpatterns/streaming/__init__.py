"""Streamed responses, with request, session and ``g`` in the generator.

Wrap the generator, or decorate the function, and return the result from the view:

.. code-block:: python

    from quartpatterns.streaming import coalesce, stream_template, stream_with_context

    @app.get("/timeline")
    async def timeline():
        return await stream_template("timeline.html", events=events())
"""

from quartpatterns.streaming.chunks import coalesce
from quartpatterns.streaming.context import stream_with_context
from quartpatterns.streaming.template import stream_template, stream_template_string

__all__ = ["coalesce", "stream_template", "stream_template_string", "stream_with_context"]
