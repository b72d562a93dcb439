"""The settings of :mod:`quartpatterns.viewdecorators`."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from quartpatterns._shared.declarations import Declarations, Seconds, Setting

__all__ = ["SETTINGS"]

_COOKIE = "as in Flask-Login, for the cookie of `login_user(user, remember=True)`"

SETTINGS = Declarations(
    {
        "LOGIN_DISABLED": Setting(
            bool, False, "`True`: the decorators let everybody in, for tests"
        ),
        "LOGIN_FRESH_LIFETIME": Setting(
            Seconds | None,
            None,
            "how long a login is fresh. `None`: for the whole session. A login on a Flask part is"
            " not fresh if it is set",
        ),
        "LOGIN_LAZY_LOADING": Setting(
            bool, False, "`True`: the user is not loaded before an asynchronous view"
        ),
        # LoginManager.session_protection takes its place in an application that does not set it.
        "SESSION_PROTECTION": Setting(
            Literal["basic", "strong"] | None,
            "basic",
            "what happens if a session comes from another IP address or browser than the login."
            ' `"basic"`: the login is not fresh. `"strong"`: the user is not logged in. `None`: no'
            " check. As in Flask-Login, the address is the first one in `X-Forwarded-For`, if a"
            " client or proxy sends it; set `login_manager.session_identifier` to use another one",
        ),
        "USE_SESSION_FOR_NEXT": Setting(
            bool,
            False,
            '`True`: the URL to return to is in `session["next"]`, and not in the query',
        ),
        "FORCE_HOST_FOR_REDIRECTS": Setting(
            str | None, None, "the host in the URL of the login page"
        ),
        "REMEMBER_COOKIE_NAME": Setting(str, "remember_token", _COOKIE),
        "REMEMBER_COOKIE_DURATION": Setting(int | timedelta, timedelta(days=365), _COOKIE),
        "REMEMBER_COOKIE_DOMAIN": Setting(str | None, None, _COOKIE),
        "REMEMBER_COOKIE_PATH": Setting(str | None, "/", _COOKIE),
        "REMEMBER_COOKIE_SECURE": Setting(bool, False, _COOKIE),
        "REMEMBER_COOKIE_HTTPONLY": Setting(bool, True, _COOKIE),
        "REMEMBER_COOKIE_SAMESITE": Setting(str | None, None, _COOKIE),
        "REMEMBER_COOKIE_REFRESH_EACH_REQUEST": Setting(
            bool, False, "`True`: each response renews that cookie"
        ),
    },
    prefixes=("REMEMBER_COOKIE_",),
    instead={"AUTH_HEADER_NAME": "register a request_loader, which reads request.headers"},
)
