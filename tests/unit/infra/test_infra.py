"""infra/ without a compiler and without the cloud: it parses, it names nothing that is not there, every module gets
what it asks for, and what it deploys is what the code expects.

What only Azure can say (quota, regions, policies) is said by `az bicep build` and `azd provision --preview`:
docs/deploy.md.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.config.azure_roles import SERVICES
from AgentOperatingSystem.config.layers import environment_names
from tests.unit.infra.bicep import FILES, INFRA, ROOT, is_literal, lambda_body, modules, parsed, symbols, texts

MODULES: dict[str, Any] = json.loads(Path(__file__).with_name("modules.json").read_text())
FUNCTIONS = {
    *("concat", "empty", "environment", "flatten", "guid", "last", "loadJsonContent", "map", "resourceGroup", "split"),
    *("subscription", "subscriptionResourceId", "toLower", "union", "uniqueString"),
}
"""What these files call, of Bicep's own functions (Microsoft Learn, "Bicep functions")."""
DECORATORS = {"allowed", "description", "maxLength", "metadata", "minLength", "secure"}
ROLES = {role.id: role.name for service in SERVICES.values() for role in service.roles} | {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "d5a91429-5739-47e2-a06b-3470a27159e7": "EventGrid Data Sender",
    "00000000-0000-0000-0000-000000000002": "Cosmos DB Built-in Data Contributor",
}
"""Microsoft Learn, "Azure built-in roles", and "Azure Cosmos DB: data plane roles"."""
_GUID = re.compile(r"'([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})'[^/\n]*(?:// ([^:\n]+))?")
FUNCTION = parsed(INFRA / "app" / "function.bicep")
PARAMETERS = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
by_name = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def settings(*names: str) -> dict[str, Any]:
    """App settings that the function app gets."""
    return {name: value for each in names for name, value in FUNCTION["variables"][each]["value"].items()}


def shapes(value: Any, shape: Any, place: str) -> Iterator[str]:
    """What is wrong with a value of this shape: keys that nobody knows, and keys that are missing."""
    if shape is None:
        return
    if "items" in shape:
        items = value if isinstance(value, list) else [lambda_body(value)] if lambda_body(value) else []
        for number, each in enumerate(items):
            yield from shapes(each, shape["items"], f"{place}[{number}]")
    elif is_literal(value):
        yield from (f"{place}.{key} is unknown" for key in value.keys() - shape["keys"].keys())
        yield from (f"{place}.{key} is missing" for key in shape["needs"] if key not in value)
        for key in value.keys() & shape["keys"].keys():
            yield from shapes(value[key], shape["keys"][key], f"{place}.{key}")


@by_name
def test_every_file_is_read_by_two_parsers_and_names_only_what_is_there(path: Path) -> None:
    parsed(path)
    declared, read, called = symbols(path)
    assert read - declared == set()
    assert called - FUNCTIONS - DECORATORS == set()
    assert declared - read - outputs_of(path) == set(), "declared for nobody"


def outputs_of(path: Path) -> set[str]:
    content = parsed(path)
    return {*content.get("outputs", {}), *content.get("modules", {}), *content.get("resources", {})}


def test_no_loop_has_a_condition() -> None:
    """One of the two parsers cannot read it."""
    assert [path.name for path in FILES if re.search(r"for [^\n]+:\s*if\b", path.read_text())] == []


@by_name
def test_modules_get_what_they_ask_for_and_nothing_else(path: Path) -> None:
    wrong: list[str] = []
    for name, source, version, given in modules(path):
        if not version:
            parameters = parsed(INFRA / source)["parameters"]
            needed = [key for key, each in parameters.items() if each["default"] is None]
            wrong += shapes(given, {"keys": dict.fromkeys(parameters), "needs": needed}, f"{path.name}: {name}")
            continue
        entry = MODULES[source]
        assert version == entry["version"], "run scripts/avm_table.py"
        wrong += shapes(given, {"keys": entry["parameters"], "needs": entry["needs"]}, f"{path.name}: {name}")
    assert wrong == []


@by_name
def test_outputs_of_modules_are_there(path: Path) -> None:
    sources = {name: (source, version) for name, source, version, _ in modules(path)}
    for name, output in re.findall(r"\b(\w+)(?:\[\d\])?!?\.outputs\.(\w+)", path.read_text()):
        source, version = sources[name]
        known = MODULES[source]["outputs"] if version else parsed(INFRA / source)["outputs"]
        assert output in known, f"{path.name}: {name}.outputs.{output}"


def test_a_wrong_module_call_is_found() -> None:
    entry = MODULES["avm/res/service-bus/namespace"]
    shape = {"keys": entry["parameters"], "needs": entry["needs"]}
    given = {"sku": "Standard", "queues": [{"requiresSession": True, "sessions": 1}]}
    assert sorted(shapes(given, shape, "x")) == [
        "x.name is missing",
        "x.queues[0].name is missing",
        "x.queues[0].sessions is unknown",
        "x.sku is unknown",
    ]


def test_every_parameter_of_the_deployment_is_given_and_every_one_that_is_given_is_there() -> None:
    assert PARAMETERS.keys() == parsed(INFRA / "main.bicep")["parameters"].keys()


def test_abbreviations_are_used() -> None:
    used = set(re.findall(r"{abbreviations\.(\w+)}", (INFRA / "main.bicep").read_text()))
    assert json.loads((INFRA / "abbreviations.json").read_text()).keys() == used


def test_roles_are_the_documented_ones() -> None:
    found = [pair for path in FILES for pair in _GUID.findall(path.read_text())]
    assert len(found) >= len(ROLES) - 4
    assert [(guid, name) for guid, name in found if ROLES.get(guid) != name.strip()] == []


def test_the_app_gets_settings_that_are_there_and_they_are_a_whole_configuration() -> None:
    given = settings("settings") | {"AOS_AZUREML_ENDPOINT": "x", "AOS_AZUREML_WORKSPACE": "x"}
    known = {names[0] for names in map(environment_names, AOSConfig.model_fields)}
    assert given.keys() - known == set()
    assert {name for text in texts(FUNCTION["variables"]["inference"]) for name in [text] if name in known} == set()


def test_the_settings_as_deployed_choose_tables_blobs_and_service_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    from AgentOperatingSystem.engines import bus_of, store_of

    stands_for = {
        "environmentName": "test",
        "agents": "examples/01_minimal.py",
        "model": "offline",
        "blobEndpoint": "https://stx.blob.core.windows.net/",
        "servicebusNamespace": "sb-x.servicebus.windows.net",
        "identityClientId": "00000000-0000-0000-0000-000000000000",
        "vaultUrl": "https://kv-x.vault.azure.net/",
    }
    for name, value in settings("settings").items():
        monkeypatch.setenv(name, stands_for.get(value, value))
    config = AOSConfig()
    assert (store_of(config), bus_of(config)) == ("azure", "servicebus")


def test_the_host_s_own_connections_have_no_key() -> None:
    connections = settings("connections")
    assert {name for name in connections if "key" in name.lower() or "secret" in name.lower()} == set()
    assert connections["AzureWebJobsStorage__credential"] == "managedidentity"
    assert connections["ServiceBusConnection__credential"] == "managedidentity"


def test_queue_topic_and_subscription_are_called_what_the_code_calls_them() -> None:
    fields = AOSConfig.model_fields
    parameters = parsed(INFRA / "app" / "servicebus.bicep")["parameters"]
    assert parameters["queue"]["default"] == fields["servicebus_queue"].default
    assert parameters["topic"]["default"] == fields["servicebus_topic"].default
    assert parameters["routerSubscription"]["default"] == fields["servicebus_router_subscription"].default


def test_the_service_that_azd_deploys_is_the_one_that_bicep_tags() -> None:
    services = re.findall(r"^  (\w+):\n    project: ", (ROOT / "azure.yaml").read_text(), re.MULTILINE)
    assert re.findall(r"'azd-service-name': '(\w+)'", (INFRA / "app" / "function.bicep").read_text()) == services
