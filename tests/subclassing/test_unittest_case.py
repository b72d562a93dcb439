"""The test case with Flask-Testing's API."""

from __future__ import annotations

import unittest
from typing import Any

from quart import redirect, render_template_string, request, template_rendered, url_for

from quartpatterns.subclassing import FaithfulQuart, flash
from quartpatterns.subclassing.unittest_case import ContextVariableDoesNotExist, TestCase


def create_app() -> FaithfulQuart:
    app = FaithfulQuart(__name__)
    app.secret_key = "for these tests only"

    @app.get("/")
    async def index() -> str:
        return await render_template_string("{{ name }}", name=request.args.get("name"))

    @app.get("/flash")
    async def flashed() -> Any:
        await flash("saved", "note")
        return redirect(url_for("index"), 303)

    return app


class Base(TestCase):
    def create_app(self) -> FaithfulQuart:
        return create_app()


class WithoutSetUp(Base):
    async def test_context(self) -> None:
        """There is a context of a request, and a client."""
        self.assertEqual(url_for("index"), "/")
        self.assert200(await self.client.get("/"))

    async def test_status(self) -> None:
        response = await self.client.get("/none")
        self.assert404(response)
        with self.assertRaisesRegex(AssertionError, "HTTP Status 200 expected but got 404"):
            self.assert_200(response)

    async def test_template(self) -> None:
        await self.client.get("/?name=first")
        await self.client.get("/?name=Ada")
        self.assertContext("name", "Ada")
        self.assertTemplateUsed(None)  # type: ignore[arg-type]  # A string has no name.
        with self.assertRaises(ContextVariableDoesNotExist):
            self.get_context_variable("other")
        with self.assertRaisesRegex(AssertionError, "does not exist: other"):
            self.assert_context("other", 1)
        with self.assertRaisesRegex(AssertionError, "Template page.html was not used"):
            self.assert_template_used("page.html")

    async def test_redirect(self) -> None:
        response = await self.client.get("/flash")
        self.assertRedirects(response, "/")
        self.assert_redirects(response, "http://localhost/")
        with self.assertRaises(AssertionError):
            self.assertRedirects(response, "/other")
        with self.assertRaises(AssertionError):
            self.assertRedirects(response, "/", permanent=True)
        self.assertMessageFlashed("saved", "note")
        with self.assertRaisesRegex(AssertionError, "'saved' in category 'message'"):
            self.assert_message_flashed("saved")


class WithSetUp(Base):
    async def create_app(self) -> FaithfulQuart:  # type: ignore[override]
        return create_app()

    async def asyncSetUp(self) -> None:
        """The application is there, although this does not call the method of the base class."""
        self.url = url_for("index")
        self.first = self.app

    async def asyncTearDown(self) -> None:
        self.assertEqual(url_for("index"), "/")


class Inherited(WithSetUp):
    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.assertIs(self.app, self.first)

    async def test_url(self) -> None:
        self.assertEqual(self.url, "/")


def test_nothing_stays() -> None:
    """The receivers of the signals are disconnected after each test."""
    before = len(template_rendered.receivers)
    result = unittest.TestResult()
    Inherited("test_url").run(result)
    assert result.wasSuccessful()
    assert len(template_rendered.receivers) == before


def test_templates_that_are_not_rendered() -> None:
    class Empty(Base):
        render_templates = False

        async def test_index(self) -> None:
            """Never runs."""

    result = unittest.TestResult()
    Empty("test_index").run(result)
    [(_, error)] = result.errors
    assert "render_templates = False is not supported" in error
