"""What happens to the public names of Flask-Login."""

from __future__ import annotations

from quartpatterns.compare.extension_names import Extension, ExtensionName, State

__all__ = ["EXTENSION"]


def names(text: str, state: State = "supported", remark: str = "") -> tuple[ExtensionName, ...]:
    """Return the names in *text*, which share a state and a remark."""
    return tuple(ExtensionName(name, state, remark) for name in text.split())


JSON_CLIENTS = (
    "Write `await login_manager.unauthorized()`. A client that prefers JSON gets 401 as JSON,"
    " unless there is an `unauthorized_handler` or a `needs_refresh_handler`"
)

EXTENSION = Extension(
    "Flask-Login 0.6.3",
    (
        *names(
            "COOKIE_DURATION COOKIE_HTTPONLY COOKIE_NAME COOKIE_SECURE FlaskLoginClient"
            " ID_ATTRIBUTE LOGIN_MESSAGE LOGIN_MESSAGE_CATEGORY LoginManager REFRESH_MESSAGE"
            " REFRESH_MESSAGE_CATEGORY UserMixin confirm_login decode_cookie encode_cookie"
            " login_remembered login_url login_user make_next_param set_login_view"
        ),
        *names(
            "session_protected user_accessed user_loaded_from_cookie user_loaded_from_request"
            " user_logged_in user_logged_out user_login_confirmed user_needs_refresh"
            " user_unauthorized"
        ),
        *names(
            "LoginManager.anonymous_user LoginManager.blueprint_login_views"
            " LoginManager.id_attribute LoginManager.init_app LoginManager.localize_callback"
            " LoginManager.login_message LoginManager.login_message_category"
            " LoginManager.login_view LoginManager.needs_refresh_callback"
            " LoginManager.needs_refresh_handler LoginManager.needs_refresh_message"
            " LoginManager.needs_refresh_message_category LoginManager.refresh_view"
            " LoginManager.request_callback LoginManager.request_loader"
            " LoginManager.unauthorized_callback LoginManager.unauthorized_handler"
            " LoginManager.user_callback LoginManager.user_loader"
        ),
        *names("UserMixin.get_id UserMixin.is_active UserMixin.is_anonymous"),
        *names("UserMixin.is_authenticated AnonymousUserMixin.get_id AnonymousUserMixin.is_active"),
        *names("AnonymousUserMixin.is_anonymous AnonymousUserMixin.is_authenticated"),
        *names(
            "LOGIN_DISABLED SESSION_PROTECTION USE_SESSION_FOR_NEXT FORCE_HOST_FOR_REDIRECTS"
            " REMEMBER_COOKIE_NAME REMEMBER_COOKIE_DURATION REMEMBER_COOKIE_DOMAIN"
            " REMEMBER_COOKIE_PATH REMEMBER_COOKIE_SECURE REMEMBER_COOKIE_HTTPONLY"
            " REMEMBER_COOKIE_SAMESITE"
        ),
        *names("LoginManager.unauthorized LoginManager.needs_refresh", "awaited", JSON_CLIENTS),
        *names(
            "login_required fresh_login_required",
            "changed",
            "A client that prefers JSON gets 401 as JSON. The application does not start if a view"
            " is registered without the decorator that protects it: write the route above the"
            " decorator, or `app.view_functions[name] = login_required(app.view_functions[name])`",
        ),
        *names(
            "current_user",
            "changed",
            "The user of an asynchronous view is loaded before the view, because `current_user` is"
            " not awaited. Outside of a request it is the anonymous user, and not `None`",
        ),
        *names(
            "login_fresh",
            "changed",
            "It applies `SESSION_PROTECTION` also if `current_user` was not used, and"
            " `LOGIN_FRESH_LIFETIME`",
        ),
        *names(
            "logout_user",
            "changed",
            "Without receivers of `user_logged_out`, the user is not loaded",
        ),
        *names("AnonymousUserMixin", "changed", "It is false in a condition"),
        *names(
            "LoginManager.session_protection",
            "changed",
            "Other values than `basic`, `strong` and `None` are an error. A session without a user"
            " is left alone, and with `strong` a remembered user stays logged in",
        ),
        *names(
            "REMEMBER_COOKIE_REFRESH_EACH_REQUEST",
            "changed",
            "It renews the remember cookie, and gives none to users who did not ask for one",
        ),
        *names(
            "AUTH_HEADER_NAME LoginManager.header_loader user_loaded_from_header",
            "refused",
            "Flask-Login has deprecated it: write a `request_loader`, which reads"
            " `request.headers`, and connect to `user_loaded_from_request`",
        ),
        *names("LoginManager.setup_app", "refused", "Call `init_app`"),
        *names("__version__", "refused", 'Write `importlib.metadata.version("quartpatterns")`'),
        *names("LoginManager._login_disabled", "refused", 'Set `app.config["LOGIN_DISABLED"]`'),
        *names("LoginManager._session_identifier_generator", "refused", "Set `session_identifier`"),
        *names("LoginManager._load_user", "refused", "Write `await login_manager.load_user()`"),
    ),
)
