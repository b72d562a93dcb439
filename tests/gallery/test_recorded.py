"""The recorded data of the gallery is that of the declared cases."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from quartpatterns import catalog
from quartpatterns.gallery import record, recorded
from quartpatterns.gallery.content import declared_cases
from quartpatterns.gallery.declared import declared_differences
from quartpatterns.gallery.recorded import Value, parity

AGAIN = "record it again: python -m quartpatterns.gallery.record parity "


@pytest.mark.parametrize("pattern", catalog.PATTERNS, ids=lambda pattern: pattern.name)
def test_cases(pattern: catalog.Pattern) -> None:
    """Every case passed and has its answers."""
    found, cases = parity()[pattern.name], declared_cases(pattern)
    message = AGAIN + pattern.name
    assert found.passed == found.cases == len(cases), message
    assert found.extras == sum(case.extra for case in cases), message
    for case in cases:
        assert len(found.responses(case)) == len(case.steps), message


def test_differences() -> None:
    """Each declared difference has both answers, which are as it declares them."""
    for each in declared_differences():
        message = AGAIN + each.pattern.name
        assert each.answer is not None, message
        declared = each.difference.original, each.difference.port
        for value, expected in zip(each.values, declared, strict=True):
            if isinstance(expected, re.Pattern):
                if value.is_whole:
                    assert value.text is not None and expected.fullmatch(value.text), message
            elif expected is None:
                assert value.text is None, message
            elif isinstance(expected, int):
                assert value.text == str(expected), message


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the command reads and writes."""
    monkeypatch.setattr(record, "FOLDER", str(tmp_path))
    monkeypatch.setattr(recorded, "FOLDER", str(tmp_path))
    return tmp_path


@pytest.mark.slow
def test_record_parity(data_folder: Path) -> None:
    """The command records what the package has; other patterns stay."""
    file = data_folder / "parity.json"
    before = {"format": recorded.FORMAT, "patterns": {"caching": {"cases": 1, "passed": 1}}}
    file.write_text(json.dumps(before))
    result = CliRunner().invoke(record.command, ["parity", "methodoverrides"])
    assert result.exit_code == 0, result.output
    data = json.loads(file.read_text())["patterns"]
    assert list(data) == ["methodoverrides", "caching"]
    found, shipped = data["methodoverrides"], parity()["methodoverrides"]
    assert found["cases"] == shipped.cases
    for case in declared_cases(catalog.get("methodoverrides")):
        responses = [(status, kind) for status, kind, _ in found["responses"][case.name]]
        assert responses == [(one.status, one.content_type) for one in shipped.responses(case)]
        for difference in case.differs:
            answer = shipped.answer(case, difference)
            values = found["answers"][recorded.answer_key(case, difference)]
            assert answer and (answer.original, answer.port) == tuple(map(Value.of, values))


def test_record_nothing(data_folder: Path) -> None:
    """A pattern that does not exist, and a file that is no measurement, are usage errors."""
    runner = CliRunner()
    result = runner.invoke(record.command, ["parity", "cachin"])
    assert (result.exit_code, "did you mean caching" in result.output) == (2, True)
    (data_folder / "wrong.json").write_text("[]")
    result = runner.invoke(record.command, ["bench", str(data_folder / "wrong.json")])
    assert (result.exit_code, "wrong.json" in result.output) == (2, True)
    assert not (data_folder / "bench.json").exists()


def test_old_format(data_folder: Path) -> None:
    (data_folder / "parity.json").write_text('{"format": 0}')
    with pytest.raises(ValueError, match="quartpatterns.gallery.record"):
        recorded.read("parity")


def test_no_data(data_folder: Path) -> None:
    """A missing file is no error: nothing was recorded."""
    assert recorded.read("parity") == {}


def test_values() -> None:
    assert Value.of(None) == Value(None)
    assert Value.of(404) == Value("404", 3)
    assert Value.of({"start": "ab", "length": 10}) == Value("ab", 10)
    assert not Value("ab", 10).is_whole
