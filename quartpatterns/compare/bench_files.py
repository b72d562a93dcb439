"""Read the results of benchmarks that ``quartpatterns bench --json`` has written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from quartpatterns.compare.bench_report import FORMAT
from quartpatterns.compare.bench_results import BenchmarkResult
from quartpatterns.compare.files import CaseFileError, read_text

T = TypeVar("T")


class ResultFileError(Exception):
    """A file is no result of a benchmark; the message says why."""


def read_json(path: Path) -> dict[str, Any]:
    """Return the content of a file that ``quartpatterns bench --json`` has written.

    Raises:
        ResultFileError: It is missing, no JSON object, or of another format.
    """
    try:
        data = json.loads(read_text(path))
    except ValueError as error:
        raise ResultFileError(f"{path}: not JSON: {error}") from error
    except CaseFileError as error:
        raise ResultFileError(str(error)) from error
    if not isinstance(data, dict) or "format" not in data:
        raise ResultFileError(f"{path}: not written by quartpatterns bench --json")
    if data["format"] != FORMAT:
        raise ResultFileError(
            f"{path}: has the format {data['format']!r}, and this version reads {FORMAT}:"
            " measure again"
        )
    return data


def read_results(paths: Iterable[Path]) -> list[BenchmarkResult]:
    """Return the results in the files, of ``bench --json`` or of ``bench --summary --json``.

    Raises:
        ResultFileError: A file is missing or has no such result.
    """
    results: list[BenchmarkResult] = []
    for path in paths:
        data = read_json(path)
        for one in data.get("results", [data]):
            try:
                results.append(_result(one))
            except (LookupError, TypeError, msgspec.ValidationError) as error:
                raise ResultFileError(
                    f"{path}: no result of quartpatterns bench --json or bench --summary --json:"
                    f" {error}"
                ) from error
    return results


def read_result(path: Path, mode: str, type: type[T]) -> T:
    """Return the result in the file, of ``bench --waiting --json`` or ``bench --growth --json``.

    Arguments:
        path: The file.
        mode: ``waiting`` or ``growth``.
        type: The type of its results.

    Raises:
        ResultFileError: The file is missing or has no such result.
    """
    try:
        return msgspec.convert(read_json(path).get(mode), type)
    except msgspec.ValidationError as error:
        raise ResultFileError(
            f"{path}: no result of quartpatterns bench --{mode} --json: {error}"
        ) from error


def _result(data: dict[str, Any]) -> BenchmarkResult:
    cases = [
        {
            **case,
            "original": {**case["original"], "cpu": case["original"]["rounds"]},
            "port": {**case["port"], "cpu": case["port"]["rounds"]},
        }
        for case in data["cases"]
    ]
    fields = {**data, "loop": data["settings"]["loop"], "cases": cases}
    return msgspec.convert(fields, BenchmarkResult)
