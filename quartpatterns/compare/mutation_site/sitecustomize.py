"""Python imports this when a process starts that belongs to a mutant."""

import importlib.machinery
import importlib.util
import os
import sys

from quartpatterns.compare.mutation_imports import install_from_environment

install_from_environment()

# The module of the same name that this one hides.
_folder = os.path.dirname(os.path.abspath(__file__))
_others = [path for path in sys.path if os.path.abspath(path) != _folder]
_spec = importlib.machinery.PathFinder.find_spec("sitecustomize", _others)
if _spec is not None and _spec.loader is not None:
    _spec.loader.exec_module(importlib.util.module_from_spec(_spec))
