"""A test case of unittest with the attributes and assertions of Flask-Testing."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urljoin

from quart import Quart, message_flashed, template_rendered

from quartpatterns._shared.calling import maybe_await

__all__ = ["ContextVariableDoesNotExist", "TestCase"]

REDIRECTS = (301, 302, 303, 305, 307, 308)


class ContextVariableDoesNotExist(Exception):  # noqa: N818  # Flask-Testing's name.
    """No template was rendered with this variable."""


class TestCase(unittest.IsolatedAsyncioTestCase):
    """A test case with an application, a client, and a context of a request.

    Write what ``setUp`` and ``tearDown`` did into ``asyncSetUp`` and ``asyncTearDown``. As in
    Flask-Testing, they need not call those of this class.

    .. versionadded:: 0.1

    Attributes:
        app: What :meth:`create_app` has returned.
        client: A test client of the application.
        templates: The last template that was rendered, with its context.
        flashed_messages: The messages that were flashed, with their categories.
    """

    app: Any
    client: Any
    templates: list[tuple[Any, dict[str, Any]]]
    flashed_messages: list[tuple[str, str]]
    render_templates = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "asyncSetUp" in vars(cls):
            cls.asyncSetUp = _prepared(cls.asyncSetUp)  # type: ignore[assignment, method-assign]

    def create_app(self) -> Any:
        """Return the application. This method can also be asynchronous."""
        raise NotImplementedError("write a method create_app() that returns the application")

    async def asyncSetUp(self) -> None:
        """Create the application, the client and the context."""
        await self.prepare()

    async def prepare(self) -> None:
        """Create the application, the client and the context, unless that is done.

        Raises:
            NotImplementedError: ``render_templates`` is false.
        """
        if "app" in vars(self):
            return
        if not self.render_templates:
            raise NotImplementedError("render_templates = False is not supported: remove it")
        self.app = await maybe_await(self.create_app())
        self.client = self.app.test_client()
        self.templates = []
        self.flashed_messages = []
        context = self.app.test_request_context("/")
        await context.push()
        self.addAsyncCleanup(context.pop)
        template_rendered.connect(self._add_template)
        self.addCleanup(template_rendered.disconnect, self._add_template)
        message_flashed.connect(self._add_message)
        self.addCleanup(message_flashed.disconnect, self._add_message)

    async def _add_template(
        self, app: Quart, template: Any, context: dict[str, Any], **extra: Any
    ) -> None:
        self.templates = [(template, context)]

    async def _add_message(self, app: Quart, message: str, category: str, **extra: Any) -> None:
        self.flashed_messages.append((message, category))

    def assertMessageFlashed(self, message: str, category: str = "message") -> None:  # noqa: N802
        """Check that a message was flashed."""
        if (message, category) not in self.flashed_messages:
            self.fail(f"Message {message!r} in category {category!r} was not flashed")

    def assertTemplateUsed(self, name: str, tmpl_name_attribute: str = "name") -> None:  # noqa: N802
        """Check that the last template has this name."""
        names = [getattr(template, tmpl_name_attribute) for template, _ in self.templates]
        if name not in names:
            self.fail(f"Template {name} was not used. Templates were used: {names}")

    def get_context_variable(self, name: str) -> Any:
        """Return a variable of the context of the last template.

        Raises:
            ContextVariableDoesNotExist: There is no such variable.
        """
        for _, context in self.templates:
            if name in context:
                return context[name]
        raise ContextVariableDoesNotExist(name)

    def assertContext(self, name: str, value: Any, message: str | None = None) -> None:  # noqa: N802
        """Check a variable of the context of the last template."""
        try:
            found = self.get_context_variable(name)
        except ContextVariableDoesNotExist:
            self.fail(message or f"Context variable does not exist: {name}")
        self.assertEqual(found, value, message)

    def assertRedirects(  # noqa: N802
        self,
        response: Any,
        location: str,
        message: str | None = None,
        permanent: bool = False,
    ) -> None:
        """Check that *response* is a redirect to *location*, a path or a URL."""
        codes = (301, 308) if permanent else REDIRECTS
        self.assertIn(response.status_code, codes, message)
        host = f"http://{self.app.config.get('SERVER_NAME') or 'localhost'}"
        self.assertEqual(urljoin(host, response.location), urljoin(host, location), message)

    def assertStatus(self, response: Any, status_code: int, message: str | None = None) -> None:  # noqa: N802
        """Check the status code of *response*."""
        found = response.status_code
        message = message or f"HTTP Status {status_code} expected but got {found}"
        self.assertEqual(found, status_code, message)

    def assert200(self, response: Any, message: str | None = None) -> None:
        """Check that the status code is 200."""
        self.assertStatus(response, 200, message)

    def assert400(self, response: Any, message: str | None = None) -> None:
        """Check that the status code is 400."""
        self.assertStatus(response, 400, message)

    def assert401(self, response: Any, message: str | None = None) -> None:
        """Check that the status code is 401."""
        self.assertStatus(response, 401, message)

    def assert403(self, response: Any, message: str | None = None) -> None:
        """Check that the status code is 403."""
        self.assertStatus(response, 403, message)

    def assert404(self, response: Any, message: str | None = None) -> None:
        """Check that the status code is 404."""
        self.assertStatus(response, 404, message)

    def assert405(self, response: Any, message: str | None = None) -> None:
        """Check that the status code is 405."""
        self.assertStatus(response, 405, message)

    def assert500(self, response: Any, message: str | None = None) -> None:
        """Check that the status code is 500."""
        self.assertStatus(response, 500, message)

    assert_message_flashed = assertMessageFlashed
    assert_template_used = assertTemplateUsed
    assert_context = assertContext
    assert_redirects = assertRedirects
    assert_status = assertStatus
    assert_200 = assert200
    assert_400 = assert400
    assert_401 = assert401
    assert_403 = assert403
    assert_404 = assert404
    assert_405 = assert405
    assert_500 = assert500


def _prepared(set_up: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a method that prepares the test case before *set_up*."""

    @wraps(set_up)
    async def prepared(self: Any) -> None:
        await self.prepare()
        await set_up(self)

    return prepared
