import json
import sys

import pytest

from AgentOperatingSystem.cli.output import Output, Table, brief, cell, moment, note, pairs

ESCAPE = "\x1b[31mred\x9b0m\u202e"


def test_json_is_one_document_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    Output(True).show({"ä": ESCAPE, "list": []}, "for people", Table(("A",), [["x"]]))
    out = capsys.readouterr().out
    assert json.loads(out) == {"ä": ESCAPE, "list": []}
    assert "ä" in out


def test_people_get_lines_and_columns(capsys: pytest.CaptureFixture[str]) -> None:
    Output(False).show({}, "first", Table(("NAME", "N"), [["long name", 1], ["b", None]]), Table(("A",), [], "nothing"))
    assert capsys.readouterr().out == "first\nNAME       N\nlong name  1\nb          -\nnothing\n"


def test_a_stream_is_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    Output(True).line({"a": 1}, "one")
    Output(False).line({"a": 1}, "one")
    assert capsys.readouterr().out == '{"a": 1}\none\n'


def test_nothing_that_agents_say_controls_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(False)
    out.show({}, Table(("A",), [[ESCAPE], [{"k": ESCAPE}]]), pairs({"a": ESCAPE}), brief(ESCAPE))
    Output(True).show({"a": ESCAPE, "lone": "\ud800"})
    note(f"line\nbreak {ESCAPE}")
    captured = capsys.readouterr()
    assert not {"\x1b", "\x9b", "\u202e", "\ud800"} & set(captured.out + captured.err)
    assert captured.err == "aos: line break \\u001b[31mred\\u009b0m\\u202e\n"


def test_a_terminal_shows_text_as_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    Output(False).show({}, Table(("NAME",), [["[red]not markup[/red]"], ["x" * 100]]))
    out = capsys.readouterr().out
    assert "[red]not markup[/red]" in out
    assert out.count("x") == 100


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "-"), ("", "-"), ("a\tb", "a\\u0009b"), (0, "0"), ([], "[]"), ({"ä": True}, '{"ä": true}')],
)
def test_cells(value: object, expected: str) -> None:
    assert cell(value) == expected


def test_long_values_are_cut_and_times_lose_their_fraction() -> None:
    assert brief("x" * 61) == "x" * 59 + "…"
    assert brief("x" * 60) == "x" * 60
    assert moment("2026-01-01T12:00:00.123456Z") == "2026-01-01T12:00:00Z"
    assert moment(None) == "-"
