import sys
import threading
import timeit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.observability import metrics
from AgentOperatingSystem.observability.metrics import Registry
from AgentOperatingSystem.observability.prometheus import text


@pytest.fixture
def registry() -> Registry:
    return Registry()


def samples(registry: Registry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What Prometheus' own parser reads."""
    families = text_string_to_metric_families(text(registry))
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_counters_gauges_and_histograms_are_exported(registry: Registry) -> None:
    registry.increment("agent.events.processed")
    registry.increment("agent.events.processed", 2, agent="ceo")
    registry.gauge("agents.warm", 5)
    registry.gauge("agents.warm", 3)
    for seconds in (0.0001, 0.02, 7.0, 1_000.0):
        registry.histogram("agent.processing.duration", seconds, agent="ceo")
    read = samples(registry)
    assert read["agent_events_processed_total", ()] == 1
    assert read["agent_events_processed_total", (("agent", "ceo"),)] == 2
    assert read["agents_warm", ()] == 3
    buckets = {dict(key)["le"]: value for (name, key), value in read.items() if name.endswith("_bucket")}
    assert (buckets["0.0001"], buckets["0.025"], buckets["10.0"], buckets["300.0"], buckets["+Inf"]) == (1, 2, 3, 3, 4)
    assert read["agent_processing_duration_sum", (("agent", "ceo"),)] == pytest.approx(1007.0201)
    assert read["agent_processing_duration_count", (("agent", "ceo"),)] == 4


def test_values_can_be_read_back(registry: Registry) -> None:
    registry.increment("a", 2.5, agent="ceo")
    registry.gauge("b", -1)
    registry.histogram("c", 1)
    assert (registry.value("a", agent="ceo"), registry.value("b"), registry.value("c")) == (2.5, -1, 1)
    assert (registry.value("a"), registry.value("nothing")) == (0, 0)


def test_dots_and_the_order_of_labels_make_no_difference(registry: Registry) -> None:
    registry.increment("a.b", x="1", y="2")
    registry.increment("a_b", y="2", x="1")
    assert samples(registry) == {("a_b_total", (("x", "1"), ("y", "2"))): 2}


def test_a_counter_that_is_called_total_keeps_its_name(registry: Registry) -> None:
    registry.increment("agent_actions_total")
    assert samples(registry) == {("agent_actions_total", ()): 1}


def test_documentation_and_buckets(registry: Registry) -> None:
    registry.describe("batch.size", "Events in one turn.", buckets=(1, 10))
    registry.histogram("batch.size", 10)
    assert "# HELP batch_size Events in one turn.\n" in text(registry)
    assert samples(registry)["batch_size_bucket", (("le", "10"),)] == 1
    with pytest.raises(InvalidInput, match="before the first observation"):
        registry.describe("batch.size", "too late", buckets=(1, 2))
    with pytest.raises(InvalidInput, match="buckets rise"):
        registry.describe("other", "falling", buckets=(2, 1))


def test_labels_beyond_the_limit_are_counted_together() -> None:
    registry = Registry(series_max=3)
    for number in range(10):
        registry.increment("events", agent=f"agent-{number}")
    assert registry.value("events", agent="agent-2") == 1
    assert registry.value("events", agent="agent-3") == 0
    assert registry.value("events", otel_metric_overflow="true") == 7
    assert len(registry.counters.cache) == 3
    registry.increment("events", agent="agent-0")
    assert registry.value("events", agent="agent-0") == 2, "a series that is there goes on"


def test_names_beyond_the_limit_are_counted_together() -> None:
    registry = Registry(names_max=2)
    for number in range(5):
        registry.increment(f"name-{number}")
    registry.gauge("name-5", 3)
    assert (registry.value("name-1"), registry.value("name-2")) == (1, 0)
    assert registry.value("metric_names_overflow_counter") == 3
    assert registry.value("metric_names_overflow_gauge") == 3


def test_labels_that_are_no_text_become_text_and_are_not_kept(registry: Registry) -> None:
    class Thing:
        def __str__(self) -> str:
            return "thing"

    for _ in range(3):
        registry.increment("events", thing=Thing())  # type: ignore[arg-type]  # what a careless caller does
        registry.gauge("things", 1, thing=["a", "list"])  # type: ignore[arg-type]
        registry.histogram("sizes", 1, thing=None)  # type: ignore[arg-type]
    assert registry.value("events", thing="thing") == 3
    assert registry.value("things", thing="['a', 'list']") == 1
    assert registry.value("sizes", thing="None") == 3
    assert not registry.counters.cache | registry.gauges.cache


def test_labels_are_cut_and_printable(registry: Registry) -> None:
    registry.increment("events", agent="x" * 1_000, other='a"\n\\\ud800')
    assert samples(registry) == {("events_total", (("agent", "x" * 200), ("other", 'a"\n\\?'))): 1}


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_a_counter_only_grows(registry: Registry, value: float) -> None:
    with pytest.raises(InvalidInput, match="a counter grows by"):
        registry.increment("events", value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_histogram_counts_finite_numbers(registry: Registry, value: float) -> None:
    with pytest.raises(InvalidInput, match="finite numbers"):
        registry.histogram("seconds", value)


def test_one_name_is_one_kind(registry: Registry) -> None:
    registry.increment("events")
    with pytest.raises(InvalidInput, match="metric 'events' is a counter, not a gauge"):
        registry.gauge("events", 1)


def test_the_label_le_is_refused(registry: Registry) -> None:
    with pytest.raises(InvalidInput, match="'le'"):
        registry.histogram("seconds", 1, le="1")


def test_threads_lose_no_count(registry: Registry) -> None:
    rounds, threads = 20_000, 4
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def count() -> None:
        for _ in range(rounds):
            registry.increment("events")
            registry.histogram("seconds", 1.0, agent="ceo")

    workers = [threading.Thread(target=count) for _ in range(threads)]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(interval)
    assert registry.value("events") == registry.value("seconds", agent="ceo") == rounds * threads
    assert registry.histograms.families["seconds"][("agent", "ceo"),].total == rounds * threads


def test_counting_is_cheap(registry: Registry) -> None:
    """A fifth of a microsecond on the machine of docs/performance.md; the bound leaves room for a busy one."""
    registry.increment("events")
    count = 20_000
    seconds = min(timeit.repeat(lambda: registry.increment("events"), number=count, repeat=7)) / count
    assert seconds < 2e-6


def test_the_module_is_the_registry_of_the_process() -> None:
    before = metrics.value("test.module.events")
    metrics.increment("test.module.events")
    assert metrics.value("test.module.events") == before + 1
    assert "test_module_events_total" in metrics.prometheus_text()
