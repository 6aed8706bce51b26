"""Where telemetry goes by configuration, and the registry in OpenTelemetry's words."""

import pytest
from opentelemetry.sdk.metrics.export import Gauge, Histogram, Sum
from opentelemetry.sdk.resources import Resource

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.observability.metrics import Registry
from AgentOperatingSystem.observability.otlp import headers_of
from AgentOperatingSystem.observability.pipelines import data_of
from AgentOperatingSystem.observability.telemetry import Off, start, way_of

COLLECTOR = "http://127.0.0.1:4318"
INSIGHTS = "InstrumentationKey=11111111-2222-4333-8444-555555555555"


@pytest.mark.parametrize(
    ("settings", "way"),
    [
        ({}, "off"),
        ({"otlp_endpoint": COLLECTOR}, "otlp"),
        ({"applicationinsights_connection_string": INSIGHTS}, "azure_monitor"),
        ({"otlp_endpoint": COLLECTOR, "applicationinsights_connection_string": INSIGHTS}, "otlp"),
        ({"otlp_endpoint": COLLECTOR, "telemetry": "off"}, "off"),
        ({"applicationinsights_connection_string": INSIGHTS, "telemetry": "opencensus"}, "opencensus"),
    ],
)
def test_what_is_configured_is_chosen(settings: dict[str, str], way: str) -> None:
    assert way_of(AOSConfig(**settings)) == way


@pytest.mark.parametrize(
    ("way", "needed"),
    [
        ("otlp", "otlp_endpoint"),
        ("azure_monitor", "applicationinsights_connection_string"),
        ("opencensus", "applicationinsights_connection_string"),
    ],
)
def test_what_is_missing_is_named(way: str, needed: str) -> None:
    with pytest.raises(ConfigurationError, match=f"telemetry is '{way}': set {needed}"):
        start(AOSConfig(telemetry=way))


def test_nothing_configured_is_nothing_done() -> None:
    assert isinstance(start(AOSConfig()), Off)


def test_headers_are_pairs() -> None:
    assert headers_of(AOSConfig(otlp_headers="api-key=a=b,x=y")) == {"api-key": "a=b", "x": "y"}
    assert headers_of(AOSConfig()) == {}
    with pytest.raises(ConfigurationError, match="name=value"):
        headers_of(AOSConfig(otlp_headers="api-key"))


def test_the_registry_in_opentelemetry_s_words() -> None:
    registry = Registry()
    registry.describe("work.seconds", "How long work took.", (0.1, 1.0))
    registry.increment("work.done", 2, kind="a")
    registry.increment("work.done", 3, kind="b")
    registry.gauge("work.open", 7)
    for seconds in (0.05, 0.1, 0.5, 5.0):
        registry.histogram("work.seconds", seconds)
    (sent,) = data_of(registry, Resource({}), 1, 2).resource_metrics[0].scope_metrics
    by_name = {metric.name: metric for metric in sent.metrics}
    done, opened, seconds_ = (by_name[name].data for name in ("work_done", "work_open", "work_seconds"))
    assert isinstance(done, Sum)
    assert done.is_monotonic
    assert {(dict(point.attributes or {})["kind"], point.value) for point in done.data_points} == {("a", 2), ("b", 3)}
    assert isinstance(opened, Gauge)
    assert [point.value for point in opened.data_points] == [7]
    assert isinstance(seconds_, Histogram)
    (point,) = seconds_.data_points
    assert (point.count, point.sum, tuple(point.bucket_counts)) == (4, 5.65, (2, 1, 1))
    assert by_name["work_seconds"].description == "How long work took."
