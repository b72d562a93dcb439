"""The application that the processes of ``quartpatterns serve`` load.

``python -m quartpatterns.cli.served_application`` only loads it, to check it.

A signal can arrive while they load it, so what to do then is decided before the longer imports.
"""

from __future__ import annotations

import inspect
import multiprocessing
import os
import signal
import sys
from typing import Any

__all__ = ["application"]

APP = "QUARTPATTERNS_APP"  # the environment variable with the name of the application
PROXIES = "QUARTPATTERNS_PROXIES"  # the environment variable with the number of proxies
PREFIX = "QUARTPATTERNS_PREFIX"  # the environment variable with the prefix of all paths
RUN_FROM = "QUARTPATTERNS_RUN_FROM"  # and with the clients that may start comparisons
METRICS_FROM = "QUARTPATTERNS_METRICS_FROM"  # and read the metrics
SECURE_COOKIES = "QUARTPATTERNS_SECURE_COOKIES"
SERVER = "QUARTPATTERNS_SERVER"  # the environment variable with the name of the server

if multiprocessing.parent_process() is not None and APP in os.environ:
    # When one worker exits, Hypercorn sends SIGTERM to the others, which are already shutting down
    # and finish their requests. A worker of Granian has the handler of its parent until it has
    # loaded the application, which does nothing there: it would be killed after the grace period.
    signal.signal(
        signal.SIGTERM, signal.SIG_DFL if os.environ.get(SERVER) == "granian" else signal.SIG_IGN
    )


def application() -> Any:
    """Return the application. The processes of the server load it by the name of this function."""
    import click

    from quartpatterns.cli.errors import report_user_errors
    from quartpatterns.compare.applications import load_application
    from quartpatterns.subclassing import ProxyFix

    try:
        with report_user_errors("serve"):
            app: Any = load_application(os.environ[APP])
            _check_asgi(os.environ[APP], app)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    proxies = int(os.environ.get(PROXIES) or 0)
    prefix, secure_cookies = os.environ.get(PREFIX, ""), bool(os.environ.get(SECURE_COOKIES))
    if not (proxies or prefix or secure_cookies):
        return app
    return ProxyFix(
        app, x_for=proxies, x_proto=proxies, prefix=prefix, secure_cookies=secure_cookies
    )


def _check_asgi(name: str, app: Any) -> None:
    """Raise :exc:`UsageProblem` if *app* cannot be called as an ASGI application is."""
    from quartpatterns.cli.errors import UsageProblem

    try:
        inspect.signature(app).bind("scope", "receive", "send")
    except TypeError as error:
        wsgi = hasattr(app, "wsgi_app")
        kind = "a WSGI application" if wsgi else f"no ASGI application ({type(app).__name__})"
        raise UsageProblem(
            f"{name} is {kind}: this command serves ASGI applications, such as those of Quart"
        ) from error
    except ValueError:  # it has no signature, as some callables in C
        pass


if __name__ == "__main__":  # what is wrong is said before anything is started
    application()
    os._exit(0)  # threads that it has started must not keep this process
