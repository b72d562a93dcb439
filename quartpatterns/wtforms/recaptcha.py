"""reCAPTCHA: a field, its widget, and a validator that asks the verification service."""

# WTForms' annotations leave out type arguments.
# pyright: reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from markupsafe import Markup, escape
from quart import current_app, has_app_context, request
from wtforms.fields import Field
from wtforms.form import BaseForm
from wtforms.validators import ValidationError
from wtforms.widgets import html_params

from quartpatterns._shared.extras import missing_extra, requires_extra
from quartpatterns._shared.settings import SettingsReader, refuse_unknown
from quartpatterns._shared.settings_of.wtforms import INSTEAD, RECAPTCHA
from quartpatterns._shared.threads import run_sync
from quartpatterns._shared.unavailable import ServiceUnavailableError, redact
from quartpatterns.wtforms.files import is_validated_here
from quartpatterns.wtforms.pending import Pending
from quartpatterns.wtforms.validation import AsyncForm

if TYPE_CHECKING:
    import ssl

    import httpx

__all__ = [
    "RECAPTCHA_DEFAULTS",
    "RECAPTCHA_DIV_CLASS_DEFAULT",
    "RECAPTCHA_ERROR_CODES",
    "RECAPTCHA_SCRIPT_DEFAULT",
    "RECAPTCHA_VERIFY_SERVER_DEFAULT",
    "Recaptcha",
    "RecaptchaField",
    "RecaptchaUnavailableError",
    "RecaptchaWidget",
]

logger = logging.getLogger(__name__)

RECAPTCHA_DEFAULTS: dict[str, Any] = {key: one.default for key, one in RECAPTCHA.items()}
"""The settings and their default values. ``None`` and empty values stand for Google's service."""

RECAPTCHA_SCRIPT_DEFAULT = "https://www.google.com/recaptcha/api.js"
RECAPTCHA_VERIFY_SERVER_DEFAULT = "https://www.google.com/recaptcha/api/siteverify"
RECAPTCHA_DIV_CLASS_DEFAULT = "g-recaptcha"

RECAPTCHA_ERROR_CODES = {
    "missing-input-secret": "The secret parameter is missing.",
    "invalid-input-secret": "The secret parameter is invalid or malformed.",
    "missing-input-response": "The response parameter is missing.",
    "invalid-input-response": "The response parameter is invalid or malformed.",
}
"""The messages for the error codes of the service."""

MAX_ANSWER = 64 * 1024  # bytes; a verdict has about 200

EXTENSION = "quartpatterns.wtforms.recaptcha"


class RecaptchaUnavailableError(ServiceUnavailableError):
    """503: the verification service can't be reached, or does not respond in time.

    .. versionadded:: 0.1
    """

    description = "The reCAPTCHA of the form can't be verified at the moment. Try again later."


def _settings() -> SettingsReader:
    return SettingsReader(cast("dict[str, Any]", current_app.config), RECAPTCHA_DEFAULTS)


def _text(key: str, default: str) -> str:
    reader = _settings()
    return reader.text(key) if reader.value(key) else default


def _mapping(key: str) -> dict[str, Any]:
    reader = _settings()
    return reader.mapping(key) if reader.value(key) else {}


def _key(name: str) -> str:
    if not _settings().value(name):
        raise RuntimeError(
            f"{name} must be set: the reCAPTCHA service gives each site a public and a private key."
        )
    return _settings().text(name, secret=True)


def _check_application() -> None:
    """Check the names of the settings and the installation, once for each application."""
    if has_app_context() and EXTENSION not in current_app.extensions:
        refuse_unknown(current_app.config, "RECAPTCHA_", RECAPTCHA_DEFAULTS, INSTEAD)
        asks = _settings().boolean("RECAPTCHA_ENABLED") and not current_app.testing
        # Better when the form is shown than when the first user submits it.
        if asks and importlib.util.find_spec("httpx") is None:
            raise missing_extra("recaptcha", "httpx", needed_by="RecaptchaField")
        current_app.extensions[EXTENSION] = True


class Recaptcha:
    """A validator that asks the verification service whether a person has sent the form.

    It sends the value of the field ``g-recaptcha-response``, or of the key with this name in a JSON
    object. It does nothing if the application is testing or ``RECAPTCHA_ENABLED`` is false.

    Arguments:
        message: The error message if the response is missing or not valid.

    Raises:
        RecaptchaUnavailableError: The service can't be reached within ``RECAPTCHA_TIMEOUT``
            seconds. It is a 503 unless the application handles it.
        RuntimeError: ``RECAPTCHA_PRIVATE_KEY`` is not set.
        TypeError: The form does not await its validators.

    .. versionadded:: 0.1
    """

    def __init__(self, message: str | None = None) -> None:
        self.message = message or RECAPTCHA_ERROR_CODES["missing-input-response"]

    def __call__(self, form: BaseForm, field: Any) -> Pending[None]:
        """Validate *field*. It must be awaited, which forms of this package do."""
        pending = Pending(self._validate(field), "Recaptcha()(form, field)")
        if not isinstance(form, AsyncForm) and not is_validated_here(field):
            pending.close()
            raise TypeError(
                f"{type(form).__name__} would never await its Recaptcha: make it a FlaskForm of"
                " quartpatterns.wtforms."
            )
        return pending

    async def _validate(self, field: Any) -> None:
        if current_app.testing or not _settings().boolean("RECAPTCHA_ENABLED"):
            return
        response = await _submitted_response()
        if not response:
            raise ValidationError(field.gettext(self.message))
        verdict = await _ask_service(response, request.remote_addr)
        if verdict.get("success") is True:
            return
        codes: Any = verdict.get("error-codes")
        for code in cast("list[object]", codes if type(codes) is list else []):
            if message := RECAPTCHA_ERROR_CODES.get(str(code)):
                raise ValidationError(message)
        field.recaptcha_error = "incorrect-captcha-sol"
        raise ValidationError(field.gettext(self.message))


async def _submitted_response() -> str:
    submitted = cast(Any, await request.get_json() if request.is_json else await request.form)
    # JSON need not be an object.
    found = submitted.get("g-recaptcha-response") if hasattr(submitted, "get") else None
    return found if isinstance(found, str) else ""


async def _ask_service(response: str, remote_addr: str | None) -> dict[str, Any]:
    """Return the JSON object of the service; an empty one, and a log message, if it sends none."""
    data = {"secret": _key("RECAPTCHA_PRIVATE_KEY"), "response": response}
    if remote_addr:
        data["remoteip"] = remote_addr
    url = RECAPTCHA_VERIFY_SERVER_DEFAULT
    if _settings().value("RECAPTCHA_VERIFY_SERVER"):
        url = _settings().url("RECAPTCHA_VERIFY_SERVER", ["https", "http"])
    limit = _settings().seconds("RECAPTCHA_TIMEOUT")
    context = await _tls_context()
    import httpx

    # A client for each verification is closed with it and belongs to no event loop. Its expensive
    # part is the context for TLS, which all clients share.
    client = httpx.AsyncClient(verify=context, timeout=None)
    # Without compression, the limit of the bytes that are read is that of the content.
    headers = {"Accept-Encoding": "identity"}
    body = bytearray()
    try:
        # The limits of HTTPX are for single steps, so a slow response would have none.
        async with asyncio.timeout(limit), client:
            async with client.stream("POST", url, data=data, headers=headers) as answer:
                async for block in answer.aiter_raw():
                    body += block
                    if len(body) > MAX_ANSWER:
                        break
    except (TimeoutError, httpx.RequestError) as error:
        logger.warning("%s can't verify a reCAPTCHA: %s", redact(url), type(error).__name__)
        raise RecaptchaUnavailableError from error
    if (encoding := answer.headers.get("Content-Encoding", "identity")) != "identity":
        logger.warning("%s has sent %.40r, which was not asked for", redact(url), encoding)
        raise RecaptchaUnavailableError
    return _verdict(answer, bytes(body))


def _verdict(answer: httpx.Response, body: bytes) -> dict[str, Any]:
    reason = f"status {answer.status_code}"
    verdict: Any = None
    if len(body) > MAX_ANSWER:
        reason = f"more than {MAX_ANSWER} bytes"
    elif answer.status_code == 200:
        try:
            verdict = json.loads(body)
        except (ValueError, RecursionError):  # RecursionError: too many brackets
            pass
    if isinstance(verdict, dict):
        return cast("dict[str, Any]", verdict)
    logger.warning("%s has sent no verdict: %s", redact(str(answer.url)), reason)
    return {}


_tls: list[ssl.SSLContext] = []


async def _tls_context() -> ssl.SSLContext:
    """Return the context for TLS, which a thread creates once."""
    if not _tls:
        _tls.append(await run_sync(_create_tls_context)())
    return _tls[0]


def _create_tls_context() -> ssl.SSLContext:
    """Import HTTPX and read the certificates. Both take long."""
    with requires_extra("recaptcha", needed_by="Recaptcha"):
        import httpx
    return httpx.create_ssl_context()


class RecaptchaWidget:
    """The HTML of a :class:`RecaptchaField`: the script and the element that it fills.

    .. versionadded:: 0.1
    """

    def recaptcha_html(
        self, public_key: str, nonce: str | Callable[[], str] | None = None, **kwargs: Any
    ) -> Markup:
        """Return the HTML for *public_key*.

        Arguments:
            public_key: The public key of the site.
            nonce: The nonce of the script for a Content-Security-Policy, or a function that returns
                it.
            kwargs: Attributes of the element, as WTForms' fields take them.
        """
        if html := _text("RECAPTCHA_HTML", ""):
            return Markup(html)
        script = _text("RECAPTCHA_SCRIPT", RECAPTCHA_SCRIPT_DEFAULT)
        if parameters := _mapping("RECAPTCHA_PARAMETERS"):
            script += f"?{urlencode(parameters)}"
        nonce = nonce() if callable(nonce) else nonce
        nonce_attribute = f' nonce="{escape(nonce)}"' if nonce else ""
        kwargs.setdefault("class", _text("RECAPTCHA_DIV_CLASS", RECAPTCHA_DIV_CLASS_DEFAULT))
        attributes = _mapping("RECAPTCHA_DATA_ATTRS") | {"sitekey": public_key}
        for name, value in attributes.items():
            kwargs.setdefault(f"data-{name}", value)
        return Markup(
            f"\n<script src='{escape(script)}' async defer{nonce_attribute}></script>\n"
            f"<div {html_params(**kwargs)}></div>\n"
        )

    def __call__(self, field: Any, error: Any = None, **kwargs: Any) -> Markup:
        """Return the HTML of *field*; a comment if ``RECAPTCHA_ENABLED`` is false.

        Raises:
            RuntimeError: ``RECAPTCHA_PUBLIC_KEY`` is not set.
        """
        if not _settings().boolean("RECAPTCHA_ENABLED"):
            return Markup("<!-- recaptcha disabled -->")
        kwargs.setdefault("id", field.id)
        return self.recaptcha_html(_key("RECAPTCHA_PUBLIC_KEY"), nonce=field.nonce, **kwargs)


class RecaptchaField(Field):
    """A field that shows a reCAPTCHA, with :class:`Recaptcha` as its default validator.

    Arguments:
        label: The label.
        validators: Validators instead of ``Recaptcha()``.
        nonce: As in :meth:`RecaptchaWidget.recaptcha_html`.
        kwargs: Other options of a field of WTForms.

    Raises:
        MissingExtraError: HTTPX is not installed.
        SettingError: A setting that starts with ``RECAPTCHA_`` is unknown.

    .. versionadded:: 0.1
    """

    widget = RecaptchaWidget()

    recaptcha_error: str | None = None
    """``incorrect-captcha-sol`` after the service has refused the response."""

    def __init__(
        self,
        label: str = "",
        validators: Sequence[Any] | None = None,
        nonce: str | Callable[[], str] | None = None,
        **kwargs: Any,
    ) -> None:
        _check_application()
        self.nonce = nonce
        super().__init__(label, list(validators or [Recaptcha()]), **kwargs)
