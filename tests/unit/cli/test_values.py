import io
import os
import sys
from pathlib import Path

import pytest

from AgentOperatingSystem.cli.exits import NoSuchFile
from AgentOperatingSystem.cli.values import json_value, read_address, read_file, read_token, write_file
from AgentOperatingSystem.errors import ConfigurationError, InvalidInput


class Stdin:
    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def test_typed_from_a_file_or_from_standard_input(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare / "a b.json").write_text('\ufeff{"ä": [1, 2.5, null]}')
    monkeypatch.setattr(sys, "stdin", Stdin(b" [true] "))
    assert json_value(None) is None
    assert json_value('"text"') == "text"
    assert json_value("@a b.json") == {"ä": [1, 2.5, None]}
    assert json_value("-") == [True]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "hello",
            """DATA is not JSON: Expecting value: line 1 column 1 (char 0); text needs quotes of its own: '"text"'""",
        ),
        ("", "DATA is not JSON"),
        ("{'a': 1}", "DATA is not JSON"),
        ("NaN", "NaN is no JSON number"),
        ("[-Infinity]", "-Infinity is no JSON number"),
        ("[" * 100_000, "DATA is nested too deeply"),
        ("9" * 5000, "DATA is not JSON"),
        ("@missing.json", "there is no file 'missing.json'"),
        ("@.", "'.' cannot be read: Is a directory"),
        ("@a\x00b", "cannot be read"),
        ("@broken", "broken is not UTF-8 at byte 1"),
        ("@short", "short is not JSON: Unterminated string"),
    ],
)
def test_what_is_no_json_is_named_in_one_line(bare: Path, text: str, expected: str) -> None:
    (bare / "broken").write_bytes(b'"\xff"')
    (bare / "short").write_bytes(b'"a')
    with pytest.raises((InvalidInput, NoSuchFile)) as raised:
        json_value(text)
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_is_written_for_its_owner_alone_and_never_over_another(bare: Path) -> None:
    write_file("new", b"content")
    assert read_file("new") == b"content"
    assert (bare / "new").stat().st_mode & 0o777 == 0o600
    with pytest.raises(InvalidInput, match="'new' is there already"):
        write_file("new", b"other")
    with pytest.raises(InvalidInput, match="cannot be written: No such file or directory"):
        write_file("missing/new", b"")
    assert read_file("new") == b"content"


def test_the_token_of_a_data_folder(bare: Path) -> None:
    assert read_token(bare / "missing") is None
    (bare / "token").write_text("secret-token\n")
    assert read_token(bare) == "secret-token"
    (bare / "token").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="token cannot be read"):
        read_token(bare)


def test_the_address_of_a_data_folder(bare: Path) -> None:
    assert read_address(bare) is None
    (bare / "url").write_text("http://[::1]:9000\n")
    assert read_address(bare) == "http://[::1]:9000"
    for wrong in (b"", b"\xff", b"ftp://x", b"http://a b", b"http://x/?a"):
        (bare / "url").write_bytes(wrong)
        assert read_address(bare) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_locked_token_is_named(bare: Path) -> None:
    (bare / "token").touch(mode=0o000)
    with pytest.raises(ConfigurationError, match="Permission denied; give --token or AOS_TOKEN"):
        read_token(bare)
