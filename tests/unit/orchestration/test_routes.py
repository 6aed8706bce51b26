"""Who an event is for: routes, key templates, and the copies of a publication."""

from typing import Any

import pytest

from AgentOperatingSystem.errors import ConfigurationError, InvalidAgentId, InvalidTopic
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.routes import (
    Route,
    Subscription,
    choose,
    copies,
    fill,
    parse_subscription,
    share_credits,
)

DESK = [
    Route(agent="repo", type="github.#", key="{data.repository.full_name}"),
    Route(agent="org", type="github.#", key="{data.organization.login}"),
    Route(agent="repo", type="github.#", key="unknown"),
]


@pytest.mark.parametrize(
    ("data", "agent"),
    [
        ({"repository": {"full_name": "octo/hello"}, "organization": {"login": "octo"}}, "repo/octo/hello"),
        ({"organization": {"login": "octo"}}, "org/octo"),
        ({"repository": None, "organization": {"login": "octo"}}, "org/octo"),
        ({"repository": {"full_name": ""}}, "repo/unknown"),
        ({"repository": {"full_name": {"a": 1}}}, "repo/unknown"),
        (["repository"], "repo/unknown"),
        (None, "repo/unknown"),
    ],
)
def test_a_route_whose_key_lacks_a_field_leaves_the_event_to_the_next(data: Any, agent: str) -> None:
    chosen = choose(DESK, Event(type="github.push", data=data, tenant="north"))
    assert chosen is not None
    assert chosen.agent == AgentId.parse(agent, "north")


@pytest.mark.parametrize(
    ("route", "accepts"),
    [
        (Route(agent="a"), True),
        (Route(agent="a", type="github.*"), True),
        (Route(agent="a", type="github.push.*"), False),
        (Route(agent="a", source="https://*/hooks"), True),
        (Route(agent="a", source="https://*/hook"), False),
        (Route(agent="a", subject="octo/*"), True),
        (Route(agent="a", subject="octo"), False),
        (Route(agent="a", type="github.#", source="*", subject="x*"), False),
    ],
)
def test_all_patterns_of_a_route_must_match(route: Route, accepts: bool) -> None:
    event = Event(type="github.push", source="https://example.com/hooks", subject="octo/hello")
    assert (choose([route], event) is not None) == accepts


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("", ""),
        ("fixed", "fixed"),
        ("{subject}", "s"),
        ("{type}:{source}:{id}", "t:/src:1"),
        ("{data.n}/{data.yes}", "7/True"),
        ("{topic}", None),
        ("{topic|none}", "none"),
        ("{data.x|none}-{subject|none}", "none-s"),
        ("{subject}-{data.x}", None),
    ],
)
def test_a_template_is_filled(template: str, filled: str | None) -> None:
    event = Event(type="t", source="/src", id="1", subject="s", data={"n": 7, "yes": True})
    assert fill(template, event) == filled


@pytest.mark.parametrize(
    "key", ["{Subject", "subject}", "{}", "{agent}", "{subject.a}", "{data..|a|b}", "{{subject}}", "{id|}"]
)
def test_a_template_that_cannot_be_read_is_refused(key: str) -> None:
    with pytest.raises(ConfigurationError, match="key template"):
        Route(agent="a", key=key)
    with pytest.raises(ConfigurationError, match="key template"):
        parse_subscription(f"a.b -> {key}", "a")


def test_a_route_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(InvalidTopic):
        Route(agent="a", type="a..b")
    with pytest.raises(InvalidAgentId):
        Route(agent="a/b")


def test_a_publication_is_copied_once_to_each_subscriber_but_its_sender() -> None:
    subscriptions = [
        parse_subscription("repo.* -> {subject}", "board"),
        Subscription("repo.changed", "board", "octo/hello"),
        Subscription("repo.changed", "repo", "octo/hello"),
        Subscription("repo.changed", "log"),
    ]
    publication = Event(
        type="t", topic="repo.changed", source="/agents/repo/octo/hello", subject="octo/hello", credits=5
    )
    sent = copies(subscriptions, publication)
    assert [(str(copy.agent), copy.credits) for copy in sent] == [("board/octo/hello", 2), ("log", 1)]
    assert {(copy.source, copy.id) for copy in sent} == {(publication.source, publication.id)}


def test_a_subscription_whose_key_lacks_a_field_puts_unknown() -> None:
    (copy,) = copies([parse_subscription("# -> {data.a}-{data.b|none}", "board")], Event(type="t", topic="x"))
    assert copy.agent == AgentId("board", "unknown-none")


@pytest.mark.parametrize(
    ("credits", "parts", "shares"), [(-1, 2, [-1, -1]), (7, 3, [2, 1, 1]), (2, 3, [0, 0, 0]), (5, 0, [])]
)
def test_credits_are_shared(credits: int, parts: int, shares: list[int]) -> None:
    assert share_credits(credits, parts) == shares
