"""What agents do is counted by name, up to a bound."""

import pytest

from AgentOperatingSystem.observability import actions, metrics


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "_named", set())
    monkeypatch.setattr(actions, "AGENTS_MAX", 2)


def test_an_action_goes_by_its_name_and_another_event_does_not() -> None:
    for type in ("action.greet", "com.example.order.created"):
        actions.acted("solo", type, "success", 0.25)
    for kind in ("greet", "event"):
        assert metrics.value("agent_actions", agent_id="solo", action_type=kind, status="success") == 1
        assert metrics.value("agent_action_duration_seconds", agent_id="solo", action_type=kind) == 1


def test_agents_beyond_the_bound_are_counted_together() -> None:
    for name in ("a", "b", "c", "d", "a"):
        actions.acted(name, "action.crowd", "error", 0.0)
        actions.knows(name, "state", 7)
    counts = {
        name: metrics.value("agent_actions", agent_id=name, action_type="crowd", status="error")
        for name in ("a", "b", "c", actions.OTHERS)
    }
    assert counts == {"a": 2, "b": 1, "c": 0, actions.OTHERS: 2}
    assert metrics.value("agent_memory_bytes", agent_id="b", memory_type="state") == 7
    assert metrics.value("agent_memory_bytes", agent_id="c", memory_type="state") == 0
