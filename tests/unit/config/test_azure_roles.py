import re

import pytest

from AgentOperatingSystem.config.azure_roles import SERVICES, missing_role, resource_name

# Microsoft Learn, "Azure built-in roles".
DOCUMENTED = {
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Azure Service Bus Data Sender": "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39",
    "Azure Service Bus Data Receiver": "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Cognitive Services OpenAI User": "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd",
    "Azure ContainerApps Session Executor": "0fb8eba5-a2bb-4abe-b1c1-49dfad359bb0",
    "AzureML Data Scientist": "f6c7c914-8db3-469d-8ca1-694a8f32e121",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
}


def test_the_roles_are_the_documented_ones() -> None:
    assert {role.name: role.id for service in SERVICES.values() for role in service.roles} == DOCUMENTED


@pytest.mark.parametrize("service", SERVICES)
def test_a_refusal_says_what_to_type(service: str) -> None:
    said = missing_role(service, "https://desk.example.net", "client")
    assert re.search(r'az role assignment create --role \S+ --assignee "client" --scope "\$\(az .* desk.*\)"', said)
    assert "\n" not in said


def test_resources_are_named_by_their_addresses() -> None:
    pool = "https://westeurope.dynamicsessions.io/subscriptions/s/resourceGroups/g/sessionPools/pool"
    assert resource_name(pool) == "pool"
    assert resource_name("desk.servicebus.windows.net") == "desk"
    assert resource_name("http://127.0.0.1:10000/devstoreaccount1") == "devstoreaccount1"
