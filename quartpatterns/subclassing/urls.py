"""Building URLs, and rules that match no request or more requests than intended."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportPrivateUsage=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import warnings
from typing import Any
from urllib.parse import quote

import werkzeug.utils
from quart import Quart, current_app, has_app_context, has_websocket_context
from quart.globals import _cv_request, app_ctx, websocket_ctx
from quart.wrappers.base import BaseRequestWebsocket
from werkzeug.routing import BuildError, MapAdapter
from werkzeug.wrappers import Response as WerkzeugResponse

__all__ = ["RuleWarning", "URLs", "redirect"]


class RuleWarning(UserWarning):
    """A URL rule that the application can't match as it is written.

    It is no error, because Flask accepts such a rule, and ``url_for`` can build URLs from it.

    .. versionadded:: 0.1
    """


def redirect(
    location: str,
    code: int = 302,
    Response: type[WerkzeugResponse] | None = None,  # noqa: N803
) -> WerkzeugResponse:
    """Return a redirect to *location*, as :func:`flask.redirect` does.

    .. versionadded:: 0.1

    Arguments:
        location: The URL.
        code: The status.
        Response: The class of the response, if there is no current application.
    """
    if has_app_context():
        return current_app.redirect(location, code)
    return werkzeug.utils.redirect(location, code, Response)


class URLs(Quart):
    """``url_for`` works as in Flask, and rules for other hosts are checked.

    * Outside of a request, URLs have the scheme ``PREFERRED_URL_SCHEME`` and begin with
      ``APPLICATION_ROOT``. Quart ignores both settings.
    * ``url_build_error_handlers`` receive ``_anchor``, ``_external``, ``_method`` and ``_scheme``.
    * A rule with a subdomain or a host that can't match is a :class:`RuleWarning`.
    """

    def create_url_adapter(self, request: BaseRequestWebsocket | None) -> MapAdapter | None:
        """Bind the URL map to *request*, or to the settings if there is no request."""
        if request is not None:
            return super().create_url_adapter(request)
        config = self.config
        if config["SERVER_NAME"] is None:
            return None
        secure = config["PREFER_SECURE_URLS"]
        return self.url_map.bind(
            config["SERVER_NAME"],
            script_name=config["APPLICATION_ROOT"],
            url_scheme="https" if secure else config["PREFERRED_URL_SCHEME"],
        )

    def url_for(
        self,
        /,  # A rule can have a variable of the name "self".
        endpoint: str,
        *,
        _anchor: str | None = None,
        _method: str | None = None,
        _scheme: str | None = None,
        _external: bool | None = None,
        **values: Any,
    ) -> str:
        """Return the URL of *endpoint*, as :meth:`flask.Flask.url_for` does.

        Arguments:
            endpoint: The endpoint; with a leading ``.`` one of the current blueprint.
            _anchor: The fragment.
            _method: The method whose rule is used.
            _scheme: The scheme of an external URL.
            _external: Whether the URL has a scheme and a host; by default outside of requests.
            values: The variables of the rule. Others are added to the query.

        Raises:
            RuntimeError: There is no request, and ``SERVER_NAME`` is not set.
            ValueError: There is a scheme, and the URL is not external.
        """
        # A page has several links, and each access to a proxy takes as long as a look-up here.
        context: Any = _cv_request.get(None)
        if context is None and has_websocket_context():
            context = websocket_ctx
        if context is not None:
            adapter = context.url_adapter
            if endpoint.startswith("."):
                blueprint = context.request_websocket.blueprint
                endpoint = endpoint[1:] if blueprint is None else f"{blueprint}{endpoint}"
            if _external is None:
                _external = _scheme is not None
        else:
            adapter = app_ctx.url_adapter if has_app_context() else self.create_url_adapter(None)
            if _external is None:
                _external = True
        if adapter is None:
            raise RuntimeError(
                "Unable to build URLs outside an active request without 'SERVER_NAME' configured."
                " Also configure 'APPLICATION_ROOT' and 'PREFERRED_URL_SCHEME' as needed."
            )
        if _scheme is not None and not _external:
            raise ValueError("When specifying '_scheme', '_external' must be True.")
        self.inject_url_defaults(endpoint, values)
        try:
            url: str = adapter.build(
                endpoint, values, method=_method, url_scheme=_scheme, force_external=_external
            )
        except BuildError as error:
            values.update(_anchor=_anchor, _method=_method, _scheme=_scheme, _external=_external)
            handled: str = self.handle_url_build_error(error, endpoint, values)
            return handled
        if _anchor is not None:
            url = f"{url}#{quote(_anchor, safe='%!#$&()*+,/:;=?@' + chr(39))}"
        return url

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Any = None,
        provide_automatic_options: bool | None = None,
        **options: Any,
    ) -> None:
        """Add a rule.

        Warns:
            RuleWarning: The rule has a subdomain or a host that is not matched.
        """
        super().add_url_rule(rule, endpoint, view_func, provide_automatic_options, **options)
        if not options.get("build_only") and (problem := self._host_problem(options)):
            # Level 3 is the view, if its decorator called this method.
            warnings.warn(f"the rule {rule!r} {problem}", RuleWarning, stacklevel=3)

    def _host_problem(self, options: dict[str, Any]) -> str | None:
        """Return what is wrong with the subdomain or the host of a rule."""
        subdomain, host = options.get("subdomain"), options.get("host")
        if self.url_map.host_matching:
            if host:
                return None
            reason = f"subdomain={subdomain!r} is ignored" if subdomain else "it has no host"
            return f"matches no request, because of host_matching=True {reason}: pass host="
        if subdomain and not self.subdomain_matching:
            if subdomain == self.url_map.default_subdomain:
                return None
            return (
                f"with subdomain={subdomain!r} matches no request: create the application with"
                " subdomain_matching=True and set SERVER_NAME"
            )
        if host:
            return (
                f"matches requests for every host, not only for host={host!r}: create the"
                " application with host_matching=True"
            )
        return None
