"""The parameters of functions."""

from __future__ import annotations

import libcst as cst

__all__ = ["all_parameters", "positional_names"]


def all_parameters(params: cst.Parameters) -> list[cst.Param]:
    """Return the parameters, without ``*args`` and ``**kwargs``."""
    return [*params.posonly_params, *params.params, *params.kwonly_params]


def positional_names(params: cst.Parameters) -> list[str]:
    """Return the names of the parameters that take arguments by position."""
    return [each.name.value for each in (*params.posonly_params, *params.params)]
