"""Another model instead."""

import pytest

from AgentOperatingSystem.errors import (
    ContextOverflow,
    ModelError,
    ModelUnauthorized,
    ModelUnavailable,
    RateLimited,
    UnknownModel,
    UnsupportedRequest,
)
from AgentOperatingSystem.ml.messages import ImagePart, user
from AgentOperatingSystem.ml.records import Capabilities, ModelRequest
from AgentOperatingSystem.ml.scripted import Answer, Pieces, ScriptedModel
from AgentOperatingSystem.ml.wrappers.fallback import Falling
from tests.unit.ml.listening import heard

QUESTION = ModelRequest.ask("Hello!")


def scripted(model: str, *answers: Answer, sees: bool = True) -> ScriptedModel:
    return ScriptedModel(answers, model=model, capabilities=Capabilities(vision=sees))


@pytest.mark.parametrize("error", [RateLimited("slow", 9), ModelUnavailable("down"), ModelUnauthorized("key")])
async def test_the_next_one_answers(error: ModelError) -> None:
    second = scripted("second", "from the second")
    model = Falling(scripted("first", error), [second])
    response = await model.complete(ModelRequest.ask("Hello!", model="scripted/first"))
    assert (response.text, response.model) == ("from the second", "second")
    assert second.requests[0].model == "", "it is asked as itself"


async def test_the_first_one_is_enough() -> None:
    second = scripted("second", "x")
    response = await Falling(scripted("first", "from the first"), [second]).complete(QUESTION)
    assert (response.text, second.requests) == ("from the first", [])


async def test_a_request_that_is_wrong_is_wrong_everywhere() -> None:
    second = scripted("second", "x")
    with pytest.raises(ContextOverflow):
        await Falling(scripted("first", ContextOverflow("long")), [second]).complete(QUESTION)
    assert second.requests == []


async def test_where_nobody_answers_the_first_error_counts() -> None:
    model = Falling(scripted("first", RateLimited("slow", 9)), [scripted("second", ModelUnavailable("down"))])
    with pytest.raises(RateLimited, match="slow") as caught:
        await model.complete(QUESTION)
    assert caught.value.after_seconds == 9
    assert caught.value.__notes__ == ["instead of it scripted/second: down"]


async def test_one_that_cannot_do_it_is_passed_over() -> None:
    picture = ModelRequest(messages=(user(ImagePart(data=b"x")),))
    blind, seeing = scripted("blind", "x", sees=False), scripted("seeing", "a pixel")
    response = await Falling(scripted("first", ModelUnavailable("down")), [blind, seeing]).complete(picture)
    assert response.text == "a pixel"
    with pytest.raises(UnsupportedRequest):
        await Falling(blind, [seeing]).complete(picture)


async def test_another_model_than_the_first_cannot_be_asked_for() -> None:
    model = Falling(scripted("first", "x"), [scripted("second", "y")])
    with pytest.raises(UnknownModel):
        await model.complete(ModelRequest.ask("Hello!", model="scripted/second"))


async def test_a_stream_changes_models_before_its_first_word_only() -> None:
    model = Falling(scripted("first", RateLimited("slow")), [scripted("second", "from the second")])
    assert "".join([delta.text async for delta in model.stream(QUESTION)]) == "from the second"
    model = Falling(scripted("first", Pieces(texts=("Hel",), cut=True)), [scripted("second", "x")])
    texts, error = await heard(model.stream(QUESTION))
    assert texts == ["Hel"]
    assert isinstance(error, ModelUnavailable)
