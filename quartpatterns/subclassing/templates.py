"""Templates: an environment whose code awaits only what has to be awaited.

Quart uses Jinja's asynchronous mode. Its filters are those of
:mod:`~quartpatterns.subclassing.template_filters`, its code is that of
:mod:`~quartpatterns.subclassing.template_code`.
"""

# Jinja leaves some annotations out.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false

from __future__ import annotations

import inspect
from collections import ChainMap
from collections.abc import Callable, Mapping, MutableMapping
from functools import cached_property, wraps
from types import CodeType
from typing import Any

import jinja2
from jinja2 import Template, nodes
from jinja2.runtime import Context, new_context
from jinja2.utils import LRUCache
from quart import Quart, current_app
from quart.templating import Environment

from quartpatterns.subclassing.debugging import ExplainingLoader
from quartpatterns.subclassing.template_code import (
    Chunks,
    TemplateCodeGenerator,
    in_chunks_from_async,
)
from quartpatterns.subclassing.template_filters import FILTERS, is_awaitable

__all__ = ["FaithfulEnvironment", "FaithfulTemplate", "Templates", "get_template_attribute"]


class FaithfulTemplate(Template):
    """A template whose code is a generator, which takes less time than an asynchronous one."""

    root_render_func: Callable[[Context], Chunks]  # type: ignore[assignment]

    @classmethod
    def from_code(
        cls,
        environment: jinja2.Environment,
        code: CodeType,
        globals: MutableMapping[str, Any],
        uptodate: Callable[[], bool] | None = None,
    ) -> Template:
        """Return the template of compiled code."""
        return _in_chunks(super().from_code(environment, code, globals, uptodate))

    @classmethod
    def from_module_dict(
        cls,
        environment: jinja2.Environment,
        module_dict: MutableMapping[str, Any],
        globals: MutableMapping[str, Any],
    ) -> Template:
        """Return the template of a module, which :class:`jinja2.ModuleLoader` has loaded."""
        return _in_chunks(super().from_module_dict(environment, module_dict, globals))

    def new_context(
        self,
        vars: dict[str, Any] | None = None,
        shared: bool = False,
        locals: Mapping[str, Any] | None = None,
    ) -> Context:
        """Return a context for the template.

        The global variables are in a ``ChainMap``. Jinja reads them one by one, which takes longer
        than a small template.
        """
        known = self.globals
        if not isinstance(known, ChainMap):
            return super().new_context(vars, shared, locals)
        merged: dict[str, Any] = {}
        for each in reversed(known.maps):
            merged.update(each)
        return new_context(self.environment, self.name, self.blocks, vars, shared, merged, locals)

    async def render_async(self, *args: Any, **kwargs: Any) -> str:
        """Return the rendered template. The arguments are those of a :class:`dict`."""
        if not self.environment.is_async:
            return await super().render_async(*args, **kwargs)  # It raises an error.
        context = self.new_context(dict(*args, **kwargs))
        try:
            return self.environment.concat(await self.root_render_func(context).collect())
        except Exception:
            self.environment.handle_exception()


def _in_chunks(template: Any) -> Template:
    """Return *template*, whose code can come from a cache that another environment has filled."""
    if inspect.isasyncgenfunction(template.root_render_func):
        code = template.root_render_func.__globals__
        template.root_render_func = in_chunks_from_async(template.root_render_func)
        for name, block in template.blocks.items():
            template.blocks[name] = code[f"block_{name}"] = in_chunks_from_async(block)
    return template  # type: ignore[no-any-return]


class FaithfulEnvironment(Environment):
    """Quart's Jinja environment with filters that work as in Flask, and faster code.

    .. versionadded:: 0.1
    """

    code_generator_class = TemplateCodeGenerator
    template_class = FaithfulTemplate

    def __init__(self, app: Quart, **options: Any) -> None:
        super().__init__(app, **options)
        self.filters.update(FILTERS)
        self._strings: Any = LRUCache(128)

    def overlay(self, *args: Any, **kwargs: Any) -> FaithfulEnvironment:
        """Return an environment with other options that shares the rest with this one."""
        overlay = super().overlay(*args, **kwargs)
        vars(overlay).pop("synchronous", None)
        overlay._strings = LRUCache(128)
        return overlay

    def from_string(
        self,
        source: str | nodes.Template,
        globals: MutableMapping[str, Any] | None = None,
        template_class: type[Template] | None = None,
    ) -> Template:
        """Return a template of *source*. The last 128 are cached, because compiling takes long.

        Arguments:
            source: The text of the template.
            globals: Variables of this template; with these it is not cached.
            template_class: The class of the template; with this it is not cached.
        """
        if globals is not None or template_class is not None or not isinstance(source, str):
            return super().from_string(source, globals, template_class)
        # What the compiled code depends on can be changed after the first template.
        syntax = (self.trim_blocks, self.lstrip_blocks, self.keep_trailing_newline)
        classes = (self.autoescape, self.undefined, self.finalize, self.is_async)
        known = (len(self.filters), len(self.tests), len(self.extensions))
        key = (source, self.code_generator_class, *syntax, *classes, *known)
        template: Template | None = self._strings.get(key)
        if template is None:
            template = self._strings[key] = super().from_string(source)
        return template

    @cached_property
    def synchronous(self) -> jinja2.Environment:
        """The same environment in Jinja's synchronous mode."""
        return _synchronous(self)


def _synchronous(environment: jinja2.Environment) -> jinja2.Environment:
    finalize = environment.finalize or _itself

    @wraps(finalize)
    def checked(*args: Any) -> Any:
        value = args[-1]
        if is_awaitable(value):
            if inspect.iscoroutine(value):
                value.close()
            raise TypeError(
                "a value has to be awaited, which is not possible in a synchronous macro: pass the"
                " awaited value as an argument"
            )
        return finalize(*args)

    # A bytecode cache does not tell the code of the two modes apart.
    return environment.overlay(enable_async=False, finalize=checked, bytecode_cache=None)


def _itself(value: Any) -> Any:
    return value


def get_template_attribute(template_name: str, attribute: str) -> Any:
    """Return a macro or a variable of a template, as :func:`flask.get_template_attribute` does.

    The macro is called without ``await``. Quart's function is a ``RuntimeError``.

    .. versionadded:: 0.1

    Arguments:
        template_name: The name of the template.
        attribute: The name of the macro or variable.

    Raises:
        AttributeError: The template has no such macro or variable.
        TypeError: When the macro is called: it prints something that has to be awaited.
    """
    environment = current_app.jinja_env
    if isinstance(environment, FaithfulEnvironment):
        synchronous = environment.synchronous
    else:
        synchronous = _synchronous(environment)
    return getattr(synchronous.get_template(template_name).module, attribute)


class Templates(Quart):
    """Templates are reloaded in debug mode, and their loading is explained, as in Flask."""

    jinja_environment = FaithfulEnvironment

    def create_jinja_environment(self) -> Environment:  # type: ignore[override]
        """Create the environment, which reloads templates in debug mode unless told otherwise."""
        environment = super().create_jinja_environment()
        if "auto_reload" not in self.jinja_options:
            reload = self.config["TEMPLATES_AUTO_RELOAD"]
            environment.auto_reload = self.debug if reload is None else reload
        return environment

    def create_global_jinja_loader(self) -> ExplainingLoader:
        """Return the loader of the application's and the blueprints' templates."""
        return ExplainingLoader(self)
