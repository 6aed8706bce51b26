"""What this system's spans are called and what they say.

    POST /api/v1/agents/{name}/events            server: a door
      invoke_agent ceo                           consumer: one try of one event, on whichever host
        chat gpt-4o                              client: one call of a model that really went out
        execute_tool lookup                      internal: one call of a tool that really ran
        send worker | publish reports            producer: what leaves with the commit; its traceparent travels
          invoke_agent worker                    …

Names and attributes are those of OpenTelemetry's semantic conventions for generative AI and messaging, version
`SEMANTIC_CONVENTIONS`, which are in development: ours change when this number does. What people and models say is never
in a span. Called by the doors, the kernel, the contexts of agents, and the models; calls `tracing`.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.observability import logs, tracing
from AgentOperatingSystem.observability.tracing import Span

SEMANTIC_CONVENTIONS: Final = "1.37.0"
SCHEMA_URL: Final = f"https://opentelemetry.io/schemas/{SEMANTIC_CONVENTIONS}"
_PROVIDERS: Final = {
    "azure": "azure.ai.openai",
    "azureml": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
}
"""Providers whose name in the conventions is another one than ours."""


@contextmanager
def handling(event: Event, agent: AgentId, attempt: int) -> Iterator[Span]:
    """One try of one event: spans, sent events and log records within the block belong to it and to its trace."""
    fields = {"tenant": agent.tenant, "agent": str(agent), "event": event.id}
    if event.correlation:
        fields["correlation"] = event.correlation
    attributes = _of_handling(event, agent, attempt) if tracing.is_on() else None
    with (
        tracing.attach(event.traceparent),
        tracing.span(f"invoke_agent {agent.name}", attributes, "consumer") as span,
        logs.bound(**fields),
    ):
        yield span


def _of_handling(event: Event, agent: AgentId, attempt: int) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": agent.name,
        "gen_ai.agent.id": str(agent),
        "gen_ai.conversation.id": event.conversation or str(agent),
        "messaging.operation.type": "process",
        "messaging.message.id": event.id,
        "cloudevents.event_id": event.id,
        "cloudevents.event_source": event.source,
        "cloudevents.event_type": event.type,
        "aos.tenant": agent.tenant,
        "aos.attempt": attempt,
    }


def sending(event: Event) -> str:
    """The traceparent that an outgoing event carries: a span of its own, or the one that was received."""
    if not tracing.is_on():
        return tracing.traceparent() or ""
    target = event.topic or (event.agent.name if event.agent is not None else "")
    operation = "publish" if event.topic else "send"
    attributes = {
        "messaging.system": "aos",
        "messaging.operation.type": "send",
        "messaging.destination.name": target,
        "messaging.message.id": event.id,
        "cloudevents.event_id": event.id,
        "cloudevents.event_source": event.source,
        "cloudevents.event_type": event.type,
    }
    span = tracing.begin(f"{operation} {target}".rstrip(), attributes, "producer")
    span.end()
    return tracing.traceparent_of(span) or ""


def receiving(method: str, route: str, traceparent: str | None) -> AbstractContextManager[Span]:
    """A request at a door, which belongs to its caller's trace where it brings one."""
    return _received(method, route, traceparent) if tracing.is_on() else tracing.NO_SPAN


@contextmanager
def _received(method: str, route: str, traceparent: str | None) -> Iterator[Span]:
    attributes = {"http.request.method": method, "http.route": route}
    with tracing.attach(traceparent), tracing.span(f"{method} {route}", attributes, "server") as span:
        yield span


def asking(model: str, **said: Any) -> Span:
    """A call of a model (`provider/model`), until `answered` or `tracing.fail`, and `end`. `said` are parameters of the
    request by their names in the conventions, such as `max_tokens`; None stands for what was not said.
    """
    if not tracing.is_on():
        return tracing.NO_SPAN
    provider, _, name = model.partition("/")
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": _PROVIDERS.get(provider, provider),
        "gen_ai.request.model": name or provider,
    } | {f"gen_ai.request.{key}": value for key, value in said.items() if value is not None}
    return tracing.begin(f"chat {name or provider}", attributes, "client")


def answered(span: Span, **said: Any) -> None:
    """What a model answered, by names in the conventions such as `usage__input_tokens` (`__` stands for a dot)."""
    for key, value in said.items():
        if value is not None and value != "":
            span.set_attribute(f"gen_ai.{key.replace('__', '.')}", value)


def using(tool: str, effect: str) -> AbstractContextManager[Span]:
    """A call of a tool that really runs."""
    if not tracing.is_on():
        return tracing.NO_SPAN
    attributes: Mapping[str, Any] = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool,
        "gen_ai.tool.type": "function",
        "aos.tool.effect": effect,
    }
    return tracing.span(f"execute_tool {tool}", attributes)
