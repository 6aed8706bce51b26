"""A refusal by Azure OpenAI: an identity lacks a role, a key is wrong."""

import json

import pytest

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import ModelError, ModelUnauthorized, RateLimited
from AgentOperatingSystem.ml.records import ModelRequest
from AgentOperatingSystem.ml.registry import Models
from tests.loopback import Answer, Asked, serving

OPENAI_USER = "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd"


async def refused(status: int, **settings: str) -> ModelError:
    """What a call ends with that the resource answers so."""
    body = json.dumps({"error": {"code": "PermissionDenied", "message": "Principal does not have access."}}).encode()

    def answer(asked: Asked) -> Answer:
        return Answer(status, {"Content-Type": "application/json"}, body)

    async def token() -> str:
        return "a-token-of-entra"

    async with serving(answer) as server:
        config = AOSConfig(model="azure/gpt", azure_openai_endpoint=server.url, model_attempts_max=1, **settings)
        models = Models(config, tokens=token)
        try:
            with pytest.raises(ModelError) as error:
                await models.get().complete(ModelRequest.ask("Hi"))
        finally:
            await models.close()
    return error.value


@pytest.mark.parametrize("status", [401, 403])
async def test_an_identity_that_is_not_let_in_is_told_role_scope_and_command(status: int) -> None:
    error = await refused(status, identity_client_id="1111-2222")
    assert isinstance(error, ModelUnauthorized)
    assert "'Cognitive Services OpenAI User' on the Azure OpenAI resource 127.0.0.1" in str(error)
    assert f'az role assignment create --role {OPENAI_USER} --assignee "1111-2222"' in str(error)
    assert "a-token-of-entra" not in str(error)


async def test_a_wrong_key_and_other_refusals_name_no_role() -> None:
    assert "az role" not in str(await refused(401, azure_openai_key="a-wrong-key"))
    busy = await refused(429)
    assert isinstance(busy, RateLimited)
    assert "az role" not in str(busy)
