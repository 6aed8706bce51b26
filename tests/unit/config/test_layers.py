from pathlib import Path

import pytest

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.config.layers import Given, environment_names, file_layer
from AgentOperatingSystem.errors import ConfigurationError

SETTINGS = ("turn_timeout_seconds", "turn_events_max", "port", "config_dir")


def layer(folder: Path, **files: str | bytes) -> dict[str, Given]:
    for name, content in files.items():
        (folder / f"{name}.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    return file_layer(SETTINGS, folder, {})


def test_nested_and_flat_keys_of_several_files_come_together(bare: Path) -> None:
    given = layer(bare, a='{"turn": {"timeout_seconds": 60, "events": {"max": 3}}}', b='\ufeff{"port": 1}')
    assert {name: value for name, (value, _) in given.items()} == {
        "turn_timeout_seconds": 60,
        "turn_events_max": 3,
        "port": 1,
    }
    assert given["port"].origin == f"file {bare / 'b.json'}"


def test_examples_and_other_files_are_not_read(bare: Path) -> None:
    (bare / "notes.txt").write_text("no JSON")
    assert layer(bare, example_app_registry='{"apps": []}') == {}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"port": 1', "is not valid JSON: "),
        ("[" * 100_000, "is not valid JSON: "),
        ("[1]", "must hold one JSON object, not list"),
        (b'{"port": "\xff"}', "is not UTF-8 at byte 10"),
        ('{"port": 1, "port": 2}', "the key 'port' occurs twice"),
        ('{"turn": {"timeout": 1}}', "key turn.timeout is not a setting (did you mean turn_timeout_seconds?)"),
        ('{"turn_events_max": 1, "turn": {"events_max": 2}}', "turn_events_max is set twice, flat and nested"),
        ('{"config_dir": "elsewhere"}', "key config_dir is not a setting"),
    ],
)
def test_a_broken_file_is_one_line_that_names_it(bare: Path, content: str | bytes, expected: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        layer(bare, broken=content)
    assert str(raised.value).startswith(str(bare / "broken.json"))
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_cannot_be_read_is_named(bare: Path) -> None:
    (bare / "a.json").mkdir()
    with pytest.raises(ConfigurationError, match=r"a\.json: cannot be read"):
        file_layer(SETTINGS, bare, {})


def test_two_files_may_not_set_the_same_key(bare: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"b\.json: port is already set by .*a\.json"):
        layer(bare, a='{"port": 1}', b='{"port": 1}')


def test_the_directory_comes_from_the_environment_or_the_caller(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, port in (("one", 1), ("two", 2)):
        (bare / name).mkdir()
        (bare / name / "config.json").write_text(f'{{"port": {port}}}')
    monkeypatch.setenv("AOS_CONFIG_DIR", str(bare / "one"))
    assert AOSConfig().port == 1
    assert AOSConfig(config_dir=bare / "two").port == 2


def test_every_setting_has_its_environment_name() -> None:
    assert environment_names("port") == ("AOS_PORT",)
    assert environment_names("environment") == ("AOS_ENVIRONMENT", "APP_ENVIRONMENT")
