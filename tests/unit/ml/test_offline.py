"""The model of a system without a key: says so, always the same, and gives no verdict."""

import pytest

from AgentOperatingSystem.errors import NoModelConfigured
from AgentOperatingSystem.ml.messages import user
from AgentOperatingSystem.ml.offline import TEXT, OfflineModel
from AgentOperatingSystem.ml.records import NOTHING_USED, ModelRequest, OutputSchema, ToolSpec

VERDICT = ModelRequest.ask("Is it urgent?", json_schema=OutputSchema(schema={"type": "object"}))
DEMANDED = ModelRequest(messages=(user("Go."),), tools=(ToolSpec(name="go"),), tool_choice="required")


async def test_every_answer_says_that_no_model_is_configured() -> None:
    response = await OfflineModel().complete(ModelRequest.ask("Is it urgent?"))
    assert response.text == TEXT
    assert "No model is configured" in TEXT
    assert (response.provider, response.finish_reason, response.usage) == ("offline", "stop", NOTHING_USED)
    assert response.cost is not None
    assert response.cost.amount == 0


async def test_it_is_deterministic() -> None:
    assert await OfflineModel().complete(VERDICT) == await OfflineModel().complete(VERDICT)


@pytest.mark.parametrize("request_", [VERDICT, DEMANDED], ids=["schema", "demanded tool"])
async def test_it_gives_no_verdict(request_: ModelRequest) -> None:
    response = await OfflineModel().complete(request_)
    assert (response.finish_reason, response.tool_calls) == ("refusal", ())
    with pytest.raises(NoModelConfigured, match="No model is configured"):
        response.value()


@pytest.mark.parametrize("request_", [VERDICT, DEMANDED], ids=["schema", "demanded tool"])
async def test_by_policy_it_is_an_error(request_: ModelRequest) -> None:
    with pytest.raises(NoModelConfigured, match="AOS_MODEL"):
        await OfflineModel("error").complete(request_)
    assert (await OfflineModel("error").complete(ModelRequest.ask("Hello!"))).finish_reason == "stop"


async def test_it_streams() -> None:
    *pieces, last = [delta async for delta in OfflineModel().stream(ModelRequest.ask("Hello!"))]
    assert len(pieces) > 10
    assert "".join(piece.text for piece in pieces) == TEXT
    assert last.response == await OfflineModel().complete(ModelRequest.ask("Hello!"))
