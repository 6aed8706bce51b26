"""Files of the specification's names: settings, variables within them, the application's own sections, apps."""

import json
from pathlib import Path

import pytest

from AgentOperatingSystem import AgentOperatingSystem
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import ConfigurationError

SHIPPED = Path(__file__).parents[3] / "config"
APP = "from AgentOperatingSystem import BaseAgent\nclass Desk(BaseAgent): ...\n"


def write(folder: Path, name: str, document: object) -> Path:
    (folder / "config").mkdir(exist_ok=True)
    path = folder / "config" / name
    path.write_text(json.dumps(document))
    return path


def test_one_key_at_all_four_levels(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (AOSConfig().environment, AOSConfig().origin("environment")) == ("production", "default")
    write(bare, "consolidated_config.json", {"environment": "of-the-file"})
    assert (AOSConfig().environment, AOSConfig().origin("environment")) == (
        "of-the-file",
        "file config/consolidated_config.json",
    )
    monkeypatch.setenv("APP_ENVIRONMENT", "of-the-variable")
    assert AOSConfig().environment == "of-the-variable"
    assert AOSConfig(environment="of-the-code").environment == "of-the-code"


def test_variables_within_a_file(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = {"openai_api_key": "${OPENAI_API_KEY}", "host": "${DESK}.example.org", "application": {"a": ["$${x}"]}}
    write(bare, "consolidated_config.json", document)
    monkeypatch.setenv("DESK", "desk")
    with pytest.raises(ConfigurationError, match="openai_api_key: the environment variable OPENAI_API_KEY is not set"):
        AOSConfig(openai_api_key=None)
    monkeypatch.setenv("OPENAI_API_KEY", "canary-of-a-key")
    config = AOSConfig()
    assert config.openai_api_key is not None
    assert config.openai_api_key.get_secret_value() == "canary-of-a-key"
    assert config.host == "desk.example.org"
    assert config.application == {"a": ["${x}"]}
    assert "canary" not in repr(config) + str(list(config.describe()))


def test_what_is_the_applications_is_kept_and_the_rest_refused(bare: Path) -> None:
    write(bare, "consolidated_config.json", {"port": 9000, "application": {"region": "north", "deep": {"a": 1}}})
    write(bare, "self_learning_config.json", {"enabled": True, "rate": 0.1})
    config = AOSConfig()
    assert config.port == 9000
    assert config.application == {
        "region": "north",
        "deep": {"a": 1},
        "self_learning": {"enabled": True, "rate": 0.1},
    }
    write(bare, "more.json", {"regoin": "north"})
    with pytest.raises(ConfigurationError, match="key regoin is not a setting"):
        AOSConfig()
    write(bare, "more.json", {"application": {"region": "south"}})
    with pytest.raises(ConfigurationError, match="region: is already in another file"):
        AOSConfig()
    write(bare, "more.json", {"application": 1})
    with pytest.raises(ConfigurationError, match="application must be an object"):
        AOSConfig()


@pytest.mark.parametrize(
    ("apps", "why"),
    [
        ({"name": "x"}, "Expected `array`"),
        ([{"name": "x"}], "'x' names neither an app nor agents"),
        ([{"app": "x"}], "missing required field `name`"),
        ([{"name": "x", "agents": [{"agent_id": "ceo"}]}], "missing required field `purpose`"),
        ([{"name": "x", "agnets": []}], "unknown field `agnets`"),
    ],
)
def test_a_registry_that_is_none_is_refused(bare: Path, apps: object, why: str) -> None:
    write(bare, "app_registry.json", {"apps": apps})
    with pytest.raises(ConfigurationError, match=f"app_registry.json: apps: .*{why}"):
        AOSConfig()


async def test_declared_apps_are_there_at_the_start(bare: Path) -> None:
    (bare / "desk_app.py").write_text(APP)
    agents = [{"agent_id": "ceo", "purpose": "Strategic oversight", "adapter_name": "ceo"}]
    write(bare, "app_registry.json", {"apps": [{"name": "a", "app": "desk_app.py"}, {"name": "b", "agents": agents}]})
    async with AgentOperatingSystem(AOSConfig(data_dir=bare / "d")) as system:
        assert {"desk", "ceo"} <= {kind.name for kind in system.registry.types()}


@pytest.mark.parametrize("name", ["app_registry", "consolidated_config"])
def test_what_is_shipped_as_an_example_can_be_used(bare: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-of-a-key")
    write(bare, f"{name}.json", json.loads((SHIPPED / f"example_{name}.json").read_text()))
    config = AOSConfig()
    assert [app.name for app in config.apps] == (["boardroom", "triage"] if name == "app_registry" else [])
    assert config.application == ({} if name == "app_registry" else {"region": "north"})


def test_the_variables_of_a_central_config_py(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_MODEL", "gpt-4-turbo")
    assert AOSConfig().model == "offline"
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://desk.openai.azure.com")
    monkeypatch.setenv("AZURE_OPENAI_KEY", "canary-of-azure")
    monkeypatch.setenv("AZURE_OPENAI_API_VERSION", "2024-02-01")
    config = AOSConfig()
    assert (config.model, config.origin("model")) == ("azure/gpt-4-turbo", "environment AZURE_OPENAI_MODEL")
    assert config.azure_openai_api_version == "2024-02-01"
    assert config.azure_openai_key is not None
    monkeypatch.setenv("AOS_MODEL", "openai/x")
    assert AOSConfig().model == "openai/x"
