"""What an error of a model does to the event in whose handling it is raised: "try again?"."""

import pytest

from AgentOperatingSystem.agents.base_agent import RestartPolicy
from AgentOperatingSystem.errors import (
    BadModelRequest,
    ContentFiltered,
    ContextOverflow,
    MalformedAnswer,
    ModelError,
    ModelUnauthorized,
    ModelUnavailable,
    NoModelConfigured,
    RateLimited,
    UnknownModel,
    UnsupportedRequest,
)
from AgentOperatingSystem.orchestration.decisions import BackOff, Decision, End, Park, Rules, after_failure
from AgentOperatingSystem.storage.records import Status

RULES = Rules(attempts_max=3)


def decision(error: ModelError, attempt: int = 1) -> Decision:
    return after_failure(error, attempt=attempt, outages=0, restart=RestartPolicy(), rules=RULES, now=100.0, jitter=0.5)


@pytest.mark.parametrize("kind", [RateLimited, ModelUnavailable, ModelUnauthorized])
@pytest.mark.parametrize("attempt", [1, 2, 3, 1000])
def test_an_outage_never_consumes_an_event(kind: type[ModelError], attempt: int) -> None:
    assert isinstance(decision(kind("x"), attempt), BackOff)


def test_the_agent_rests_as_long_as_the_provider_asks() -> None:
    found = decision(RateLimited("x", 42.0))
    assert isinstance(found, BackOff)
    assert found.until == 142.0
    assert found.reason == "rate-limited: x"


def test_a_malformed_answer_is_tried_again_and_counts() -> None:
    assert isinstance(decision(MalformedAnswer("x")), Park)
    last = decision(MalformedAnswer("x"), attempt=3)
    assert isinstance(last, End)
    assert last.status is Status.QUARANTINED


@pytest.mark.parametrize("kind", [ContextOverflow, ContentFiltered])
def test_content_that_no_model_takes_ends_the_event(kind: type[ModelError]) -> None:
    found = decision(kind("x"))
    assert isinstance(found, End)
    assert found.status is Status.FAILED


@pytest.mark.parametrize("kind", [UnsupportedRequest, BadModelRequest, UnknownModel, NoModelConfigured])
def test_what_a_person_can_put_right_waits_for_a_person(kind: type[ModelError]) -> None:
    found = decision(kind("x"))
    assert isinstance(found, End)
    assert found.status is Status.QUARANTINED
