"""Tracing without a provider in this process; with one, which is for ever, in a process of its own."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.observability import tracing

ROOT = Path(__file__).parents[3]
SENDER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OTHER = "00-11111111111111111111111111111111-2222222222222222-00"
EARLY = """
import asyncio, json, sys
from AgentOperatingSystem.observability import tracing
with tracing.span("before anything is configured"):
    early = sorted(name for name in sys.modules if name.startswith("opentelemetry"))
"""
PROGRAM = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

with tracing.span("before a provider is there"):
    pass
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)

async def handle(sender):
    with tracing.attach(sender), tracing.span("process_event", {"agent.id": "ceo"}) as span:
        await asyncio.sleep(0)
        span.set_attribute("action.status", "success")
        span.add_event("half way", {"done": 1})
        sent = tracing.traceparent()
        with tracing.span("inner"):
            await asyncio.sleep(0)
    return sent

async def work():
    sent = await asyncio.gather(handle(SENDER), handle(None), handle(OTHER), handle("nonsense"))
    try:
        with tracing.span("failing"):
            raise RuntimeError("boom")
    except RuntimeError:
        pass
    with tracing.attach(SENDER):
        only_attached = tracing.traceparent()
    return {"sent": sent, "only_attached": only_attached, "outside": tracing.traceparent(), "early": early}

def told(span):
    return {
        "name": span.name, "trace": f"{span.context.trace_id:032x}", "id": f"{span.context.span_id:016x}",
        "parent": span.parent and f"{span.parent.span_id:016x}", "status": span.status.status_code.name,
        "attributes": dict(span.attributes), "events": [event.name for event in span.events],
    }

result = asyncio.run(work())
print(json.dumps(result | {"spans": [told(span) for span in exporter.get_finished_spans()]}))
"""


@pytest.fixture(scope="module")
def traced() -> dict[str, Any]:
    """What a program with a real provider has seen."""
    program = f"SENDER, OTHER = {SENDER!r}, {OTHER!r}\n{EARLY}{PROGRAM}"
    ran = subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=ROOT, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    seen: dict[str, Any] = json.loads(ran.stdout)
    return seen


def spans(traced: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [span for span in traced["spans"] if span["name"] == name]


def test_nothing_is_loaded_before_a_provider_is_there(traced: dict[str, Any]) -> None:
    assert traced["early"] == []
    assert {span["name"] for span in traced["spans"]} == {"process_event", "inner", "failing"}


def test_a_span_belongs_to_the_trace_of_the_sender(traced: dict[str, Any]) -> None:
    found = spans(traced, "process_event")
    assert [span["parent"] for span in found].count(SENDER[36:52]) == 1
    child = next(span for span in found if span["parent"] == SENDER[36:52])
    assert child["trace"] == SENDER[3:35]
    assert child["attributes"] == {"agent.id": "ceo", "action.status": "success"}
    assert child["events"] == ["half way"]


def test_what_is_sent_names_the_span_around_it(traced: dict[str, Any]) -> None:
    by_id = {span["id"]: span for span in traced["spans"]}
    sampled = [sent for sent in traced["sent"] if not sent.endswith("-00")]
    assert len(sampled) == 3
    for sent in sampled:
        assert by_id[sent[36:52]]["name"] == "process_event"
        assert by_id[sent[36:52]]["trace"] == sent[3:35]


def test_a_trace_that_the_sender_did_not_sample_is_not_exported_but_handed_on(traced: dict[str, Any]) -> None:
    assert OTHER[3:35] not in {span["trace"] for span in traced["spans"]}
    handed_on = traced["sent"][2]
    assert handed_on.startswith(OTHER[:35])
    assert handed_on.endswith("-00")


def test_without_a_valid_sender_a_new_trace_begins(traced: dict[str, Any]) -> None:
    roots = [span for span in spans(traced, "process_event") if span["parent"] is None]
    assert len({span["trace"] for span in roots}) == 2


def test_spans_nest_and_tasks_do_not_mix(traced: dict[str, Any]) -> None:
    outer = {span["id"]: span["trace"] for span in spans(traced, "process_event")}
    inner = spans(traced, "inner")
    assert {span["parent"] for span in inner} == set(outer)
    assert all(outer[span["parent"]] == span["trace"] for span in inner)


def test_an_exception_is_recorded_and_passes(traced: dict[str, Any]) -> None:
    (failing,) = spans(traced, "failing")
    assert (failing["status"], failing["events"]) == ("ERROR", ["exception"])


def test_attaching_ends_with_the_block(traced: dict[str, Any]) -> None:
    assert (traced["only_attached"], traced["outside"]) == (SENDER, None)


async def test_without_a_provider_the_received_traceparent_is_handed_on() -> None:
    async def sent_by_a_task() -> str | None:
        return tracing.traceparent()

    with tracing.attach(SENDER), tracing.span("process_event") as span:
        span.set_attribute("agent.id", "ceo")
        span.add_event("half way")
        span.record_exception(RuntimeError("boom"))
        with tracing.attach(OTHER):
            assert tracing.traceparent() == OTHER
        with tracing.attach(None), tracing.attach("nonsense"):
            assert await asyncio.create_task(sent_by_a_task()) == SENDER
    assert tracing.traceparent() is None


def test_without_a_provider_an_exception_passes() -> None:
    with pytest.raises(RuntimeError, match="boom"), tracing.attach(SENDER), tracing.span("failing"):
        raise RuntimeError("boom")
    assert tracing.traceparent() is None


def test_a_span_is_nothing_new_without_a_provider() -> None:
    import opentelemetry.trace  # noqa: F401  # the dearer case: the API is there, a provider is not

    assert tracing.span("process_event", {"a": 1}) is tracing.NO_SPAN
    assert tracing.begin("chat") is tracing.NO_SPAN
    assert tracing.traceparent_of(tracing.begin("chat")) is None
    assert not tracing.is_on()
